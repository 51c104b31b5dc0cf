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
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::head_clock::HeadClock;
use crate::http2::Seat;
use crate::pool::Pool;
use crate::watch::Watch;
use crate::{
    Fault, FaultKind, Interim, LazyTimer, Limits, RegionBody, Reply, RequestBody, Sent, Timing,
};

/// An open HTTP/1.1 connection that no request is using.
pub(crate) struct Conn {
    sender: SendRequest<RequestBody>,
    // bytes that left; the stream holds the other end
    written: Arc<AtomicU64>,
    // notices interim answers; the stream holds the other end
    watch: Arc<Watch>,
    // for the response head; it outlives the request that sets it
    late: LazyTimer,
    // runs the connection
    driver: AbortHandle,
}

/// A request that was handed to its connection.
pub(crate) struct Exchange {
    conn: Conn,
    before: u64,
    started: Instant,
    clock: HeadClock,
    // the request asks for another protocol
    upgrades: bool,
    // the body streams
    uploads: bool,
    // boxed and dyn: hyper does not name the type, which has room for the whole request
    response: Pin<Box<dyn Future<Output = Sending>>>,
}

/// What hyper makes of a request; it gives back what surely did not leave.
pub(crate) type Sending = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

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
        driver: AbortHandle,
    ) -> Self {
        Self { sender, written, watch, late: LazyTimer::default(), driver }
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
        limits: Limits,
        interim: Option<&Interim>,
        now: Instant,
    ) -> Exchange {
        self.watch.expect(interim);
        let before = self.written.load(Ordering::Relaxed);
        let upgrades = request.headers().contains_key(UPGRADE);
        let progress = request.body().progress();
        let uploads = progress.is_some();
        let clock = HeadClock::start(limits, progress, now);
        let response = Box::pin(self.sender.try_send_request(request));
        Exchange { conn: self, before, started: now, clock, upgrades, uploads, response }
    }
}

impl Exchange {
    /// Waits for the response head within the limits.
    pub(crate) async fn reply(
        mut self,
        timing: Timing,
        pool: &Rc<Pool>,
    ) -> Result<Box<Reply>, Failure> {
        let outcome = poll_fn(|cx| self.poll_outcome(cx)).await;
        self.conclude(outcome, timing, pool)
    }

    /// What came of it; `None` when time is up.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Option<Sending>> {
        match self.response.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => self.clock.poll(cx, &mut self.conn.late).map(|()| None),
        }
    }

    /// The reply, or why there is none.
    pub(crate) fn conclude(
        self,
        outcome: Option<Sending>,
        mut timing: Timing,
        pool: &Rc<Pool>,
    ) -> Result<Box<Reply>, Failure> {
        let reused = timing.connect.is_none();
        timing.head = Instant::now() - self.started;
        match outcome {
            Some(Ok(response)) if is_ambiguous(response.headers()) => {
                Err((malformed("its framing is ambiguous", reused), None))
            }
            Some(Ok(response))
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && !self.upgrades =>
            {
                Err((malformed("it switches protocols unasked", reused), None))
            }
            Some(Ok(response)) => {
                let lease = Lease::Http1 { conn: self.conn, pool: Rc::downgrade(pool) };
                let response = response.map(|body| RegionBody::new(body, lease, self.uploads));
                Ok(Box::new(Reply { response, timing }))
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(Box::new);
                let sent = if unsent.is_some() { Sent::Nothing } else { self.sent() };
                Err((Fault::from_hyper(error.error(), sent, reused), unsent))
            }
            None => Err((late(timing.head, self.sent(), reused), None)),
        }
    }

    fn sent(&self) -> Sent {
        let written = self.conn.written.load(Ordering::Relaxed);
        if written == self.before { Sent::Nothing } else { Sent::Some }
    }
}

/// Whether two readers could find different ends of a body (RFC 9112 6.3).
fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (coding, length) = (codings.next(), lengths.next());
    codings.next().is_some()
        || coding.is_some_and(|coding| {
            length.is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked")
        })
        || length.is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit))
}

fn malformed(detail: &str, reused: bool) -> Fault {
    Fault { kind: FaultKind::Malformed, sent: Sent::Some, reused, detail: detail.into() }
}

/// The fault of a region that did not begin to answer in time.
pub(crate) fn late(waited: Duration, sent: Sent, reused: bool) -> Fault {
    let detail = format!("no response head within {waited:?}");
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

    /// Ends the connection at once, so that it lets go of a request's body that it still sends.
    pub(crate) fn cut(self) {
        match self {
            Self::Http1 { conn, .. } => conn.driver.abort(),
            // the stream ends with its response
            Self::Http2 { .. } => {}
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
