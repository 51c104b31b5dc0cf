//! Owners that outlive the process: answered from memory, and handed to a thread that writes them.
//!
//! The request path never waits for the disk: what finds no room in the queue is counted and not written.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use nearway_affinity::{Learned, Minute, Owners, Store, Used};
use nearway_route::RegionId;
use nearway_telemetry::StateMetrics;
use nearway_wire::id::IdDigest;

use crate::owners::places::number;

/// What is to be written of an id: its owner and when it was used; `None`: it is forgotten.
pub(super) type Change = (u128, Option<(RegionId, Minute)>);

/// The store of a process with a file.
#[derive(Debug)]
pub(super) struct Durable {
    owners: Arc<Owners>,
    /// The writer holds the other end. It takes out what is there and never waits at it, so that sending
    /// wakes nobody and takes no lock.
    queue: SyncSender<Change>,
    metrics: StateMetrics,
}

impl Durable {
    pub(super) fn new(
        owners: Arc<Owners>,
        queue: SyncSender<Change>,
        metrics: StateMetrics,
    ) -> Self {
        Self { owners, queue, metrics }
    }

    fn write(&self, id: IdDigest, owner: Option<(RegionId, Minute)>) {
        if self.queue.try_send((number(id), owner)).is_err() {
            self.metrics.unwritten();
        }
    }

    /// The last use of an id is kept with it, but not each one is worth a write.
    fn used(&self, id: IdDigest, now: Minute) -> Option<Used> {
        let used = self.owners.used(id, now)?;
        if is_due(number(id), used.before, now, self.owners.ttl_minutes()) {
            self.write(id, Some((used.owner, now)));
        }
        Some(used)
    }
}

impl Store for Durable {
    fn owner(&self, id: IdDigest, now: Minute) -> Option<RegionId> {
        Some(self.used(id, now)?.owner)
    }

    fn learn(&self, id: IdDigest, owner: RegionId, now: Minute) -> Learned {
        if self.used(id, now).is_some_and(|used| used.owner == owner) {
            return Learned::Known;
        }
        let learned = self.owners.learn(id, owner, now);
        self.write(id, Some((owner, now)));
        learned
    }

    fn forget(&self, id: IdDigest) {
        self.owners.forget(id);
        self.write(id, None);
    }
}

/// Whether a use is to be written: the first one of an id's day, or of a quarter of the time that it is
/// kept where that is shorter. So what is written is never older than that, and each id has a minute of its
/// own at which its day begins.
fn is_due(id: u128, before: Minute, now: Minute, ttl_minutes: u32) -> bool {
    let period = (ttl_minutes / 4).clamp(1, DAY);
    let begins = u32::try_from(id % u128::from(period)).unwrap_or_default();
    let day = |minute: Minute| minute.0.saturating_add(begins) / period;
    day(before) < day(now)
}

/// In minutes.
const DAY: u32 = 24 * 60;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Duration;

    use nearway_telemetry::{Build, Metrics};

    use super::*;

    const TTL: Duration = Duration::from_secs(30 * 24 * 3600);

    fn durable(metrics: &Metrics) -> (Durable, Receiver<Change>) {
        let (queue, changes) = sync_channel(3);
        let owners = Arc::new(Owners::new(1024, TTL));
        (Durable::new(owners, queue, metrics.state()), changes)
    }

    fn metrics() -> Metrics {
        Metrics::new(Build { version: "0", commit: None }).unwrap()
    }

    #[test]
    fn what_is_new_moved_or_forgotten_is_written_and_what_is_known_is_not() {
        let (store, changes) = durable(&metrics());
        let (id, a, b) = (IdDigest::of(b"file-1"), RegionId(0), RegionId(1));
        let key = number(id);
        assert_eq!(store.learn(id, a, Minute(9)), Learned::New { evicted: false });
        assert_eq!(store.learn(id, a, Minute(9)), Learned::Known);
        assert_eq!(store.owner(id, Minute(9)), Some(a));
        assert_eq!(store.learn(id, b, Minute(9)), Learned::Moved);
        store.forget(id);
        assert_eq!(store.owner(id, Minute(9)), None);
        let written: Vec<_> = changes.try_iter().collect();
        let at = Minute(9);
        assert_eq!(written, [(key, Some((a, at))), (key, Some((b, at))), (key, None)]);
    }

    #[test]
    fn an_id_in_use_is_written_once_a_day() {
        let (store, changes) = durable(&metrics());
        let id = IdDigest::of(b"file-1");
        let start = 30_000_000;
        store.learn(id, RegionId(0), Minute(start));
        assert_eq!(changes.try_iter().count(), 1);
        let mut last = start;
        let mut written = 0;
        for minute in start..=start + 10 * DAY {
            assert!(store.owner(id, Minute(minute)).is_some());
            for (_, owner) in changes.try_iter() {
                assert_eq!(owner, Some((RegionId(0), Minute(minute))));
                (last, written) = (minute, written + 1);
            }
            assert!(minute - last < DAY);
        }
        assert_eq!(written, 10);
        // after a pause, the next use is
        assert!(store.owner(id, Minute(start + 30 * DAY)).is_some());
        assert_eq!(changes.try_iter().count(), 1);
    }

    #[test]
    fn of_a_short_time_no_more_than_a_quarter_is_lost() {
        assert!(!is_due(0, Minute(105), Minute(119), 60));
        assert!(is_due(0, Minute(105), Minute(120), 60));
        assert!(is_due(10, Minute(109), Minute(110), 60));
        assert!(is_due(0, Minute(7), Minute(8), 1) && !is_due(0, Minute(8), Minute(8), 1));
    }

    #[test]
    fn what_finds_no_room_in_the_queue_is_counted_and_still_known() {
        let metrics = metrics();
        let (store, changes) = durable(&metrics);
        let id = |number: u8| IdDigest::of(&[number]);
        (0..5).for_each(|number| {
            store.learn(id(number), RegionId(2), Minute(9));
        });
        assert_eq!(store.owner(id(4), Minute(9)), Some(RegionId(2)));
        assert!(metrics.render().contains("nearway_state_unwritten_total 2\n"));
        drop(changes);
        store.forget(id(4));
        assert!(
            metrics.render().contains("nearway_state_unwritten_total 3\n"),
            "no writer is left"
        );
    }
}
