//! The thread that writes owners to their file: all that came in a second, in one transaction.
//!
//! A write that fails is told once, counted, and tried again with the file opened anew; until then what has
//! gathered waits, and when that is as much as the queue holds, the queue fills. A crash loses a second.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearway_affinity::{Minute, Owners};
use nearway_route::RegionId;
use nearway_telemetry::StateMetrics;

use crate::owners::durable::Change;
use crate::owners::file::{File, Removed};
use crate::owners::places::{Places, digest};
use crate::owners::unix_minute;

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a write that failed.
    file: Option<File>,
    changes: Receiver<Change>,
    /// What was taken from the queue and is not written: the last word on each id.
    waiting: HashMap<u128, Option<(RegionId, Minute)>>,
    with: With,
    /// Whether the last write failed.
    fails: bool,
    /// Rounds that are left out for that.
    rest: u32,
    /// When what is too old was last removed.
    tidied: Minute,
}

/// What the thread shares with others.
#[derive(Debug)]
pub(super) struct With {
    pub(super) owners: Arc<Owners>,
    /// The control thread tells them of a reload before a worker can.
    pub(super) places: Arc<Mutex<Places>>,
    pub(super) metrics: StateMetrics,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        file: File,
        changes: Receiver<Change>,
        with: With,
        now: Minute,
    ) -> Self {
        Self {
            path,
            file: Some(file),
            changes,
            waiting: HashMap::new(),
            with,
            fails: false,
            rest: 0,
            tidied: now,
        }
    }

    /// Writes until the other end of `stop` is dropped, and a last time then.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(WRITE_EVERY) == Err(RecvTimeoutError::Timeout) {
            self.round(unix_minute());
        }
        self.rest = 0;
        self.round(unix_minute());
    }

    /// Writes what has gathered, if it is time to try.
    fn round(&mut self, now: Minute) {
        // the rest waits in the queue, which has a bound of its own
        while self.waiting.len() < QUEUE
            && let Ok((id, owner)) = self.changes.try_recv()
        {
            self.waiting.insert(id, owner);
        }
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        let written = self.write(now);
        let file = self.path.display();
        match (&written, self.fails) {
            (Err(why), false) => tracing::warn!(%file, "state.file is not written: {why}"),
            (Ok(()), true) => tracing::info!(%file, "state.file is written again"),
            _ => {}
        }
        self.fails = written.is_err();
        if self.fails {
            self.with.metrics.file_failed();
            // a database that has failed once takes nothing more
            self.file = None;
            self.rest = REST;
        }
    }

    fn write(&mut self, now: Minute) -> Result<(), Box<dyn std::error::Error>> {
        let tidies = now.since(self.tidied) >= TIDY_EVERY;
        if self.waiting.is_empty() && !tidies {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        let With { owners, places, .. } = &self.with;
        // whoever follows a reload must not wait for the disk
        let places = places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changes = self.waiting.iter().filter_map(|(id, owner)| match owner {
            None => Some((*id, None)),
            Some((region, minute)) => Some((*id, Some((places.of(*region)?, *minute)))),
        });
        let count = file.write(changes)?;
        self.waiting.clear();
        let is_full = count > most(owners.capacity());
        if is_full || tidies {
            let is_fresh = |last| !is_full && now.since(last) <= owners.ttl_minutes();
            let Removed { gone, left } =
                file.retain(|id, last| is_fresh(last) || owners.knows(digest(id), now))?;
            self.tidied = now;
            tracing::debug!(gone, left, "removed from state.file");
        }
        Ok(())
    }
}

/// Ids that a file holds at most beside those of one write, for so many in memory. Those that were forgotten
/// for want of memory go when a quarter more is there, all at once: one by one they would cost as many writes
/// as what is learned.
fn most(capacity: usize) -> u64 {
    u64::try_from(capacity.saturating_add(capacity / 4)).unwrap_or(u64::MAX)
}

/// What is written together; a crash loses no more. Shorter, the disk would have to sync more often.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Rounds between two attempts while the disk refuses.
const REST: u32 = 10;
/// Minutes.
const TIDY_EVERY: u32 = 60;
/// Changes that wait for the next write at most, of all workers together: what thousands of answers a second
/// teach, and more than a disk takes in one. Three megabytes; and as many again while the disk refuses.
pub(super) const QUEUE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::{SyncSender, sync_channel};

    use nearway_affinity::Store as _;
    use nearway_telemetry::{Build, Metrics};

    use super::*;
    use crate::testing::region;

    const TTL: Duration = Duration::from_secs(100 * 60);
    const A: RegionId = RegionId(0);

    /// One of a table of sixteen, whose file holds twenty.
    fn writer(path: &Path, metrics: &Metrics) -> (Writer, SyncSender<Change>) {
        let mut places = Places::default();
        places.follow([(A, &region("a"))].into_iter());
        let with = With {
            owners: Arc::new(Owners::new(16, TTL)),
            places: Arc::new(Mutex::new(places)),
            metrics: metrics.state(),
        };
        let (queue, changes) = sync_channel(64);
        let file = File::open(path).unwrap();
        (Writer::new(path.to_owned(), file, changes, with, Minute(1000)), queue)
    }

    fn metrics() -> Metrics {
        Metrics::new(Build { version: "0", commit: None }).unwrap()
    }

    fn ids(writer: &Writer) -> Vec<u128> {
        let mut ids = Vec::new();
        writer.file.as_ref().unwrap().read(&writer.path, |id, _, _| ids.push(id)).unwrap();
        ids
    }

    #[test]
    fn a_round_writes_the_last_word_on_each_id() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, queue) = writer(&folder.path().join("owners.redb"), &metrics());
        for change in [(1, Some((A, Minute(1000)))), (2, Some((A, Minute(1000)))), (1, None)] {
            queue.send(change).unwrap();
        }
        // a region that nobody has told of
        queue.send((3, Some((RegionId(9), Minute(1000))))).unwrap();
        writer.round(Minute(1000));
        assert_eq!((ids(&writer), writer.waiting.len()), (vec![2], 0));
    }

    #[test]
    fn what_is_too_old_or_was_forgotten_for_want_of_room_is_removed_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, queue) = writer(&folder.path().join("owners.redb"), &metrics());
        let known = digest(500);
        writer.with.owners.learn(known, A, Minute(1000));
        queue.send((500, Some((A, Minute(900))))).unwrap();
        for id in 0..19 {
            queue.send((id, Some((A, Minute(930 + u32::try_from(id).unwrap()))))).unwrap();
        }
        writer.round(Minute(1059));
        assert_eq!(ids(&writer).len(), 20, "as many as there may be, and not yet an hour");
        writer.round(Minute(1060));
        // the one that is in use, however long ago that was written; else none before minute 960
        assert_eq!(ids(&writer), [500]);
        for id in 0..20 {
            queue.send((id, Some((A, Minute(1060))))).unwrap();
        }
        writer.round(Minute(1060));
        assert_eq!(ids(&writer), [500], "twenty-one are too many, and memory knows one of them");
    }

    #[test]
    fn a_write_that_fails_is_counted_and_made_up_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owners.redb");
        let metrics = metrics();
        let (mut writer, queue) = writer(&path, &metrics);
        // as after an error of the disk; and then somebody else has the file
        writer.file = None;
        let other = File::open(&path).unwrap();
        queue.send((1, Some((A, Minute(1000))))).unwrap();
        (0..=REST).for_each(|_| writer.round(Minute(1000)));
        assert!(metrics.render().contains("nearway_state_file_errors_total 1\n"));
        drop(other);
        queue.send((2, Some((A, Minute(1000))))).unwrap();
        writer.round(Minute(1000));
        assert_eq!(ids(&writer), [1, 2]);
        assert!(!writer.fails);
    }
}
