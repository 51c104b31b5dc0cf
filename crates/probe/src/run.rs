//! The loop: starts what the timetable says is due, feeds every sample to the ranker, publishes.
//!
//! Runs on the control thread, inside a local task set. It is the ranker's only writer: probes end
//! here, and so do the reports of the workers and the settings of a reload. It binds nothing,
//! traps no signal and decides nothing about regions: that is `timetable`, `verdict` and the
//! route crate.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nearway_route::{Asked, Live, Moment, OTHER, Ranker, RegionId, Sample, Source, Table};
use nearway_telemetry::Metrics;
use nearway_upstream::{Clock, Side, Transport};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Finding, Probe, attempt};
use crate::memory::{Memory, News};
use crate::settings::Settings;
use crate::standings::Standings;
use crate::timetable::{Due, Then, Timetable};
use crate::verdict;

/// What a worker saw of one request.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which region served it, or failed to.
    pub region: RegionId,
    /// The deployment by the name that the client wrote, where it wrote one.
    pub deployment: Option<Arc<str>>,
    /// What was seen.
    pub sample: Sample,
}

/// What the prober is told while it runs.
#[derive(Debug)]
pub struct Channels {
    /// From the workers, who drop (and count) what does not fit.
    pub reports: mpsc::Receiver<Report>,
    /// From the reload, each a whole new configuration that has been checked.
    pub reloads: mpsc::Receiver<Settings>,
}

/// What the prober tells.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Where tables are published; the workers and the admin listener read it.
    pub table: Arc<Live<Table>>,
    /// Where probes, standings and leaders are counted.
    pub metrics: Metrics,
    /// The clock that also stamps the workers' reports.
    pub clock: Clock,
    /// Set, for good, once every region was probed for every deployment that it serves.
    pub first_round: Arc<AtomicBool>,
}

/// Measures all regions and keeps the route table current.
pub struct Prober<T> {
    transport: Rc<T>,
    settings: Rc<Settings>,
    ranker: Ranker,
    out: Outputs,
    timetable: Timetable,
    memory: Memory,
    standings: Standings,
    probes: JoinSet<Finding>,
    // what each of `probes` is about, also for one that panics
    running: HashMap<Id, Due>,
    ranked_at: Moment,
    // reports came in since
    stale: bool,
}

impl<T: Transport + 'static> Prober<T> {
    /// Everything is due at once. `ranker` is the one that
    /// [`initial_table`](crate::initial_table) gave beside the table that is being served.
    pub fn new(transport: Rc<T>, settings: Settings, ranker: Ranker, out: Outputs) -> Self {
        let now = Moment::from(out.clock.now());
        let mut standings = Standings::new(out.metrics.clone());
        standings.settle(&out.table.load());
        Self {
            transport,
            timetable: Timetable::new(settings.pace(), settings.courses(), now),
            settings: Rc::new(settings),
            ranker,
            memory: Memory::default(),
            standings,
            out,
            probes: JoinSet::new(),
            running: HashMap::new(),
            ranked_at: now,
            stale: false,
        }
    }

    /// Probes and ranks until cancelled; probes under way are cancelled too.
    ///
    /// To be awaited inside a [`LocalSet`](tokio::task::LocalSet) or a local runtime: probes are
    /// local tasks, as connections belong to the thread. A sender of `channels` that is dropped is
    /// no reason to stop.
    pub async fn run(mut self, mut channels: Channels, cancel: CancellationToken) {
        let mut reports = Vec::with_capacity(REPORTS_AT_ONCE);
        let mut workers_report = true;
        self.publish(self.now());
        loop {
            let now = self.now();
            self.start_due(now);
            if now >= self.rank_due() {
                self.publish(now);
            }
            let pause = self.pause(now);
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(settings) = channels.reloads.recv() => self.reload(settings),
                Some(ended) = self.probes.join_next_with_id() => self.end(ended),
                count = channels.reports.recv_many(&mut reports, REPORTS_AT_ONCE),
                    if workers_report =>
                {
                    workers_report = count > 0;
                    self.take(&mut reports);
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.probes.shutdown().await;
    }

    fn now(&self) -> Moment {
        Moment::from(self.out.clock.now())
    }

    fn start_due(&mut self, now: Moment) {
        for due in self.timetable.start(now, fastrand::f64) {
            let Some(probe) = Probe::new(&self.settings, &due, self.memory.rung(&due)) else {
                // not in these settings after all: nothing to ask
                self.timetable.done(&due, Then::Skip, now, fastrand::f64);
                continue;
            };
            let (transport, clock) = (self.transport.clone(), self.out.clock);
            let task =
                self.probes.spawn_local(async move { attempt(&*transport, clock, &probe).await });
            self.running.insert(task.id(), due);
        }
    }

    fn end(&mut self, ended: Result<(Id, Finding), JoinError>) {
        let now = self.now();
        let (id, finding) = match ended {
            Ok((id, finding)) => (id, Some(finding)),
            Err(panicked) => (panicked.id(), None),
        };
        let Some(due) = self.running.remove(&id) else { return };
        let then = finding.map_or(Then::Skip, |finding| self.learn(&due, &finding));
        self.timetable.done(&due, then, now, fastrand::f64);
        self.publish(now);
    }

    /// Takes in what a probe found; says how the region's round goes on.
    fn learn(&mut self, due: &Due, finding: &Finding) -> Then {
        let then = verdict::then(finding.fault.as_ref(), finding.retry_after);
        let Some(target) = self.settings.target(due.region) else { return then };
        let deployment = due.stop.as_deref();
        // what Nearway itself lacks says nothing of the region
        if finding.fault.as_ref().is_none_or(|fault| fault.kind.side() != Side::Nearway) {
            let sample = Sample {
                at: finding.at,
                source: Source::Probe,
                asked: Asked::probe(0),
                outcome: finding.outcome,
            };
            self.ranker.observe(due.region, deployment, sample);
        }

        let region = target.region.name();
        let label = deployment.unwrap_or(OTHER);
        self.standings.count(region, label, finding);
        match self.memory.note(due, finding.rung, finding.fault.as_ref()) {
            News::None => {}
            News::Fails => {
                let fault = finding.fault.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(target: LOG, %region, deployment, fault, "probe of {region} fails");
            }
            News::Recovered => {
                tracing::info!(target: LOG, %region, deployment, "probe of {region} is answered");
            }
        }
        then
    }

    fn take(&mut self, reports: &mut Vec<Report>) {
        self.stale |= !reports.is_empty();
        for Report { region, deployment, sample } in reports.drain(..) {
            self.ranker.observe(region, deployment.as_deref(), sample);
        }
    }

    fn reload(&mut self, settings: Settings) {
        let now = self.now();
        self.ranker.reconfigure(
            settings.routing,
            settings.generation,
            settings.specs(),
            settings.deployments.clone(),
        );
        let courses = settings.courses();
        self.memory.retain(|due| {
            courses.iter().any(|(region, stops)| *region == due.region && stops.contains(&due.stop))
        });
        self.timetable.revise(settings.pace(), courses, now);
        self.settings = Rc::new(settings);
        self.publish(now);
        self.standings.settle(&self.out.table.load());
    }

    fn publish(&mut self, now: Moment) {
        let published = self.ranker.rank(now);
        self.out.table.publish(published.table.clone());
        self.standings.show(&published);
        if self.ranker.first_round_done() {
            self.out.first_round.store(true, Ordering::Release);
        }
        self.ranked_at = now;
        self.stale = false;
    }

    fn rank_due(&self) -> Moment {
        self.ranked_at + if self.stale { RANK_AFTER_REPORTS } else { RANK_EVERY }
    }

    /// Until something is due.
    fn pause(&self, now: Moment) -> Duration {
        let probe = self.timetable.next_due();
        let next = probe.map_or_else(|| self.rank_due(), |probe| probe.min(self.rank_due()));
        next.since(now)
    }
}

impl<T> fmt::Debug for Prober<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("running", &self.running).finish_non_exhaustive()
    }
}

/// States and ages move even when nothing is measured.
const RANK_EVERY: Duration = Duration::from_secs(1);

/// Ranking for each report of a busy proxy would cost more than it brings; a probe's sample is
/// ranked at once.
const RANK_AFTER_REPORTS: Duration = Duration::from_millis(100);

/// Reports taken in before the other events get their turn.
const REPORTS_AT_ONCE: usize = 256;

const LOG: &str = "nearway::probe";
