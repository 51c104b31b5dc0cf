//! When a changed configuration is read again, and what becomes of it.
//!
//! The loop polls a fingerprint of all files that the configuration came from, which also sees the
//! symlink swaps of Kubernetes, and reads at once on request (SIGHUP). A good configuration goes to
//! `control.rs`, which puts it in force whole; a bad one changes nothing. Decisions are plain
//! functions; the loop only waits.

use std::sync::Arc;
use std::time::Duration;

use nearway_config::{Config, Problems};
use tokio::sync::{Notify, mpsc};

use crate::source::{Fingerprint, Loaded, Source};

/// Where the configuration comes from and how to ask for it again.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The file.
    pub source: Source,
    /// What was read at start; a change since then counts.
    pub fingerprint: Fingerprint,
    /// Notified to read now, changed or not.
    pub now: Arc<Notify>,
}

/// A reading that `control.rs` should act on: a configuration, or all its problems.
pub(crate) type Reading = Result<Config, Problems>;

/// Sends a [`Reading`] whenever there is one, until dropped.
pub(crate) async fn watch(reload: Reload, readings: mpsc::Sender<Reading>) {
    let Reload { source, fingerprint, now } = reload;
    let mut watch = Watch::new(fingerprint);
    let mut pause = POLL;
    loop {
        let look = tokio::select! {
            () = now.notified() => Look::Load,
            () = tokio::time::sleep(pause) => {
                let loaded = watch.loaded.clone();
                let Some(current) = blocking(move || loaded.again()).await else { continue };
                watch.look(current)
            }
        };
        pause = match look {
            Look::Rest => POLL,
            Look::Again => SETTLE,
            Look::Load => {
                let source = source.clone();
                let Some(read) = blocking(move || source.load()).await else { continue };
                let Loaded { config, fingerprint } = read;
                watch = Watch::new(fingerprint);
                if readings.send(config).await.is_err() {
                    return;
                }
                POLL
            }
        };
    }
}

/// `None` if the work panicked, which it never should; then the next round tries again.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// What a look at the files means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing changed.
    Rest,
    /// Something changed just now, and may still be half written.
    Again,
    /// Something changed and stands still.
    Load,
}

/// Remembers what was read, and a change that was seen once.
#[derive(Debug)]
struct Watch {
    loaded: Fingerprint,
    seen: Option<Fingerprint>,
}

impl Watch {
    fn new(loaded: Fingerprint) -> Self {
        Self { loaded, seen: None }
    }

    fn look(&mut self, current: Fingerprint) -> Look {
        if current == self.loaded {
            self.seen = None;
            return Look::Rest;
        }
        if self.seen.as_ref() == Some(&current) {
            return Look::Load;
        }
        self.seen = Some(current);
        Look::Again
    }
}

/// What a good configuration asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// It is the one in force.
    Nothing,
    /// It differs; those keys act only after a restart and stay as they were at start.
    Apply {
        /// What to put in force.
        config: Box<Config>,
        /// Names of keys, as in the file.
        needs_restart: Vec<&'static str>,
    },
}

/// Compares a good configuration with the one in force, and with that of the start for the keys
/// that cannot change while the process runs.
pub(crate) fn change(at_start: &Config, in_force: &Config, new: Config) -> Change {
    if new == *in_force {
        return Change::Nothing;
    }
    let mut needs_restart = nearway_config::diff(at_start, &new).needs_restart;
    // the workers were started with it
    if new.timeouts.drain != at_start.timeouts.drain {
        needs_restart.push("timeouts.drain");
    }
    Change::Apply { config: Box::new(new), needs_restart }
}

/// Between two looks at the files.
const POLL: Duration = Duration::from_secs(2);
/// A change counts when it stands still for this long: editors do not write atomically.
const SETTLE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn fingerprints() -> [Fingerprint; 3] {
        ["a", "b", "c"].map(|text| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            Source::new(file.path().to_owned()).load().fingerprint
        })
    }

    #[test]
    fn a_change_counts_when_it_stands_still() {
        let [a, b, c] = fingerprints();
        let mut watch = Watch::new(a.clone());
        assert_eq!(watch.look(a.clone()), Look::Rest);
        assert_eq!(watch.look(b.clone()), Look::Again, "just written");
        assert_eq!(watch.look(c.clone()), Look::Again, "still being written");
        assert_eq!(watch.look(c), Look::Load);
        assert_eq!(watch.look(b), Look::Again, "and so does the next one");
        assert_eq!(watch.look(a), Look::Rest, "taken back");
    }

    #[test]
    fn a_bad_file_is_read_once() {
        let [_, bad, _] = fingerprints();
        let mut watch = Watch::new(bad.clone());
        assert_eq!(watch.look(bad), Look::Rest);
    }

    #[test]
    fn the_same_configuration_changes_nothing() {
        let config = config("");
        assert_eq!(change(&config, &config, config.clone()), Change::Nothing);
    }

    #[test]
    fn what_needs_a_restart_is_compared_with_the_start() {
        let start = config("workers: 1");
        let edited = config("workers: 2\ntimeouts: {drain: 1s}");
        let Change::Apply { config: in_force, needs_restart } = change(&start, &start, edited)
        else {
            panic!("a change")
        };
        assert_eq!(needs_restart, ["workers", "timeouts.drain"]);
        let Change::Apply { needs_restart, .. } = change(&start, &in_force, start.clone()) else {
            panic!("a change")
        };
        assert!(needs_restart.is_empty(), "back to what runs: {needs_restart:?}");
    }

    #[tokio::test]
    async fn a_request_reads_at_once_and_a_bad_file_is_a_reading_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = Source::new(file.path().to_owned());
        let now = Arc::new(Notify::new());
        let (sender, mut readings) = mpsc::channel(1);
        let fingerprint = source.load().fingerprint;
        now.notify_one();
        let reload = Reload { source, fingerprint, now };
        tokio::select! {
            () = watch(reload, sender) => panic!("ended"),
            reading = readings.recv() => assert!(reading.unwrap().is_err(), "an empty file"),
        }
    }
}
