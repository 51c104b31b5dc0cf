//! The state of one worker: what every request on its thread shares, without a lock.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use nearway_affinity::cursors::Cursors;
use nearway_affinity::{Minted, Nobody, Store};
use nearway_route::{Live, Reader, Table};
use nearway_telemetry::{
    ALL_DEPLOYMENTS, BreakerMetrics, ClientMetrics, FailoverMetrics, Metrics, NO_CLIENT, NO_REGION,
    OTHER, ProxyMetrics, RouteMetrics, StateMetrics,
};
use nearway_upstream::{Clock, Replay, ReplayBudget, Transport};
use tokio::sync::{Notify, mpsc};

use crate::affinity::Affinity;
use crate::budgets::Budgets;
use crate::identify::LastTarget;
use crate::refuse::Bound;
use crate::report::Reports;
use crate::{Refusal, Report, Settings};

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Published by the reload.
    pub settings: Arc<Live<Settings>>,
    /// Published by the ranking.
    pub table: Arc<Live<Table>>,
    /// Where handles come from.
    pub metrics: Metrics,
    /// Shared with the ranking, so that times can be compared.
    pub clock: Clock,
    /// What all workers keep of request bodies; the same one for each.
    pub replay: ReplayBudget,
    /// Where requests that belong together went; the same one for each worker.
    pub affinity: Arc<Affinity>,
    /// Which region owns which object; the same for each worker.
    pub owners: Arc<dyn Store>,
    /// The ids that no region knew of late; the same for each worker.
    pub nobody: Arc<Nobody>,
    /// Where lists of all regions were left; the same for each worker.
    pub cursors: Arc<Cursors>,
    /// Whom the keys of sessions were made for; the same for each worker.
    pub minted: Arc<Minted>,
    /// To the ranking.
    pub reports: mpsc::Sender<Report>,
}

/// A running worker; requests hold it by `Rc`.
pub(crate) struct Context<T> {
    pub(crate) transport: T,
    pub(crate) shared: Rc<Shared>,
    pub(crate) last_target: LastTarget,
    pub(crate) replay: Arc<Replay>,
    registry: Metrics,
    settings: RefCell<Reader<Settings>>,
    table: RefCell<Reader<Table>>,
    prepared: RefCell<Rc<Prepared>>,
}

/// What the account of a request needs, and a request that outlives its step with it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) metrics: ProxyMetrics,
    pub(crate) reports: Reports,
    pub(crate) budgets: Budgets,
    pub(crate) affinity: Arc<Affinity>,
    pub(crate) owners: Arc<dyn Store>,
    pub(crate) nobody: Arc<Nobody>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) minted: Arc<Minted>,
    pub(crate) state: StateMetrics,
    /// Where it is counted what is held of bodies; see [`Context::replay`].
    pub(crate) replay: Arc<Replay>,
    /// Rung every [`LOOK_EVERY`](crate::leave::LOOK_EVERY), for those that wait.
    pub(crate) look: Notify,
    /// The time to finish is over: what is not settled yet is cut.
    pub(crate) drained: Cell<bool>,
}

/// One generation of settings with the metrics and header values made from it.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) settings: Arc<Settings>,
    // by place of the region, then of the deployment; `other` comes last
    routes: Vec<Vec<RouteMetrics>>,
    // in the same order; the last one of a region is that of the region itself
    breakers: Vec<Vec<BreakerMetrics>>,
    nowhere: RouteMetrics,
    // by place; the last one is of those without a known key. Empty where no clients are configured
    clients: Vec<ClientMetrics>,
    names: Vec<HeaderValue>,
    // by place of the deployment: when a stream of it last paused to think
    thought: Vec<Cell<Option<Duration>>>,
    // by place of the region that failed, then of the next one; few of them are ever made
    failovers: Vec<Vec<OnceCell<Box<FailoverMetrics>>>>,
    registry: Metrics,
}

impl<T: Transport> Context<T> {
    pub(crate) fn new(worker: &Worker, transport: T) -> Self {
        let mut settings = worker.settings.reader();
        let prepared = Rc::new(Prepared::new(settings.load().clone(), &worker.metrics));
        let metrics = worker.metrics.proxy();
        metrics.declare(&Refusal::CODES);
        metrics.declare(&Bound::CODES);
        let replay = Arc::new(Replay::new(worker.replay.clone(), worker.metrics.replay()));
        Self {
            transport,
            last_target: LastTarget::default(),
            replay: replay.clone(),
            shared: Rc::new(Shared {
                clock: worker.clock,
                metrics,
                reports: Reports::new(worker.reports.clone()),
                budgets: Budgets::new(&prepared.settings),
                affinity: worker.affinity.clone(),
                owners: worker.owners.clone(),
                nobody: worker.nobody.clone(),
                cursors: worker.cursors.clone(),
                minted: worker.minted.clone(),
                state: worker.metrics.state(),
                replay,
                look: Notify::new(),
                drained: Cell::new(false),
            }),
            registry: worker.metrics.clone(),
            settings: RefCell::new(settings),
            table: RefCell::new(worker.table.reader()),
            prepared: RefCell::new(prepared),
        }
    }

    /// Tells what has gathered: reports to the ranking, the bytes kept to the metrics.
    pub(crate) fn flush(&self) {
        self.shared.flush_reports();
        self.replay.show();
    }

    /// The settings in force now.
    pub(crate) fn prepared(&self) -> Rc<Prepared> {
        let mut reader = self.settings.borrow_mut();
        let settings = reader.load();
        let mut prepared = self.prepared.borrow_mut();
        if !Arc::ptr_eq(settings, &prepared.settings) {
            *prepared = Rc::new(Prepared::new(settings.clone(), &self.registry));
            self.shared.budgets.reconfigure(settings);
        }
        prepared.clone()
    }

    /// The route table in force now.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.borrow_mut().load().clone()
    }
}

impl Shared {
    /// Hands the reports collected so far to the ranking.
    pub(crate) fn flush_reports(&self) {
        self.reports.flush(&self.metrics);
    }
}

impl Prepared {
    fn new(settings: Arc<Settings>, metrics: &Metrics) -> Self {
        let deployments = || {
            let named = settings.metric_deployments.iter().map(AsRef::as_ref);
            named.chain([OTHER])
        };
        let routes = settings.regions.iter().map(|target| {
            deployments().map(|name| metrics.route(target.region.name(), name)).collect()
        });
        let breakers = settings.regions.iter().map(|target| {
            let names = deployments().chain([ALL_DEPLOYMENTS]);
            names.map(|name| metrics.breaker(target.region.name(), name)).collect()
        });
        let names = settings.regions.iter().map(|target| {
            // configured names are checked to be plain; a name no header can carry shows as empty
            HeaderValue::from_str(target.region.name())
                .unwrap_or_else(|_invalid| HeaderValue::from_static(""))
        });
        let clients = settings.clients.iter().flat_map(|clients| {
            let names = clients.names().map(AsRef::as_ref).chain([NO_CLIENT]);
            names.map(|name| metrics.client(name))
        });
        let regions = settings.regions.len();
        let row = || (0..regions).map(|_| OnceCell::new()).collect();
        Self {
            failovers: (0..regions).map(|_| row()).collect(),
            registry: metrics.clone(),
            routes: routes.collect(),
            breakers: breakers.collect(),
            clients: clients.collect(),
            nowhere: metrics.route(NO_REGION, OTHER),
            names: names.collect(),
            thought: deployments().map(|_| Cell::default()).collect(),
            settings,
        }
    }

    /// The place of a deployment among those with metrics; the one after the last for any other.
    pub(crate) fn deployment_place(&self, name: Option<&str>) -> usize {
        let known = &self.settings.metric_deployments;
        name.and_then(|name| known.iter().position(|known| **known == *name)).unwrap_or(known.len())
    }

    /// A stream of this deployment paused to think before its first content.
    pub(crate) fn thought(&self, deployment: usize, now: Duration) {
        if let Some(thought) = self.thought.get(deployment) {
            thought.set(Some(now));
        }
    }

    /// Whether streams of this deployment think before their first content, as far as was seen of late:
    /// how long they take to it says nothing of their region. Probes, which ask for as little thinking as
    /// can be, do.
    pub(crate) fn thinks(&self, deployment: usize, now: Duration) -> bool {
        let thought = self.thought.get(deployment).and_then(Cell::get);
        thought.is_some_and(|at| now.saturating_sub(at) < THINKS_FOR)
    }

    /// The metrics of a region's place and a deployment's place; without a region those of none.
    pub(crate) fn route(&self, region: Option<usize>, deployment: usize) -> &RouteMetrics {
        region.and_then(|region| self.routes.get(region)?.get(deployment)).unwrap_or(&self.nowhere)
    }

    /// The metrics of a client's place, `None` for a request without a known key; nothing where no
    /// clients are configured.
    pub(crate) fn client(&self, place: Option<usize>) -> Option<&ClientMetrics> {
        place.map_or_else(|| self.clients.last(), |place| self.clients.get(place))
    }

    /// The name of the client at this place.
    pub(crate) fn client_name(&self, place: Option<usize>) -> Option<&str> {
        Some(&self.settings.clients.as_ref()?.get(place?)?.name)
    }

    /// The transitions of a breaker: by a region's place and a deployment's place, `None` for that
    /// of the region itself.
    pub(crate) fn breaker(
        &self,
        region: usize,
        deployment: Option<usize>,
    ) -> Option<&BreakerMetrics> {
        let breakers = self.breakers.get(region)?;
        deployment.map_or_else(|| breakers.last(), |deployment| breakers.get(deployment))
    }

    /// The label of a deployment's place.
    pub(crate) fn label(&self, deployment: usize) -> &str {
        self.settings.metric_deployments.get(deployment).map_or(OTHER, AsRef::as_ref)
    }

    /// Counts a request that goes on from one region's place to another's.
    pub(crate) fn failed_over(&self, from: usize, to: usize, reason: &'static str) {
        let name = |place: usize| Some(self.settings.regions.get(place)?.region.name());
        if let Some(cell) = self.failovers.get(from).and_then(|row| row.get(to))
            && let (Some(from), Some(to)) = (name(from), name(to))
        {
            cell.get_or_init(|| Box::new(self.registry.failovers(from, to))).count(reason);
        }
    }

    /// The region's name as a header value.
    pub(crate) fn name(&self, region: usize) -> Option<&HeaderValue> {
        self.names.get(region)
    }
}

/// The wall clock, which only retry hints in the form of a date need (RFC 9110 10.2.3).
#[expect(clippy::disallowed_methods, reason = "the one place where the proxy reads the wall clock")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// So long a deployment counts as one that thinks after a stream of it has.
const THINKS_FOR: Duration = Duration::from_secs(600);
/// How often a worker hands over its reports, and shows what it can't count as it happens.
pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(100);
/// How often a worker looks after its connections to the regions.
pub(crate) const TEND_EVERY: Duration = Duration::from_secs(5);
