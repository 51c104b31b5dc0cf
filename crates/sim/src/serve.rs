//! Accepts connections for one region and speaks HTTP/1.1 and HTTP/2 on them.
//!
//! Started by [`crate::Sim::start`], one loop per listener. Ends with the token; a connection
//! also ends when its region refuses connections. What a request means is in `handle.rs`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::body::{Cut, RegionBody};
use crate::faults::Mode;
use crate::handle::handle;
use crate::idle::Latest;
use crate::latency;
use crate::region::Region;

/// Takes connections until the simulator ends.
pub(crate) async fn accept(region: Arc<Region>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            () = region.tasks.cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let tracker = region.tasks.tracker.clone();
                tracker.spawn(connection(region.clone(), stream, tls.clone()));
            }
            // out of descriptors, most likely: others will be given back
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(region: Arc<Region>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let world = region.world();
    if world.mode == Mode::Refuse {
        // with no linger the drop is a reset: the nearest to a refused connection that an open
        // listener can do
        let _ = stream.set_zero_linger();
        return;
    }
    let _ = stream.set_nodelay(true);
    let outage = region.outage();
    let open = Open::count(&region);
    let closes = latency::idle_close(&world);
    let spoken = async {
        // even a wait for nothing takes until the next tick of the timers
        if world.connect_ms > 0.0 {
            sleep(latency::connect(&world)).await;
        }
        match tls {
            None => speak(region.clone(), stream, closes).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    speak(region.clone(), stream, closes).await;
                }
            }
        }
    };
    tokio::select! {
        () = outage.cancelled() => {}
        () = spoken => {}
    }
    drop(open);
}

async fn speak<S>(region: Arc<Region>, stream: S, closes: Option<Duration>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let executor = Tracked(region.tasks.tracker.clone());
    let latest = Latest::now();
    let told = latest.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        told.asked();
        let region = region.clone();
        async move { handle(region, request).await as Result<Response<RegionBody>, Cut> }
    });
    let mut builder = auto::Builder::new(executor);
    builder.http1().timer(TokioTimer::new()).max_headers(MAX_HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    let mut spoken = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    if let Some(after) = closes {
        tokio::select! {
            _ = spoken.as_mut() => return,
            () = latest.is_over(after) => spoken.as_mut().graceful_shutdown(),
        }
    }
    // a client that leaves and a cut on purpose both end here as errors; the counters know
    let _ = spoken.await;
}

/// Runs hyper's own tasks in the simulator's task group.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// Counts a connection as open until dropped.
struct Open(Arc<Region>);

impl Open {
    fn count(region: &Arc<Region>) -> Self {
        region.stats.with(|stats| {
            stats.connections += 1;
            stats.connections_open += 1;
        });
        Self(region.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stats.with(|stats| {
            stats.connections_open = stats.connections_open.saturating_sub(1);
        });
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAX_HEADERS: usize = 200;
const MAX_STREAMS: u32 = 1_000;
