//! What the prober is told: whom to probe, how, and by which rules to rank.
//!
//! The binary fills this in at start and, whole, at each reload. Values are checked there; one out
//! of its range gives poor measurements and never a panic.

use std::sync::Arc;
use std::time::Duration;

use nearway_route::{
    Learned, Moment, Ranker, RegionId, RegionSpec, RoutingSettings, Strategy, Table,
};
use nearway_upstream::Region;
use nearway_wire::probe_body::ApiStyle;

use crate::budget::Rate;
use crate::timetable::{Pace, Stop};

/// One configured region, as the prober sees it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where probes go.
    pub region: Arc<Region>,
    /// The same number as the region's own; keys its samples.
    pub id: RegionId,
    /// What the ranking must know of it.
    pub spec: RegionSpec,
    /// The probed deployments that this region serves: the name that clients write, and what this
    /// region calls it. Not read when [`Settings::deployments`] is empty.
    pub deployments: Vec<(Arc<str>, Arc<str>)>,
}

/// Settings of all probes and of the ranking. A reload sends a whole new one.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the start of a round to the start of the next.
    pub interval: Duration,
    /// The share by which an interval may be shorter or longer, 0 to 0.5; more counts as 0.5.
    pub jitter: f64,
    /// How long one probe may take, connecting included.
    pub timeout: Duration,
    /// How long the name and TCP may take of that.
    pub connect: Duration,
    /// How long the TLS handshake may take of that.
    pub tls: Duration,
    /// Probes of one (region, deployment) in a round, in sequence; 0 counts as 1.
    pub samples: u32,
    /// The URL form of probes.
    pub style: ApiStyle,
    /// For [`ApiStyle::Azure`].
    pub api_version: String,
    /// What a probe asks.
    pub prompt: String,
    /// The most tokens of its answer.
    pub max_tokens: u32,
    /// Tokens a day for each (region, deployment), at least 1. Read by
    /// [`Strategy::Adaptive`](nearway_route::Strategy::Adaptive) alone.
    pub tokens_per_day: Option<u32>,
    /// Whether token-free requests between the probes look if a region can be reached.
    pub reachability: bool,
    /// The number of the configuration.
    pub generation: u64,
    /// How the ranking decides.
    pub routing: RoutingSettings,
    /// The probed deployments by the names that clients write. Empty: token-free reachability is
    /// measured instead (API fact sheet 8.2).
    pub deployments: Vec<Arc<str>>,
    /// The regions in configured order.
    pub targets: Vec<Target>,
}

/// A ranking without samples and its table, in configured order, so that serving can start before
/// the first probe ends. The ranker belongs into the [`Prober`](crate::Prober): the table's
/// entries share its vitals.
#[must_use]
pub fn initial_table(settings: &Settings, now: Moment) -> (Ranker, Arc<Table>) {
    resumed_table(settings, &Learned::default(), Duration::ZERO, now)
}

/// The same with what an earlier process learned, so much `later` than it was true.
#[must_use]
pub fn resumed_table(
    settings: &Settings,
    learned: &Learned,
    later: Duration,
    now: Moment,
) -> (Ranker, Arc<Table>) {
    let mut ranker = Ranker::new(
        settings.routing,
        settings.generation,
        settings.specs(),
        settings.deployments.clone(),
    );
    ranker.resume(learned, later, now);
    let table = ranker.rank(now).table;
    (ranker, table)
}

impl Settings {
    pub(crate) fn specs(&self) -> Vec<RegionSpec> {
        self.targets.iter().map(|target| target.spec.clone()).collect()
    }

    pub(crate) fn target(&self, region: RegionId) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == region)
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace { interval: self.interval, jitter: self.jitter, samples: self.samples }
    }

    /// Whether the ranking tells what a probe is worth.
    pub(crate) fn is_steered(&self) -> bool {
        self.routing.strategy == Strategy::Adaptive
    }

    /// What a token costs in time; `None` without a budget.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.tokens_per_day.filter(|_| self.is_steered()).map(Rate::per_day)
    }

    /// How often regions are checked between their probes, without tokens.
    pub(crate) fn check_pace(&self) -> Pace {
        Pace { interval: self.interval / CHECKS_PER_INTERVAL, samples: 1, ..self.pace() }
    }

    /// The regions that are checked.
    pub(crate) fn checks(&self) -> Vec<(RegionId, Vec<Stop>)> {
        // without a deployment the probes themselves are such checks
        let wanted = self.reachability && !self.deployments.is_empty();
        self.targets.iter().filter(|_| wanted).map(|target| (target.id, vec![None])).collect()
    }

    /// What there is to probe in each region.
    pub(crate) fn courses(&self) -> Vec<(RegionId, Vec<Stop>)> {
        self.targets.iter().map(|target| (target.id, self.stops(target))).collect()
    }

    pub(crate) fn stops(&self, target: &Target) -> Vec<Stop> {
        if self.deployments.is_empty() {
            return vec![None];
        }
        target.deployments.iter().map(|(client, _)| Some(client.clone())).collect()
    }
}

/// A region that went away is noticed within a third of the interval.
const CHECKS_PER_INTERVAL: u32 = 3;

impl Target {
    /// What this region calls the deployment.
    pub(crate) fn regional(&self, deployment: &str) -> Option<&Arc<str>> {
        let (_, regional) = self.deployments.iter().find(|(client, _)| &**client == deployment)?;
        Some(regional)
    }
}
