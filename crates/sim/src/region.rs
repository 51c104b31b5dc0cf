//! One simulated region: its world, its clock, its counters, its state, its tasks.
//!
//! Shared by the connections of the region (`serve.rs`), the handlers and the control handle.
//! Holds data and no behaviour of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use fastrand::Rng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::realtime::Minted;
use crate::clock::Clock;
use crate::faults::Mode;
use crate::guarded::Guarded;
use crate::latency;
use crate::script;
use crate::stats::Stats;
use crate::store::Store;
use crate::throttle::Windows;
use crate::world::RegionWorld;

/// What all parts of one region share.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    /// After this time the script begins again.
    pub(crate) repeat: Option<Duration>,
    pub(crate) stats: Guarded<Stats>,
    /// Objects that only this region knows.
    pub(crate) store: Guarded<Store>,
    /// Realtime keys and calls that only this region knows.
    pub(crate) realtime: Guarded<Minted>,
    pub(crate) windows: Guarded<Windows>,
    pub(crate) tasks: Tasks,
    /// What this region seals reasoning with, and no other one can open.
    pub(crate) seal: hmac::Key,
    seed: u64,
    world: Guarded<Arc<RegionWorld>>,
    numbers: AtomicU64,
    /// Cancelled, and replaced, when the region stops taking connections.
    outage: Guarded<CancellationToken>,
}

/// The task group of the simulator and its end.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Region {
    pub(crate) fn new(
        world: RegionWorld,
        (seed, repeat): (u64, Option<Duration>),
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        Self {
            name: world.name.clone(),
            clock,
            repeat,
            stats: Guarded::default(),
            store: Guarded::default(),
            realtime: Guarded::default(),
            windows: Guarded::default(),
            seal: hmac::Key::new(hmac::HMAC_SHA256, format!("{seed} {}", world.name).as_bytes()),
            seed,
            world: Guarded::new(Arc::new(world)),
            numbers: AtomicU64::new(0),
            outage: Guarded::new(tasks.cancel.child_token()),
            tasks,
        }
    }

    /// How the region behaves now. A request reads this once and keeps it.
    pub(crate) fn world(&self) -> Arc<RegionWorld> {
        self.world.with(|world| world.clone())
    }

    /// Puts another behaviour in force; one that refuses connections cuts those there are.
    pub(crate) fn replace_world(&self, world: RegionWorld) {
        let refuses = world.mode == Mode::Refuse;
        self.world.with(|current| *current = Arc::new(world));
        if refuses {
            let next = self.tasks.cancel.child_token();
            self.outage.with(|outage| std::mem::replace(outage, next)).cancel();
        }
    }

    /// Ends when the region, or the whole simulator, stops: what a connection lives by.
    pub(crate) fn outage(&self) -> CancellationToken {
        self.outage.with(|outage| outage.clone())
    }

    /// Seconds into the script.
    pub(crate) fn script_s(&self) -> f64 {
        script::script_time(self.repeat, self.clock.elapsed())
    }

    /// Numbers the requests from 1.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The random numbers of one request.
    pub(crate) fn rng(&self, number: u64) -> Rng {
        latency::rng(self.seed, &self.name, number)
    }
}
