//! Which region owns which object: what all workers share of it, and what a reload changes.
//!
//! The store itself is the affinity crate's. Here is what it cannot know: that the same place has another
//! number after a reload or in the next process, how long ids are kept now, and the file.

mod durable;
mod file;
mod places;
mod writer;

use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use nearway_affinity::{Minute, Owners, Store};
use nearway_config::State;
use nearway_telemetry::StateMetrics;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::assemble::Parts;
use crate::board::unix_ms;
use crate::owners::durable::Durable;
use crate::owners::file::File;
use crate::owners::places::{Places, digest};
use crate::owners::writer::{QUEUE, With, Writer};

pub use file::OwnersFileError;

/// The owners that a process knows.
#[derive(Debug)]
pub(crate) struct Kept {
    owners: Arc<Owners>,
    /// The same, or what writes to a file beside.
    store: Arc<dyn Store>,
    places: Arc<Mutex<Places>>,
    /// Until [`Kept::close`].
    writing: Mutex<Option<Writing>>,
    metrics: StateMetrics,
}

/// The thread that writes.
#[derive(Debug)]
struct Writing {
    /// Dropped to end it.
    stop: Sender<()>,
    /// Told when all is written.
    ended: oneshot::Receiver<()>,
}

impl Kept {
    /// None are known yet but those of the file, if there is one. All memory for them is taken here.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) async fn open(
        config: &State,
        parts: &Parts,
        metrics: StateMetrics,
    ) -> Result<Self, OwnersFileError> {
        let entries = usize::try_from(config.entries).unwrap_or(usize::MAX);
        let owners = Arc::new(Owners::new(entries, config.ttl));
        let mut places = Places::default();
        places.follow(parts.regions());
        let places = Arc::new(Mutex::new(places));
        let mut kept =
            Self { store: owners.clone(), owners, places, writing: Mutex::default(), metrics };
        if let Some(path) = &config.file {
            kept.keep_in(path).await?;
        }
        Ok(kept)
    }

    /// Reads the file, and has it written from now on.
    async fn keep_in(&mut self, path: &Path) -> Result<(), OwnersFileError> {
        let unusable = |source| OwnersFileError::Unusable { file: path.to_owned(), source };
        let (there, owners) = (path.to_owned(), self.owners.clone());
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let read = spawn_blocking(move || read(&there, &owners, &places)).await;
        // damage that the database's own checks have missed
        let panicked = |_| OwnersFileError::Damaged {
            file: path.to_owned(),
            why: "it cannot be read".to_owned(),
        };
        let file = read.map_err(panicked)??;
        let (queue, changes) = sync_channel(QUEUE);
        let (stop, stopped) = channel();
        let (tell, ended) = oneshot::channel();
        let with = With {
            owners: self.owners.clone(),
            places: self.places.clone(),
            metrics: self.metrics.clone(),
        };
        let writer = Writer::new(path.to_owned(), file, changes, with, unix_minute());
        let thread = thread::Builder::new().name("owners".to_owned());
        let write = move || {
            writer.run(&stopped);
            let _ = tell.send(());
        };
        thread.spawn(write).map_err(unusable)?;
        self.store = Arc::new(Durable::new(self.owners.clone(), queue, self.metrics.clone()));
        self.writing = Mutex::new(Some(Writing { stop, ended }));
        Ok(())
    }

    /// For the workers.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
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

    /// Writes what is not written yet, and gives the file free. What is learned later is not written.
    pub(crate) async fn close(&self) {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Writing { stop, ended }) = writing else { return };
        drop(stop);
        if !matches!(timeout(PATIENCE, ended).await, Ok(Ok(()))) {
            tracing::warn!("the last changes were not written to state.file");
        }
    }

    /// Shows how many there are, again and again.
    pub(crate) async fn show(self: Rc<Self>) {
        let mut every = interval(SHOW_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.metrics.holds(self.owners.len(), self.owners.bytes());
        }
    }
}

/// Opens the file and takes in what it says of the places of now.
fn read(path: &Path, owners: &Owners, places: &Places) -> Result<File, OwnersFileError> {
    let (now, mut resumed, mut left_out) = (unix_minute(), 0_u64, 0_u64);
    let file = File::open(path)?;
    file.read(path, |id, place, last| {
        let region = places.id(place);
        let takes = region.is_some_and(|region| owners.restore(digest(id), region, last, now));
        if takes { resumed += 1 } else { left_out += 1 }
    })?;
    tracing::info!(file = %path.display(), resumed, left_out, "resuming what is known of objects");
    Ok(file)
}

/// The minute of the wall clock.
fn unix_minute() -> Minute {
    Minute::from(UNIX_EPOCH + Duration::from_millis(unix_ms()))
}

/// A full queue takes a slow disk some seconds; the end of the process must not wait for a broken one.
const PATIENCE: Duration = Duration::from_secs(10);
/// More often than anybody scrapes.
const SHOW_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use nearway_route::RegionId;
    use nearway_telemetry::{Build, Metrics};
    use nearway_wire::id::IdDigest;
    use tokio::task::LocalSet;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::{config, whole};
    use crate::{Hooks, Listeners};

    fn metrics() -> Metrics {
        Metrics::new(Build { version: "0", commit: None }).unwrap()
    }

    #[tokio::test]
    async fn a_reload_that_gives_a_region_another_number_leaves_it_its_objects() {
        let mut assembly = Assembly::new(1);
        let mut config = config("state: {entries: 1024, ttl: 1h}");
        let parts = assembly.make(&config).unwrap();
        assembly.commit(&parts);
        let kept = Kept::open(&config.state, &parts, metrics().state()).await.unwrap();
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

    /// Opens what this configuration says, does this with it, and closes it.
    async fn in_a_process<T>(text: &str, work: impl FnOnce(&dyn Store, Minute) -> T) -> T {
        let config = whole(text);
        let parts = Assembly::new(1).make(&config).unwrap();
        let kept = Kept::open(&config.state, &parts, metrics().state()).await.unwrap();
        let done = work(&*kept.store(), unix_minute());
        kept.close().await;
        done
    }

    #[tokio::test]
    async fn the_next_process_knows_what_this_one_did_by_name_and_url() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owners.redb");
        let text = |regions: [(&str, &str); 3]| {
            let regions =
                regions.map(|(name, host)| format!("{{name: {name}, url: 'https://{host}'}}"));
            format!("regions: [{}]\nstate: {{file: '{}'}}\n", regions.join(", "), file.display())
        };
        let ids = [1, 2, 3, 4].map(|number: u8| IdDigest::of(&[number]));
        let owners =
            |store: &dyn Store, now| ids.map(|id| store.owner(id, now).map(|owner| owner.0));
        let first = text([("a", "a"), ("b", "b"), ("c", "c")]);
        in_a_process(&first, |store, now| {
            for (id, owner) in ids.into_iter().zip(0..3) {
                store.learn(id, RegionId(owner), now);
            }
            store.learn(ids[3], RegionId(0), Minute(now.0 - 31 * 24 * 60));
        })
        .await;
        // the same regions in another order, one of them elsewhere
        let second = text([("c", "other"), ("b", "b"), ("a", "a")]);
        let known = in_a_process(&second, owners).await;
        assert_eq!(known, [Some(2), Some(1), None, None]);
        in_a_process(&second, |store, _| store.forget(ids[1])).await;
        let known = in_a_process(&first, owners).await;
        assert_eq!(known, [Some(0), None, Some(2), None], "c is back where it was");
    }

    #[tokio::test]
    async fn a_proxy_whose_file_is_in_use_does_not_start_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&format!(
            "listen: {{address: '127.0.0.1:0'}}\nadmin: {{address: '127.0.0.1:0'}}\n\
             state: {{file: '{}'}}",
            folder.path().join("owners.redb").display()
        ));
        let _other = File::open(config.state.file.as_ref().unwrap()).unwrap();
        let (clients, admin) = (config.listen.address, config.admin.address);
        let listeners = Listeners::bind(clients, admin, NonZeroUsize::MIN).unwrap();
        let stop = CancellationToken::new();
        let run = crate::run(config, listeners, Hooks::default(), stop);
        let said = LocalSet::new().run_until(run).await.unwrap_err().to_string();
        assert!(said.starts_with("state.file: ") && !said.contains('\n'), "{said}");
        assert!(said.ends_with("in use by another process: give each one a file of its own"));
    }
}
