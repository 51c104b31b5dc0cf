//! The key of a realtime session that a request shows in place of a client's: minted by one region, and worth
//! something there alone (API fact sheet 2.1, 7).

use std::fmt;

use http::HeaderMap;
use http::request::Parts;
use http::uri::PathAndQuery;
use nearway_affinity::request::Bond;
use nearway_affinity::{Minted, Named};
use nearway_wire::endpoint::Operation;
use nearway_wire::headers::{ephemeral_key, show_ephemeral_key};
use nearway_wire::id::IdDigest;

use crate::{Refusal, Settings};

/// The key itself.
pub(crate) struct EphemeralKey(Box<[u8]>);

impl EphemeralKey {
    /// The one that a request shows, if it shows no other.
    pub(crate) fn of(parts: &Parts, operation: Operation) -> Option<Self> {
        if operation != Operation::Realtime {
            return None;
        }
        let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
        Some(Self(ephemeral_key(&parts.headers, target)?.into()))
    }

    /// The region that minted it is the only one that takes it; others say so.
    pub(crate) fn named(&self) -> Named {
        Named { id: self.id(), shown: "The session's key".into(), bond: Bond::Told(None) }
    }

    /// The place of the client whom it was made for; `None` where no clients are configured.
    ///
    /// # Errors
    /// It is not known whom it was made for.
    pub(crate) fn client(
        &self,
        minted: &Minted,
        settings: &Settings,
    ) -> Result<Option<usize>, Refusal> {
        let Some(clients) = &settings.clients else { return Ok(None) };
        let name = minted.client(self.id()).ok_or(Refusal::UnknownKey)?;
        let place = clients.names().position(|client| *client == name);
        place.map(Some).ok_or(Refusal::UnknownKey)
    }

    /// Shows it, and nothing else, in the form that every region takes.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        // it came in a header or a query: if no header can carry it, no region knows it
        show_ephemeral_key(headers, &self.0);
    }

    fn id(&self) -> IdDigest {
        IdDigest::of(&self.0)
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralKey")
    }
}
