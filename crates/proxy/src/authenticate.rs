//! Whose request this is, by the key that it carries, and whether that client may ask for this.

use http::request::Parts;
use http::uri::PathAndQuery;
use nearway_wire::client_key::KeyDigest;
use nearway_wire::headers::client_keys;

use crate::identify::Identity;
use crate::{Refusal, Settings};

/// Keys of one request that are looked up; each costs a hash.
const KEYS_MAX: usize = 8;

/// The place of the client who sent this; `None` where no clients are configured. Of several keys the
/// first that is known counts.
pub(crate) fn authenticate(parts: &Parts, settings: &Settings) -> Result<Option<usize>, Refusal> {
    let Some(clients) = &settings.clients else { return Ok(None) };
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let keys = client_keys(&parts.headers, target).take(KEYS_MAX);
    let mut owners = keys.filter_map(|key| clients.owner(KeyDigest::of(&key)));
    owners.next().map(Some).ok_or(Refusal::UnknownKey)
}

/// Whether the client may use the deployment that it asks for.
pub(crate) fn authorize(identity: &Identity, settings: &Settings) -> Result<(), Refusal> {
    match settings.may_ask(identity) {
        true => Ok(()),
        false => Err(Refusal::NotForClient(identity.deployment.as_deref().map(str::to_owned))),
    }
}
