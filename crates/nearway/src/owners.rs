//! Which region owns which object: what all workers share of it, and what a reload changes.
//!
//! The store itself is the affinity crate's. Here is what it cannot know: that the same place has another
//! number after a reload, and how long ids are kept now.

mod places;

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearway_affinity::{Owners, Store};
use nearway_config::State;
use nearway_telemetry::StateMetrics;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::assemble::Parts;
use crate::owners::places::Places;

/// The owners that a process knows.
#[derive(Debug)]
pub(crate) struct Kept {
    owners: Arc<Owners>,
    places: Mutex<Places>,
}

impl Kept {
    /// None are known yet. All of their memory is taken here.
    pub(crate) fn new(config: &State, parts: &Parts) -> Self {
        let entries = usize::try_from(config.entries).unwrap_or(usize::MAX);
        let mut places = Places::default();
        places.follow(parts.regions());
        Self { owners: Arc::new(Owners::new(entries, config.ttl)), places: Mutex::new(places) }
    }

    /// For the workers.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.owners.clone()
    }

    /// Another configuration is about to be in force.
    pub(crate) async fn follow(&self, config: &State, parts: &Parts) {
        self.owners.set_ttl(config.ttl);
        let moved = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.follow(parts.regions())
        };
        if !moved.is_empty() {
            let owners = self.owners.clone();
            // it looks at all entries, which takes tenths of a second where there may be millions
            let _ = spawn_blocking(move || owners.renumber(&moved)).await;
        }
    }

    /// Shows how many there are, again and again.
    pub(crate) async fn show(self: Rc<Self>, metrics: StateMetrics) {
        let mut every = interval(SHOW_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            metrics.holds(self.owners.len(), self.owners.bytes());
        }
    }
}

/// More often than anybody scrapes.
const SHOW_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use nearway_affinity::Minute;
    use nearway_route::RegionId;
    use nearway_wire::id::IdDigest;

    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::config;

    #[tokio::test]
    async fn a_reload_that_gives_a_region_another_number_leaves_it_its_objects() {
        let mut assembly = Assembly::new(1);
        let mut config = config("state: {entries: 1024, ttl: 1h}");
        let parts = assembly.make(&config).unwrap();
        assembly.commit(&parts);
        let kept = Kept::new(&config.state, &parts);
        let (store, id) = (kept.store(), IdDigest::of(b"file-1"));
        store.learn(id, RegionId(0), Minute(100));

        // measurements of the one do not hold for the other, objects do
        config.regions[0].deployments = [("gpt".to_owned(), "gpt-2".to_owned())].into();
        config.state.ttl = Duration::from_secs(60);
        let parts = assembly.make(&config).unwrap();
        assert_eq!(parts.proxy.regions[0].id, RegionId(1));
        kept.follow(&config.state, &parts).await;
        assert_eq!(store.owner(id, Minute(101)), Some(RegionId(1)));
        assert_eq!(store.owner(id, Minute(103)), None, "and the new time counts");
    }
}
