//! One client connection: HTTP/1.1 or HTTP/2 with prior knowledge, until it ends or the drain begins.

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use http::Version;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nearway_upstream::{InterimReader, Pools};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::client_io::{Busy, ClientIo, ClientPatience, Protocol};
use crate::handle::handle;
use crate::leave::Lookout;
use crate::worker::Context;
use crate::{Refusal, Timeouts};

/// Makes connections; one a worker.
pub(crate) struct Server {
    context: Rc<Context<Pools>>,
    drain: Rc<Drain>,
    lookout: Rc<Lookout>,
}

/// Tells all connections of a worker that no further request is welcome.
#[derive(Default)]
pub(crate) struct Drain {
    begun: Cell<bool>,
    begins: Notify,
}

impl Drain {
    pub(crate) fn begin(&self) {
        self.begun.set(true);
        self.begins.notify_waiters();
    }

    async fn rung(&self) {
        let bell = self.begins.notified();
        if !self.begun.get() {
            bell.await;
        }
    }
}

/// What both protocols can do at the end: finish the requests under way and take no more.
trait Ending: Future<Output = hyper::Result<()>> {
    fn end(self: Pin<&mut Self>);
}

impl Server {
    pub(crate) fn new(context: Rc<Context<Pools>>, drain: Rc<Drain>, lookout: Rc<Lookout>) -> Self {
        Self { context, drain, lookout }
    }

    /// Serves one client until it leaves, breaks the protocol or idles too long.
    pub(crate) fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + 'static {
        let context = self.context.clone();
        let drain = self.drain.clone();
        let lookout = self.lookout.clone();
        async move {
            // what a connection leaves behind when hyper is done with it: a tunnel
            let tasks = TaskTracker::new();
            let left = tasks.clone();
            let _counted = context.shared.metrics.connected();
            let prepared = context.prepared();
            let (timeouts, head_max) = (prepared.settings.timeouts, prepared.settings.header_max);
            drop(prepared);
            // it only makes small writes faster
            let _ = stream.set_nodelay(true);
            let busy = Busy::default();
            let patience = ClientPatience {
                head: timeouts.client_header,
                idle: timeouts.client_idle,
                write: timeouts.idle,
            };
            let reader = InterimReader::default();
            let interims = reader.interims();
            let mut io = ClientIo::new(stream, busy.clone(), patience, reader);
            let protocol = tokio::select! {
                biased;
                protocol = io.protocol() => protocol,
                () = drain.rung() => return,
            };
            let Ok(protocol) = protocol else { return };
            let shared = context.shared.clone();
            let spawn = LocalTasks(tasks.clone());
            let serving = busy.clone();
            let service = service_fn(move |request: http::Request<Incoming>| {
                busy.begin(request.version());
                // an older client knows none (RFC 9110 15.2), and hyper's HTTP/2 can't send any
                let is_http11 = request.version() == Version::HTTP_11;
                let interim = is_http11.then(|| interims.open());
                handle(context.clone(), tasks.clone(), busy.clone(), interim, request)
            });
            let ended = if protocol == Protocol::Http2 {
                let connection = http2_builder(spawn, head_max, timeouts)
                    .serve_connection(TokioIo::new(io), service);
                // boxed: larger than all else here, and few clients speak it
                Box::pin(until_the_end(connection, &drain)).await
            } else {
                let _watched = lookout.enter(serving).await;
                let connection = http1_builder(head_max)
                    .serve_connection(TokioIo::new(io), service)
                    .with_upgrades();
                until_the_end(connection, &drain).await
            };
            if let Err(error) = ended {
                if error.is_parse() || error.is_parse_too_large() {
                    shared.metrics.malformed();
                }
                if let Some(refusal) = refusal_in(&error) {
                    shared.metrics.refused(refusal.code());
                }
                tracing::debug!(%error, "client connection ended");
            }
            // a tunnel is the client's connection still: it has its place, and a drain waits for it
            left.close();
            left.wait().await;
        }
    }
}

/// Runs a connection. The drain's bell is looked at once, to be woken by it; from then on a plain
/// flag tells whether it has rung, which costs nothing for each request.
async fn until_the_end(connection: impl Ending, drain: &Drain) -> hyper::Result<()> {
    let bell = drain.begins.notified();
    tokio::pin!(connection, bell);
    let mut listening = false;
    let mut ending = false;
    poll_fn(|cx| {
        if !listening {
            listening = true;
            let _ = bell.as_mut().poll(cx);
        }
        if drain.begun.get() && !ending {
            ending = true;
            connection.as_mut().end();
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What [`ClientIo`] has said to the client before it ended the connection.
fn refusal_in(error: &hyper::Error) -> Option<&Refusal> {
    let io: &io::Error = error.source()?.downcast_ref()?;
    io.get_ref()?.downcast_ref()
}

fn http1_builder(head_max: usize) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // `ClientIo` keeps the time, without a timer for each request
        .header_read_timeout(None)
        .max_header_size(head_max)
        .max_buf_size(head_max.max(HYPER_MIN_BUFFER));
    builder
}

fn http2_builder(
    spawn: LocalTasks,
    head_max: usize,
    timeouts: Timeouts,
) -> http2::Builder<LocalTasks> {
    let mut builder = http2::Builder::new(spawn);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(head_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .keep_alive_interval(timeouts.client_idle);
    builder
}

impl<S, B> Ending for http1::UpgradeableConnection<TokioIo<ClientIo>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    Self: Future<Output = hyper::Result<()>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Ending for http2::Connection<TokioIo<ClientIo>, S, LocalTasks>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    LocalTasks: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
    Self: Future<Output = hyper::Result<()>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// hyper's HTTP/2 server spawns its streams through this.
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

/// The smallest read buffer that hyper accepts.
const HYPER_MIN_BUFFER: usize = 8192;
/// Requests at a time on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 256;
