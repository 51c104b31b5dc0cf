//! One request on one HTTP/1.1 connection: handed over at once, then waited for.
//!
//! The two are apart so that what waits holds no request: requests are large, futures are moved,
//! and every layer that awaits another would carry its own copy. The pool calls this.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::http2::Seat;
use crate::pool::Pool;
use crate::watch::Watch;
use crate::{Fault, FaultKind, Interim, LazyTimer, RegionBody, Reply, RequestBody, Sent, Timing};

/// An open HTTP/1.1 connection that no request is using.
pub(crate) struct Conn {
    sender: SendRequest<RequestBody>,
    // bytes that left; the stream holds the other end
    written: Arc<AtomicU64>,
    // notices interim answers; the stream holds the other end
    watch: Arc<Watch>,
    // for the response head; it outlives the request that sets it
    late: LazyTimer,
}

/// A request that was handed to its connection.
pub(crate) struct Exchange {
    conn: Conn,
    before: u64,
    started: Instant,
    // boxed and dyn: hyper does not name the type, which has room for the whole request
    response: Pin<Box<dyn Future<Output = Sending>>>,
}

type Sending = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// Why there is no reply, and the request if it surely did not leave.
pub(crate) type Failure = (Fault, Option<Box<Request<RequestBody>>>);

/// What a response is read from; goes back with [`Lease::give_back`], ends when dropped.
pub(crate) enum Lease {
    /// A connection of its own.
    Http1 { conn: Conn, pool: Weak<Pool> },
    /// A stream on a shared connection.
    Http2 { _seat: Seat },
}

impl Conn {
    pub(crate) fn new(
        sender: SendRequest<RequestBody>,
        written: Arc<AtomicU64>,
        watch: Arc<Watch>,
    ) -> Self {
        Self { sender, written, watch, late: LazyTimer::default() }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Hands the request over; nothing is awaited. Interim answers go to `interim`.
    pub(crate) fn send(
        mut self,
        request: Request<RequestBody>,
        interim: Option<&Interim>,
    ) -> Exchange {
        self.watch.expect(interim);
        let before = self.written.load(Ordering::Relaxed);
        let response = Box::pin(self.sender.try_send_request(request));
        Exchange { conn: self, before, started: Instant::now(), response }
    }
}

impl Exchange {
    /// Waits for the response head, for at most `limit`.
    pub(crate) async fn reply(
        mut self,
        limit: Duration,
        mut timing: Timing,
        pool: &Rc<Pool>,
    ) -> Result<Reply, Failure> {
        let reused = timing.connect.is_none();
        let deadline = self.started + limit;
        let outcome = poll_fn(|cx| match self.response.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => self.conn.late.poll(cx, deadline).map(|()| None),
        });
        let outcome = outcome.await;
        timing.head = Instant::now() - self.started;
        match outcome {
            Some(Ok(response)) => {
                let lease = Lease::Http1 { conn: self.conn, pool: Rc::downgrade(pool) };
                let response = response.map(|body| RegionBody::new(body, lease));
                Ok(Reply { response, timing })
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(Box::new);
                let sent = if unsent.is_some() { Sent::Nothing } else { self.sent() };
                Err((Fault::from_hyper(error.error(), sent, reused), unsent))
            }
            None => Err((late(limit, self.sent(), reused), None)),
        }
    }

    fn sent(&self) -> Sent {
        let written = self.conn.written.load(Ordering::Relaxed);
        if written == self.before { Sent::Nothing } else { Sent::Some }
    }
}

/// The fault of a region that did not begin to answer in time.
pub(crate) fn late(limit: Duration, sent: Sent, reused: bool) -> Fault {
    let detail = format!("no response head within {limit:?}");
    Fault { kind: FaultKind::HeadTimeout, sent, reused, detail }
}

impl Lease {
    /// The response was read to its end: the connection may serve the next request.
    pub(crate) fn give_back(self) {
        if let Self::Http1 { conn, pool } = self
            && let Some(pool) = pool.upgrade()
        {
            pool.put(conn);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
