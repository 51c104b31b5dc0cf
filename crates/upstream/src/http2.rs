//! HTTP/2 to a region: connections that requests share, each on a stream of its own.
//!
//! A connection takes as many requests as the region allows; when all are full, the pool opens
//! another. One that failed a request takes no further ones and ends with the streams that it still
//! carries.

mod write_clock;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Uri};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::write_clock::Watched;
use crate::connect::Stream;
use crate::exchange::{late, stuck};
use crate::head_clock::HeadClock;
use crate::reply::Source;
use crate::{
    Fault, FaultKind, LazyTimer, Limits, Region, RegionBody, Reply, RequestBody, Sent, Timing,
};

/// The HTTP/2 connections of one worker to one region.
pub(crate) struct Shared {
    region: Arc<Region>,
    connections: RefCell<Vec<Rc<Connection>>>,
}

struct Connection {
    sender: SendRequest<Watched>,
    written: Arc<AtomicU64>,
    streams: Cell<usize>,
    // knows how many streams the region allows; gone when it has ended
    wire: Rc<RefCell<Option<Wire>>>,
}

type Wire = http2::Connection<TokioIo<Stream>, Watched, LocalTasks>;

/// One request's place on a connection, free again when dropped.
pub(crate) struct Seat(Rc<Connection>);

/// Why there is no reply, and the request if it surely did not leave.
pub(crate) type Failure = (Fault, Option<Box<Request<RequestBody>>>);

/// A connection, and what drives it.
pub(crate) type Opened<F> = (Seat, F);

impl Shared {
    /// No connection yet.
    pub(crate) fn new(region: Arc<Region>) -> Self {
        Self { region, connections: RefCell::default() }
    }

    /// A place on an open connection.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_open());
        connections.iter().find(|connection| connection.has_room()).map(Seat::take)
    }

    /// Whether there is no connection at all.
    pub(crate) fn is_empty(&self) -> bool {
        !self.connections.borrow().iter().any(|connection| connection.is_open())
    }

    /// Takes no further request to what is closed, and to all but one of those without a stream.
    pub(crate) fn prune(&self) {
        let mut spare = false;
        self.connections.borrow_mut().retain(|connection| {
            let idle = connection.streams.get() == 0;
            connection.is_open() && !(idle && std::mem::replace(&mut spare, true))
        });
    }

    /// Takes no further request to any of them.
    pub(crate) fn clear(&self) {
        self.connections.borrow_mut().clear();
    }

    /// Speaks HTTP/2 on a new connection; the future drives it and must be run.
    pub(crate) async fn open(
        &self,
        stream: Stream,
        head_max: usize,
        tasks: TaskTracker,
    ) -> hyper::Result<Opened<impl Future<Output = hyper::Result<()>> + 'static>> {
        let written = stream.written().clone();
        let (sender, wire) = http2::Builder::new(LocalTasks(tasks))
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(head_max).unwrap_or(u32::MAX))
            // until the region says how many it takes
            .initial_max_send_streams(1)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let wire = Rc::new(RefCell::new(Some(wire)));
        let driver = drive(wire.clone());
        let connection = Rc::new(Connection { sender, written, streams: Cell::new(0), wire });
        let seat = Seat::take(&connection);
        self.connections.borrow_mut().push(connection);
        Ok((seat, driver))
    }

    /// One request; given back when it surely did not leave.
    pub(crate) async fn exchange(
        &self,
        seat: Seat,
        mut request: Request<RequestBody>,
        limits: Limits,
        mut timing: Timing,
    ) -> Result<Box<Reply>, Failure> {
        let reused = timing.connect.is_none();
        make_absolute(&mut request, &self.region);
        let written = &seat.0.written;
        let before = written.load(Ordering::Relaxed);
        let started = Instant::now();
        let mut sender = seat.0.sender.clone();
        let mut clock = HeadClock::start(limits, request.body().progress(), started);
        let mut timer = LazyTimer::default();
        let (parts, body) = request.into_parts();
        let (body, mut writing) = Watched::new(body, limits.write, started);
        let request = Request::from_parts(parts, body);
        let mut sending = std::pin::pin!(sender.try_send_request(request));
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = sending.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome));
            }
            if let Poll::Ready(limit) = writing.poll(cx) {
                return Poll::Ready(Err(TimedOut::Stuck(limit)));
            }
            clock.poll(cx, &mut timer).map(|()| Err(TimedOut::Late))
        });
        let outcome = outcome.await;
        timing.head = Instant::now() - started;
        let untouched = written.load(Ordering::Relaxed) == before;
        let sent = if untouched { Sent::Nothing } else { Sent::Part };
        let (fault, unsent) = match outcome {
            Ok(Ok(response)) => {
                let response = response
                    .map(|incoming| RegionBody::new(Source::Http2 { incoming, _seat: seat }));
                return Ok(Box::new(Reply { response, timing }));
            }
            Ok(Err(mut error)) => {
                let unsent = error.take_message().map(|request| {
                    let mut request = request.map(Watched::into_body);
                    make_relative(&mut request, &self.region);
                    Box::new(request)
                });
                let sent = if unsent.is_some() { Sent::Nothing } else { sent };
                (fault(error.error(), sent, reused), unsent)
            }
            // the connection lives on for others, and what it holds of this request may leave with it
            Err(TimedOut::Stuck(limit)) => (stuck(limit, Sent::Part, reused), None),
            Err(TimedOut::Late) => (late(timing.head, Sent::Part, reused), None),
        };
        self.retire(&seat);
        Err((fault, unsent))
    }

    fn retire(&self, seat: &Seat) {
        self.connections.borrow_mut().retain(|connection| !Rc::ptr_eq(connection, &seat.0));
    }
}

/// Whose time is up before there is a response head.
enum TimedOut {
    /// The region took nothing of the body for so long.
    Stuck(Duration),
    /// It did not begin to answer.
    Late,
}

/// Runs a connection to its end and drops it there, which fails the requests that still wait in it.
fn drive(wire: Rc<RefCell<Option<Wire>>>) -> impl Future<Output = hyper::Result<()>> {
    poll_fn(move |cx| {
        let mut driven = wire.borrow_mut();
        let Some(connection) = driven.as_mut() else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(connection).poll(cx);
        if polled.is_ready() {
            let ended = driven.take();
            // what it drops may look at it
            drop(driven);
            drop(ended);
        }
        polled
    })
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        let wire = self.wire.borrow();
        let streams_max = wire.as_ref().map_or(0, Wire::current_max_send_streams);
        self.streams.get() < streams_max
    }
}

impl Seat {
    fn take(connection: &Rc<Connection>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(connection.clone())
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
    }
}

/// HTTP/2 has scheme and authority instead of `Host` (RFC 9113 8.3.1).
fn make_absolute(request: &mut Request<RequestBody>, region: &Region) {
    let Some(http2) = &region.http2 else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(http2.authority.clone());
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(HOST);
}

fn make_relative(request: &mut Request<RequestBody>, region: &Region) {
    let parts = std::mem::take(request.uri_mut()).into_parts();
    let path = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(HOST, region.host().clone());
}

/// What ended a stream. A region that refuses it, or says goodbye before it, has not looked at the
/// request (RFC 9113 8.7 and 6.8).
fn fault(error: &hyper::Error, sent: Sent, reused: bool) -> Fault {
    let fault = Fault::from_hyper(error, sent, reused);
    match error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(h2) if h2.is_remote() => {
            let refused = h2.is_go_away() || h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            Fault { sent: if refused { Sent::Nothing } else { fault.sent }, ..fault }
        }
        Some(h2) if h2.is_library() => Fault { kind: FaultKind::Malformed, ..fault },
        _ => fault,
    }
}

/// hyper's HTTP/2 client spawns its own tasks through this.
#[derive(Clone)]
struct LocalTasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for LocalTasks
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn_local(future);
    }
}

/// What a region may send of one answer before its client has taken it, in bytes: at 100 ms to the
/// region, 10 MB a second.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// The same of all answers on a connection: this many slow clients do not hold up the others, and
/// this much memory is what they cost at most.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// A connection that dies without a word is found out by a ping, also when it idles: other requests
/// would queue up on it.
const PING_EVERY: Duration = Duration::from_secs(30);
/// For the answer to a ping.
const PING_PATIENCE: Duration = Duration::from_secs(10);
