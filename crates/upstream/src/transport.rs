//! The one way in which requests reach a region; a trait so that tests can stand in for the network.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use crate::{Fault, Interim, Region, Reply, RequestBody};

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Name and TCP together.
    pub connect: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// From the open connection until the response head; anew whenever more of a body that streams
    /// has been taken.
    pub head: Duration,
    /// The longest that bytes of the request may lie ready without the region taking one; over
    /// HTTP/2, of its body.
    pub write: Duration,
    /// Connecting included, until the response head, whatever moves: no other limit reaches beyond.
    pub total: Duration,
}

impl Limits {
    /// For what follows on a connection whose opening took so long.
    pub(crate) fn after(self, opening: Duration) -> Self {
        Self { total: self.total.saturating_sub(opening), ..self }
    }
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
