//! The loop: starts what the timetable says is due, feeds every sample to the ranker, publishes.
//!
//! Runs on the control thread, inside a local task set. It is the ranker's only writer: probes end
//! here, and so do the reports of the workers and the settings of a reload. It binds nothing,
//! traps no signal and decides nothing about regions: that is `timetable`, `verdict` and the
//! route crate.

mod steer;

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nearway_route::{Asked, Entry, Live, Moment, OTHER, Ranker, RegionId, Sample, Source, Table};
use nearway_telemetry::Metrics;
use nearway_upstream::{Clock, Side, Transport};
use nearway_wire::probe_body::Rung;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Finding, Probe, attempt};
use crate::demand::Demands;
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
    demands: Demands,
    // token-free looks between the probes; lanes of their own
    checks: Timetable,
    memory: Memory,
    standings: Standings,
    probes: JoinSet<Finding>,
    // what each of `probes` is about, also for one that panics
    running: HashMap<Id, Running>,
    ranked_at: Moment,
    // reports came in since
    stale: bool,
}

/// A probe under way.
#[derive(Debug)]
struct Running {
    due: Due,
    /// Clients' requests that were in flight there when it began.
    in_flight: u32,
    /// Whether it is one of `checks`.
    is_check: bool,
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
            checks: Timetable::new(settings.check_pace(), settings.checks(), now),
            settings: Rc::new(settings),
            ranker,
            demands: Demands::default(),
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
            self.demands.of(&due).begin(self.settings.pace(), now, fastrand::f64());
            let Some(probe) = Probe::new(&self.settings, &due, self.memory.rung(&due)) else {
                // not in these settings after all: nothing to ask
                self.timetable.done(&due, Then::Skip, now, fastrand::f64);
                continue;
            };
            let table = self.out.table.load();
            let in_flight = entry(&table, &due).map_or(0, |entry| entry.vitals.in_flight());
            self.start(probe, Running { due, in_flight, is_check: false });
        }
        for due in self.checks.start(now, fastrand::f64) {
            match Probe::new(&self.settings, &due, Rung::first()) {
                Some(probe) => self.start(probe, Running { due, in_flight: 0, is_check: true }),
                None => self.checks.done(&due, Then::Skip, now, fastrand::f64),
            }
        }
    }

    fn start(&mut self, probe: Probe, running: Running) {
        let (transport, clock) = (self.transport.clone(), self.out.clock);
        let task =
            self.probes.spawn_local(async move { attempt(&*transport, clock, &probe).await });
        self.running.insert(task.id(), running);
    }

    fn end(&mut self, ended: Result<(Id, Finding), JoinError>) {
        let now = self.now();
        let (id, finding) = match ended {
            Ok((id, finding)) => (id, Some(finding)),
            Err(panicked) => (panicked.id(), None),
        };
        let Some(Running { due, in_flight, is_check }) = self.running.remove(&id) else { return };
        if is_check {
            self.checks.done(&due, Then::Skip, now, fastrand::f64);
            if let Some(finding) = finding {
                self.checked(&due, &finding, now);
            }
            return;
        }
        let then = finding.map_or(Then::Skip, |finding| self.learn(&due, in_flight, &finding));
        self.demands.of(&due).end(then, self.settings.pace(), now);
        self.timetable.done(&due, then, now, fastrand::f64);
        self.publish(now);
    }

    /// Takes in what a probe found; says how the region's round goes on.
    fn learn(&mut self, due: &Due, in_flight: u32, finding: &Finding) -> Then {
        let then = verdict::then(finding.fault.as_ref(), finding.retry_after);
        let settings = self.settings.clone();
        let Some(target) = settings.target(due.region) else { return then };
        let deployment = due.stop.as_deref();
        // what Nearway itself lacks says nothing of the region
        if finding.fault.as_ref().is_none_or(|fault| fault.kind.side() != Side::Nearway) {
            self.ranker.observe(due.region, deployment, sample(finding, in_flight));
        }

        let region = target.region.name();
        let label = deployment.unwrap_or(OTHER);
        self.standings.count(region, label, finding);
        self.pay(due, finding);
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

    /// Takes in what a token-free check found: never a time, only that a region went away or came
    /// back, which its probes then look at.
    fn checked(&mut self, due: &Due, finding: &Finding, now: Moment) {
        let settings = self.settings.clone();
        let Some(target) = settings.target(due.region) else { return };
        let region = target.region.name();
        self.standings.count(region, OTHER, finding);
        let gone = finding.fault.as_ref().filter(|fault| verdict::is_gone(fault));
        match self.memory.note(due, finding.rung, gone) {
            News::None => return,
            News::Fails => {
                for stop in settings.stops(target) {
                    let sample = sample(finding, 0);
                    self.ranker.observe(due.region, stop.as_deref(), sample);
                }
                let fault = gone.map(ToString::to_string).unwrap_or_default();
                tracing::warn!(target: LOG, %region, fault, "{region} cannot be reached");
            }
            News::Recovered => {
                tracing::info!(target: LOG, %region, "{region} can be reached again");
            }
        }
        self.demands.hurry(due.region);
        self.timetable.hurry(due.region, now);
        self.publish(now);
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
        let (courses, checks) = (settings.courses(), settings.checks());
        let is_probed = |due: &Due| {
            let mut all = courses.iter().chain(&checks);
            all.any(|(region, stops)| *region == due.region && stops.contains(&due.stop))
        };
        self.memory.retain(is_probed);
        self.demands.retain(is_probed);
        self.timetable.revise(settings.pace(), courses, now);
        self.checks.revise(settings.check_pace(), checks, now);
        self.settings = Rc::new(settings);
        self.publish(now);
        self.standings.settle(&self.out.table.load());
    }

    fn publish(&mut self, now: Moment) {
        let published = self.ranker.rank(now);
        self.out.table.publish(published.table.clone());
        self.standings.show(&published);
        self.plan(&published.table, now);
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
        let probe = self.timetable.next_due().into_iter().chain(self.checks.next_due()).min();
        let next = probe.map_or_else(|| self.rank_due(), |probe| probe.min(self.rank_due()));
        next.since(now)
    }
}

impl<T> fmt::Debug for Prober<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("running", &self.running).finish_non_exhaustive()
    }
}

fn sample(finding: &Finding, in_flight: u32) -> Sample {
    let &Finding { at, outcome, .. } = finding;
    Sample { at, source: Source::Probe, asked: Asked::probe(in_flight), outcome }
}

/// The entry of what is probed in the ranking that requests follow.
fn entry<'a>(table: &'a Table, due: &Due) -> Option<&'a Entry> {
    let ranking = table.ranking(due.stop.as_deref());
    ranking.order.iter().find(|entry| entry.region == due.region)
}

/// States and ages move even when nothing is measured.
const RANK_EVERY: Duration = Duration::from_secs(1);

/// Ranking for each report of a busy proxy would cost more than it brings; a probe's sample is
/// ranked at once.
const RANK_AFTER_REPORTS: Duration = Duration::from_millis(100);

/// Reports taken in before the other events get their turn.
const REPORTS_AT_ONCE: usize = 256;

const LOG: &str = "nearway::probe";
