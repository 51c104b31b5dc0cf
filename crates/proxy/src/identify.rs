//! What a request asks for: operation, deployment as far as the target tells, and a pin.
//!
//! Clients ask the same target over and over, so each worker remembers what the last one said.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use http::request::Parts;
use http::uri::PathAndQuery;
use nearway_affinity::Named;
use nearway_route::{Kin, Lack, MAX_OPERATIONS, Shape};
use nearway_wire::endpoint::{self, Endpoint, Operation};
use nearway_wire::headers::{REASON_HEADER, REGION_HEADER, names_further_deployment};
use nearway_wire::model::Asked;

use crate::Refusal;
use crate::belong::{Bonds, named_in_target};
use crate::ephemeral::EphemeralKey;
use crate::shape::shape;

/// A request, read as far as its head goes.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Path and query as received.
    pub(crate) target: PathAndQuery,
    /// The operation of the API.
    pub(crate) operation: Operation,
    /// The deployment, once known.
    pub(crate) deployment: Option<Rc<str>>,
    /// Where its name stands in the target, if it stands there.
    pub(crate) in_target: Option<Range<usize>>,
    /// Where the operation begins in it.
    pub(crate) operation_at: usize,
    /// What it names that lives in one region, and what follows from that.
    pub(crate) bonds: Bonds,
    /// The region that the client insists on.
    pub(crate) pin: Option<Box<str>>,
    /// It wants a chat completion to be kept.
    pub(crate) stores: bool,
    /// The key that it shows is one region's own.
    pub(crate) ephemeral: Option<EphemeralKey>,
    /// The place of the client who sent it, where clients are configured.
    pub(crate) client: Option<usize>,
    /// What it has in common with the requests of its session, if it names one and that matters.
    pub(crate) session: Option<u64>,
    /// Whom it belongs to, once its body was looked at.
    pub(crate) kin: Option<Kin>,
    /// A provisioned deployment has found it too long.
    pub(crate) is_long: bool,
    /// A further deployment is named beside that one.
    pub(crate) names_more: bool,
    /// It may use a deployment even where none is named.
    uses_deployment: bool,
    /// Its messages name the deployment, each for itself: no region that calls it otherwise can serve it.
    pub(crate) in_messages: bool,
    /// Its size and kind; that of a request without a body until that is looked at.
    pub(crate) shape: Shape,
    /// The client wants to know why it is sent where it is.
    pub(crate) wants_reason: bool,
}

impl Identity {
    /// Whether the body must be searched for the deployment.
    pub(crate) fn wants_body(&self) -> bool {
        self.deployment.is_none() && self.operation.model_in_body()
    }

    /// The deployment that it uses as every reader sees it; `None` if they may differ.
    pub(crate) fn only_deployment(&self) -> Option<&str> {
        self.deployment.as_deref().filter(|_| !self.names_more)
    }

    /// Whether it uses a deployment, and no one can tell which.
    pub(crate) fn hides_deployment(&self) -> bool {
        self.only_deployment().is_none() && self.uses_deployment
    }

    /// That of a request of the same client that reads `target`, which belongs where `bonds` say, inside of the
    /// same fences; `None` if no such request can be written.
    pub(crate) fn reading(&self, target: String, bonds: Bonds) -> Option<Self> {
        let target = PathAndQuery::try_from(target).ok()?;
        let endpoint = endpoint::read(target.as_str()).ok()?;
        let (operation, operation_at) = (endpoint.operation, endpoint.operation_at);
        let shape = shape(operation, 0, Asked::default());
        // what keeps this one from a region keeps that one, too
        let (client, deployment) = (self.client, self.deployment.clone());
        let (uses_deployment, names_more) = (self.uses_deployment, self.names_more);
        let (in_target, pin, session, kin) = (None, None, None, None);
        let (stores, is_long, wants_reason) = (false, false, false);
        Some(Self {
            target,
            operation,
            deployment,
            in_target,
            operation_at,
            bonds,
            pin,
            stores,
            ephemeral: None,
            client,
            session,
            kin,
            is_long,
            names_more,
            uses_deployment,
            shape,
            wants_reason,
            in_messages: false,
        })
    }

    /// What a region would lack that does not have this operation. One may have it for requests and not
    /// for sessions.
    pub(crate) fn lack(&self) -> Lack {
        Lack::operation(if self.in_messages { SESSIONS.0 } else { self.operation as u8 })
    }

    /// It switches protocols: whatever its method, it may use a deployment then.
    pub(crate) fn switches(&mut self) {
        self.uses_deployment = true;
    }

    /// It opens a session whose messages name the deployment, each for itself. Only the first of them is
    /// looked at, so where anything goes by the name (`goes_by_name`), there is none that can be read.
    pub(crate) fn asks_in_messages(&mut self, goes_by_name: bool) {
        (self.in_messages, self.names_more) = (true, goes_by_name);
    }
}

/// What a region can lack beside operations, which have the numbers before it: sessions that name their
/// deployment in messages. Its number and its label.
pub const SESSIONS: (u8, &str) = (Operation::Other as u8 + 1, "responses_websocket");
// each has a number of its own
const _: () = assert!(SESSIONS.0 < MAX_OPERATIONS);

/// The last target that was read on a worker, and what it says. One, and no longer than
/// [`REMEMBERED_MAX`].
#[derive(Debug, Default)]
pub(crate) struct LastTarget(RefCell<(Box<str>, Said)>);

/// What a target says.
#[derive(Clone, Debug)]
struct Said {
    operation: Operation,
    operation_at: usize,
    deployment: Option<(Rc<str>, Range<usize>)>,
    // hardly ever any
    named: Vec<Named>,
}

impl Default for Said {
    fn default() -> Self {
        Self { operation: Operation::Other, operation_at: 0, deployment: None, named: Vec::new() }
    }
}

impl LastTarget {
    fn read(&self, target: &str) -> Result<Said, Refusal> {
        let mut last = self.0.borrow_mut();
        let (known, said) = &mut *last;
        // the empty one is no target
        if **known == *target && !target.is_empty() {
            return Ok(said.clone());
        }
        let endpoint = endpoint::read(target).map_err(|_bad| {
            Refusal::Malformed("The request target holds dot segments or control characters.")
        })?;
        let deployment = endpoint.deployment.map(|named| (named.name.into(), named.span));
        let Endpoint { operation, operation_at, .. } = endpoint;
        let named = named_in_target(target, operation_at);
        let new = Said { operation, operation_at, deployment, named };
        if target.len() <= REMEMBERED_MAX {
            (*known, *said) = (target.into(), new.clone());
        }
        Ok(new)
    }
}

/// Longer targets are rare, and not worth their place.
const REMEMBERED_MAX: usize = 1024;

/// Reads target and headers; the body is not touched.
pub(crate) fn identify(parts: &Parts, last: &LastTarget) -> Result<Identity, Refusal> {
    let target =
        parts.uri.path_and_query().ok_or(Refusal::Malformed("The request target has no path."))?;
    let said = last.read(target.as_str())?;
    let pin = match parts.headers.get(REGION_HEADER) {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_binary| Refusal::Malformed("x-nearway-region is no region's name."))?
                .into(),
        ),
    };
    let (deployment, in_target) = said.deployment.unzip();
    let (operation, operation_at) = (said.operation, said.operation_at);
    let bonds = Bonds { named: said.named, ..Bonds::default() };
    let uses_deployment = operation.uses_deployment(&parts.method);
    let shape = shape(operation, 0, Asked::default());
    let wants_reason = parts.headers.contains_key(REASON_HEADER);
    let target = target.clone();
    let (client, session, kin, is_long, names_more) = (None, None, None, false, false);
    Ok(Identity {
        target,
        operation,
        deployment,
        in_target,
        operation_at,
        bonds,
        pin,
        stores: false,
        ephemeral: None,
        client,
        session,
        kin,
        is_long,
        names_more,
        uses_deployment,
        in_messages: false,
        shape,
        wants_reason,
    })
}

/// Whether the head names a further deployment beside that of the target. Asked only where fences go by the
/// name.
pub(crate) fn names_more(parts: &Parts, identity: &Identity) -> bool {
    endpoint::names_another(identity.target.as_str(), identity.deployment.as_deref())
        || names_further_deployment(&parts.headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_the_same_whatever_was_read_before() {
        let last = LastTarget::default();
        let long = format!("/openai/deployments/d/embeddings?x={}", "y".repeat(REMEMBERED_MAX));
        let chat = "/openai/deployments/gpt-4o/chat/completions?api-version=1";
        for (target, operation, deployment) in [
            (chat, Operation::ChatCompletions, Some("gpt-4o")),
            (chat, Operation::ChatCompletions, Some("gpt-4o")),
            ("/v1/files", Operation::Files, None),
            (&long, Operation::Embeddings, Some("d")),
            ("/v1/files", Operation::Files, None),
            (chat, Operation::ChatCompletions, Some("gpt-4o")),
        ] {
            let said = last.read(target).unwrap();
            let name = said.deployment.as_ref().map(|(name, _)| &**name);
            assert_eq!((said.operation, name), (operation, deployment), "{target}");
        }
        for bad in ["/a/../b", "", "/a/../b"] {
            assert!(last.read(bad).is_err(), "{bad:?}");
        }
    }
}
