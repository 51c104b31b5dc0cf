//! What a request asks for: operation, deployment as far as the target tells, and a pin.

use std::ops::Range;
use std::rc::Rc;

use http::request::Parts;
use http::uri::PathAndQuery;
use nearway_wire::endpoint::{self, Operation};
use nearway_wire::headers::REGION_HEADER;

use crate::Refusal;

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
    /// The region that the client insists on.
    pub(crate) pin: Option<Box<str>>,
}

impl Identity {
    /// Whether the body must be searched for the deployment.
    pub(crate) fn wants_body(&self) -> bool {
        self.deployment.is_none() && self.operation.model_in_body()
    }
}

/// Reads target and headers; the body is not touched.
pub(crate) fn identify(parts: &Parts) -> Result<Identity, Refusal> {
    let target =
        parts.uri.path_and_query().ok_or(Refusal::Malformed("The request target has no path."))?;
    let endpoint = endpoint::read(target.as_str()).map_err(|_bad| {
        Refusal::Malformed("The request target holds dot segments or control characters.")
    })?;
    let pin = match parts.headers.get(REGION_HEADER) {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_binary| Refusal::Malformed("x-nearway-region is no region's name."))?
                .into(),
        ),
    };
    let (deployment, in_target) = match endpoint.deployment {
        None => (None, None),
        Some(named) => (Some(named.name.into()), Some(named.span)),
    };
    let operation = endpoint.operation;
    Ok(Identity { target: target.clone(), operation, deployment, in_target, pin })
}
