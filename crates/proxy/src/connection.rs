//! One client connection: HTTP/1.1 or HTTP/2 with prior knowledge, until it ends or the drain begins.

use std::rc::Rc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nearway_upstream::Pools;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client_io::{Busy, ClientIo, ClientPatience};
use crate::handle::handle;
use crate::worker::Context;

/// Makes connections; one a worker.
pub(crate) struct Server {
    context: Rc<Context<Pools>>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(crate) fn new(context: Rc<Context<Pools>>, shutdown: CancellationToken) -> Self {
        Self { context, shutdown, tasks: TaskTracker::new() }
    }

    /// Serves one client until it leaves, breaks the protocol or idles too long.
    pub(crate) fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + 'static {
        let context = self.context.clone();
        let shutdown = self.shutdown.clone();
        let tasks = self.tasks.clone();
        async move {
            let _counted = context.shared.metrics.connected();
            let builder = builder(&context, &tasks);
            // it only makes small writes faster
            let _ = stream.set_nodelay(true);
            let busy = Busy::default();
            let timeouts = context.prepared().settings.timeouts;
            let patience =
                ClientPatience { head: timeouts.client_header, idle: timeouts.client_idle };
            let io = TokioIo::new(ClientIo::new(stream, busy.clone(), patience));
            let shared = context.shared.clone();
            let tunnels = tasks.clone();
            let service = service_fn(move |request| {
                busy.set(true);
                handle(context.clone(), tunnels.clone(), busy.clone(), request)
            });
            let connection = builder.serve_connection_with_upgrades(io, service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                let malformed = error
                    .downcast_ref::<hyper::Error>()
                    .is_some_and(|error| error.is_parse() || error.is_parse_too_large());
                if malformed {
                    shared.metrics.malformed();
                }
                tracing::debug!(%error, "client connection ended");
            }
        }
    }
}

fn builder(context: &Context<Pools>, tasks: &TaskTracker) -> auto::Builder<LocalTasks> {
    let prepared = context.prepared();
    let settings = &prepared.settings;
    let mut builder = auto::Builder::new(LocalTasks(tasks.clone()));
    builder
        .http1()
        // `ClientIo` keeps the time, without a timer for each request
        .header_read_timeout(None)
        .max_buf_size(settings.header_max.max(HYPER_MIN_BUFFER))
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.header_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .keep_alive_interval(settings.timeouts.client_idle);
    builder
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
