//! What was learned of the regions outlives the process: `routing.snapshot`.
//!
//! Written by a task of the control thread every few seconds and at the end, read once before anything
//! is served. A file that cannot be used or written is told in the log and harms nothing else. What is
//! in it, `format.rs` knows; this file knows when.

mod file;
mod format;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nearway_proxy::Settings;
use nearway_route::{Learned, Live, Moment, Table};
use nearway_upstream::Clock;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::board::unix_ms;
use crate::snapshot::format::{Ignored, Saved};

/// What an earlier process has left.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    /// For the regions of now, by their numbers.
    pub(crate) learned: Learned,
    /// How long ago that was true.
    pub(crate) later: Duration,
}

impl Resumed {
    /// How long ago the oldest answer came that anything was learned of.
    pub(crate) fn oldest(&self) -> Duration {
        let ages = self.learned.estimates.iter().filter_map(|one| one.age);
        ages.map(|age| age.saturating_add(self.later)).max().unwrap_or_default().min(OLDEST)
    }
}

/// What the file holds for these regions, if it is younger than `window`; else nothing, and a line in
/// the log says why.
///
/// The window, once: it is how long a sample counts, and an estimate that nothing has confirmed for
/// longer is worth no more. After a pause for a restart it is far from over.
pub(crate) async fn resume(file: &Path, settings: &Settings, window: Duration) -> Resumed {
    match read(file.to_owned(), settings, window).await {
        Ok(resumed) => {
            let (count, later) = (resumed.learned.estimates.len(), resumed.later);
            tracing::info!(file = %file.display(), count, ?later, "resuming what was learned");
            resumed
        }
        Err(why) => {
            let file = file.display();
            tracing::info!(%file, "beginning anew, without the snapshot: {why}");
            Resumed::default()
        }
    }
}

async fn read(file: PathBuf, settings: &Settings, window: Duration) -> Result<Resumed, Ignored> {
    let text = in_time(move || file::read(&file)).await?;
    format::read(&text, settings, unix_ms(), window)
}

/// Keeps the file current.
#[derive(Debug)]
pub(crate) struct Keeper {
    file: PathBuf,
    table: Arc<Live<Table>>,
    settings: Arc<Live<Settings>>,
    clock: Clock,
    /// Whether the last attempt to write failed, which is told once.
    fails: bool,
}

impl Keeper {
    /// Writes what `table` knows into `file`.
    pub(crate) fn new(
        file: PathBuf,
        table: Arc<Live<Table>>,
        settings: Arc<Live<Settings>>,
        clock: Clock,
    ) -> Self {
        Self { file, table, settings, clock, fails: false }
    }

    /// Saves again and again, and a last time when cancelled.
    pub(crate) async fn keep(mut self, cancel: CancellationToken) {
        let mut every = interval(SAVE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(every.tick()).await.is_some() {
            self.save().await;
        }
        self.save().await;
    }

    async fn save(&mut self) {
        let table = self.table.load();
        let learned = Learned::of(&table);
        // nothing is no reason to throw away what an earlier process knew
        if learned.estimates.is_empty() {
            return;
        }
        let age = Moment::from(self.clock.now()).since(table.at);
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let saved = Saved::new(&learned, &self.settings.load(), unix_ms().saturating_sub(age));
        let file = self.file.clone();
        let written = in_time(move || file::replace(&file, &saved.json()?)).await;
        let file = self.file.display();
        match (&written, self.fails) {
            (Err(error), false) => tracing::warn!(%file, %error, "the snapshot is not kept"),
            (Ok(()), true) => tracing::info!(%file, "the snapshot is kept again"),
            _ => {}
        }
        self.fails = written.is_err();
    }
}

/// Does this where it may block, and gives up on a disk that hangs.
async fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    match timeout(PATIENCE, spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(panicked)) => Err(panicked.into()),
        Err(_late) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

/// A process that is killed loses no more, and in so short a time little is learned.
const SAVE_EVERY: Duration = Duration::from_secs(10);
/// A few kilobytes take milliseconds; the end of the process must not wait for a broken disk.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest window there is: nothing older is of interest.
const OLDEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use nearway_probe::{initial_table, resumed_table};
    use nearway_route::{Asked, Outcome, RegionId, Sample, Source};

    use super::*;
    use crate::assemble::{Assembly, Parts};
    use crate::testing::config;

    const ROUTING: &str =
        "probe: {deployments: [gpt-4o]}\nrouting: {strategy: adaptive, window: 5m}";

    fn parts() -> Parts {
        Assembly::new(1).make(&config(ROUTING)).unwrap()
    }

    /// A table that has seen one answer, and the keeper of a file in `folder`.
    fn keeper(folder: &Path) -> Keeper {
        let parts = parts();
        let clock = Clock::start();
        let now = Moment::from(clock.now());
        let (mut ranker, _) = initial_table(&parts.probe, now);
        let time = Duration::from_millis(90);
        let outcome = Outcome::Answer { first_token: Some(time), total: time * 2, tokens: 5 };
        let sample = Sample { at: now, source: Source::Probe, asked: Asked::probe(0), outcome };
        ranker.observe(RegionId(0), Some("gpt-4o"), sample);
        let table = Arc::new(Live::new(ranker.rank(now).table));
        let settings = Arc::new(Live::new(Arc::new(parts.proxy)));
        Keeper::new(folder.join("learned.json"), table, settings, clock)
    }

    #[tokio::test]
    async fn what_is_kept_at_the_end_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = keeper(folder.path());
        let (file, known) = (keeper.file.clone(), Learned::of(&keeper.table.load()));
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        keeper.keep(cancelled).await;

        let parts = parts();
        let resumed = resume(&file, &parts.proxy, Duration::from_secs(300)).await;
        assert_eq!(resumed.learned.estimates.len(), 1);
        let bits = |learned: &Learned| learned.estimates[0].terms.map(f64::to_bits);
        assert_eq!(bits(&resumed.learned), bits(&known));
        let clock = Clock::start_at(resumed.oldest());
        let now = Moment::from(clock.now());
        let (_, table) = resumed_table(&parts.probe, &resumed.learned, resumed.later, now);
        let entry = &table.ranking(Some("gpt-4o")).order[0];
        assert_eq!(entry.state, nearway_route::State::Fresh);
        assert!(entry.known.unwrap().answered.unwrap() <= now);
    }

    #[tokio::test]
    async fn a_file_that_is_of_no_use_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("learned.json");
        let resumed = async || resume(&file, &parts().proxy, Duration::from_secs(300)).await;
        assert!(resumed().await.learned.estimates.is_empty(), "not there");
        std::fs::write(&file, "{\"nearway_snapshot\":").unwrap();
        assert!(resumed().await.learned.estimates.is_empty(), "broken");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(resumed().await.learned.estimates.is_empty(), "a folder");
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_stops_nothing_and_nothing_learned_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = keeper(&folder.path().join("missing"));
        keeper.save().await;
        assert!(keeper.fails);
        std::fs::create_dir(folder.path().join("missing")).unwrap();
        keeper.save().await;
        assert!(!keeper.fails && keeper.file.exists());

        let old = std::fs::read(&keeper.file).unwrap();
        let (_, empty) = initial_table(&parts().probe, Moment::ZERO);
        keeper.table.publish(empty);
        keeper.save().await;
        assert_eq!(std::fs::read(&keeper.file).unwrap(), old);
    }
}
