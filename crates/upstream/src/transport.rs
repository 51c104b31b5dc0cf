//! The one way in which requests reach a region; a trait so that tests can stand in for the network.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use crate::{Fault, Interim, Region, Reply, RequestBody};

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the open connection until the response head; anew whenever more of a body that streams
    /// has been taken.
    pub head: Duration,
    /// From the open connection until the response head, whatever moves.
    pub total: Duration,
}

/// Sends one request to one region.
pub trait Transport {
    /// The response once its head is here, or why there is none. Boxed: it is large, and it passes
    /// through many hands.
    ///
    /// The request must be complete: target, `Host` and credential are the caller's business.
    /// Interim answers over HTTP/1.1 go to `interim`; HTTP/2 has none that hyper would show.
    /// Dropping the future cancels the request and closes its connection.
    fn send(
        &self,
        region: &Arc<Region>,
        request: Request<RequestBody>,
        limits: Limits,
        interim: Option<&Interim>,
    ) -> impl Future<Output = Result<Box<Reply>, Fault>>;
}
