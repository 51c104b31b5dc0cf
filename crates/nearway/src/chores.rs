//! The small tasks of the control thread that run beside the prober and the admin listener.
//!
//! Each is an endless loop (or nearly), dropped when the proxy ends. None decides anything.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nearway_route::Live;
use nearway_telemetry::{Metrics, UPKEEP_EVERY};
use nearway_upstream::Pools;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::board::Board;

/// Hands what the workers saw to the ranking: the two crates know each other's numbers only.
pub(crate) async fn forward(
    mut from: mpsc::Receiver<nearway_proxy::Report>,
    to: mpsc::Sender<nearway_probe::Report>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while from.recv_many(&mut batch, BATCH).await > 0 {
        for nearway_proxy::Report { region, deployment, sample } in batch.drain(..) {
            if to.send(nearway_probe::Report { region, deployment, sample }).await.is_err() {
                return;
            }
        }
    }
}

/// Keeps the prober's connections warm, and closes those to regions that are gone.
pub(crate) async fn tend(pools: Rc<Pools>, settings: Arc<Live<nearway_proxy::Settings>>) {
    let mut every = interval(TEND_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let settings = settings.load();
        let regions: Vec<_> = settings.regions.iter().map(|target| target.region.clone()).collect();
        pools.tend(&regions);
    }
}

/// Moves histogram samples into their buckets, so that they do not pile up without scrapes.
pub(crate) async fn upkeep(metrics: Metrics) {
    let mut every = interval(UPKEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        metrics.upkeep();
    }
}

/// Tells the board when every region was probed once.
pub(crate) async fn first_round(done: Arc<AtomicBool>, board: Rc<Board>) {
    while !done.load(Ordering::Acquire) {
        sleep(LOOK_EVERY).await;
    }
    board.first_round_done();
}

/// Reports handed over before other tasks get their turn.
const BATCH: usize = 256;
/// As often as the workers do it.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// What an orchestrator that waits for `/readyz` does not notice.
const LOOK_EVERY: Duration = Duration::from_millis(50);
