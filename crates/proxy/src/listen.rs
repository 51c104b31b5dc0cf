//! Accepts clients until told to stop, then waits for what is in flight.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nearway_telemetry::ProxyMetrics;
use nearway_upstream::{PoolSettings, Pools};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Worker;
use crate::connection::{Drain, Server};
use crate::leave::{LOOK_EVERY, Lookout};
use crate::worker::{Context, REPORT_EVERY, TEND_EVERY};

/// Serves clients on `listener` until `shutdown`, then lets requests finish for at most `drain`.
///
/// Runs on the worker's own thread, inside a local runtime: connections, requests and upstream
/// connections are tasks of that runtime and never leave it.
pub async fn serve(
    worker: Worker,
    listener: TcpListener,
    shutdown: CancellationToken,
    drain: Duration,
) {
    let upstream_tasks = TaskTracker::new();
    let pools = Pools::new(PoolSettings::default(), worker.metrics.clone(), upstream_tasks);
    let context = Rc::new(Context::new(&worker, pools));
    let clients = TaskTracker::new();
    let gate = Rc::new(Gate::default());
    let ending = Rc::new(Drain::default());
    let lookout = Rc::new(Lookout::default());
    let server = Server::new(context.clone(), ending.clone(), lookout.clone());
    let looking_after = look_after(&context, &lookout);
    tokio::pin!(looking_after);
    loop {
        let max = context.prepared().settings.connections_max;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = gate.accept(&listener, max, &context.shared.metrics) => match accepted {
                Ok(stream) => {
                    let place = gate.enter();
                    let client = server.connection(stream);
                    clients.spawn_local(async move {
                        client.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // no descriptors left, or the client is gone already: never a reason to stop
                    tracing::warn!(%error, "a client could not be accepted; trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            () = &mut looking_after => break,
        }
    }
    drop(listener);
    ending.begin();
    clients.close();
    tokio::select! {
        finished = timeout(drain, clients.wait()) => if finished.is_err() {
            let left = clients.len();
            tracing::warn!(left, ?drain, "client connections cut at the end of the drain");
            context.shared.drained.set(true);
        },
        () = &mut looking_after => {}
    }
    context.flush();
}

/// Never ends: hands over reports, looks for clients that have left, and keeps connections to the
/// regions warm.
async fn look_after(context: &Context<Pools>, lookout: &Lookout) {
    let mut reports = interval(REPORT_EVERY);
    let mut look = interval(LOOK_EVERY);
    let mut tend = interval(TEND_EVERY);
    reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tend.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = reports.tick() => context.flush(),
            _ = look.tick() => {
                lookout.look();
                context.shared.look.notify_waiters();
            }
            _ = tend.tick() => {
                let prepared = context.prepared();
                let regions = prepared.settings.regions.iter();
                let regions: Vec<_> = regions.map(|target| target.region.clone()).collect();
                context.transport.tend(&regions);
            }
        }
    }
}

/// Counts open connections; at the bound, clients wait in the listener's backlog.
#[derive(Default)]
struct Gate {
    open: Cell<usize>,
    left: Notify,
}

struct Place(Rc<Gate>);

impl Gate {
    async fn accept(
        &self,
        listener: &TcpListener,
        max: usize,
        metrics: &ProxyMetrics,
    ) -> std::io::Result<TcpStream> {
        if self.open.get() >= max {
            metrics.accept_paused();
        }
        while self.open.get() >= max {
            self.left.notified().await;
        }
        let (stream, _) = listener.accept().await?;
        Ok(stream)
    }

    fn enter(self: &Rc<Self>) -> Place {
        self.open.set(self.open.get() + 1);
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.left.notify_one();
    }
}

/// Pause after a failed accept: long enough for descriptors to come free, too short to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
