//! The configuration in force, and how another takes its place without a request noticing.
//!
//! Runs on the control thread, fed by `reload.rs`. A wrong configuration changes nothing and is
//! told in the log, a metric and the status.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nearway_config::Config;
use nearway_proxy::Settings;
use nearway_route::{Live, Table};
use nearway_telemetry::{RankMetrics, ReloadResult, reload_applied, reload_rejected};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::assemble::{Assembly, Parts};
use crate::board::Board;
use crate::owners::Kept;
use crate::reload::{Change, Reading, change};

/// The single writer of the proxy's settings.
pub(crate) struct InForce {
    at_start: Config,
    config: Config,
    assembly: Assembly,
    board: Rc<Board>,
    owners: Rc<Kept>,
    metrics: RankMetrics,
}

/// A change that has been checked and made.
struct Made {
    parts: Parts,
    config: Config,
    needs_restart: Vec<&'static str>,
}

impl InForce {
    pub(crate) fn new(
        config: Config,
        assembly: Assembly,
        board: Rc<Board>,
        owners: Rc<Kept>,
        metrics: RankMetrics,
    ) -> Self {
        Self { at_start: config.clone(), config, assembly, board, owners, metrics }
    }

    /// Puts every good reading in force, until there are no more.
    pub(crate) async fn follow(
        mut self,
        mut readings: mpsc::Receiver<Reading>,
        settings: Arc<Live<Settings>>,
        table: Arc<Live<Table>>,
        prober: mpsc::Sender<nearway_probe::Settings>,
    ) {
        while let Some(reading) = readings.recv().await {
            match self.make(reading) {
                Ok(None) => self.unchanged(),
                Err(problems) => self.rejected(&problems),
                Ok(Some(made)) => self.swap(made, &settings, &table, &prober).await,
            }
        }
    }

    /// `None` if nothing changed, all problems if it is wrong.
    fn make(&mut self, reading: Reading) -> Result<Option<Made>, String> {
        let new = reading.map_err(|problems| problems.to_string())?;
        match change(&self.at_start, &self.config, new) {
            Change::Nothing => Ok(None),
            Change::Apply { config, needs_restart } => {
                let parts = self.assembly.make(&config).map_err(|error| error.to_string())?;
                Ok(Some(Made { parts, config: *config, needs_restart }))
            }
        }
    }

    /// In three steps, because the settings and the table are swapped one after the other: while
    /// they differ, the settings know the regions of both, so a request finds every region that
    /// its table names.
    async fn swap(
        &mut self,
        made: Made,
        settings: &Live<Settings>,
        table: &Live<Table>,
        prober: &mpsc::Sender<nearway_probe::Settings>,
    ) {
        let Made { parts, config, needs_restart } = made;
        self.assembly.commit(&parts);
        let generation = self.assembly.generation();
        self.owners.follow(&config.state, &parts).await;
        let Parts { proxy, probe, meanwhile, .. } = parts;
        settings.publish(Arc::new(meanwhile));
        if prober.send(probe).await.is_err() {
            return; // the proxy is about to end
        }
        let ranked = async {
            while table.load().generation < generation {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(RANKED_WITHIN, ranked).await.is_err() {
            tracing::warn!(generation, "the ranking is slow to follow a reload");
        }
        settings.publish(Arc::new(proxy));
        self.applied(config, generation, &needs_restart);
    }

    fn applied(&mut self, config: Config, generation: u64, needs_restart: &[&str]) {
        let regions = nearway_config::diff(&self.config, &config);
        reload_applied(&nearway_telemetry::Reload {
            generation,
            added: regions.added.len(),
            removed: regions.removed.len(),
            changed: regions.changed.len(),
            needs_restart,
        });
        self.metrics.reloaded(ReloadResult::Applied);
        self.board.loaded(generation, needs_restart);
        self.config = config;
    }

    fn unchanged(&self) {
        let generation = self.assembly.generation();
        tracing::info!(generation, "the file holds configuration {generation}, which is in force");
        self.metrics.reloaded(ReloadResult::Applied);
        self.board.unchanged();
    }

    fn rejected(&self, problems: &str) {
        reload_rejected(self.assembly.generation(), problems);
        self.metrics.reloaded(ReloadResult::Rejected);
        self.board.rejected(problems);
    }
}

/// Between two looks at the table.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The prober ranks when it gets its settings; it is never busy for long.
const RANKED_WITHIN: Duration = Duration::from_secs(2);
