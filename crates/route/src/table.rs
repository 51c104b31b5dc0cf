//! The route table: per deployment, the order of the regions and how it came about.
//!
//! Immutable and swapped whole. A request loads it once and keeps it; only the vitals inside its
//! entries move. The admin pages and the metrics read the same table, so that they cannot tell
//! another story than the one that requests follow.

use std::{sync::Arc, time::Duration};

use crate::{
    health::State, moment::Moment, region::RegionId, sample::Measured, spread::Spread,
    track::LiveTally, verdict::Verdict, vitals::Vitals,
};

/// All rankings at one moment.
#[derive(Debug)]
pub struct Table {
    /// Which configuration it is made from.
    pub generation: u64,
    /// Grows by one with each table of the process.
    pub version: u64,
    /// When it was made.
    pub at: Moment,
    /// By deployment name, for the binary search of [`Self::ranking`].
    rankings: Box<[Arc<Ranking>]>,
    fallback: Arc<Ranking>,
}

impl Table {
    /// A table of these rankings, which must be sorted by deployment name.
    pub(crate) const fn new(
        generation: u64,
        version: u64,
        at: Moment,
        rankings: Box<[Arc<Ranking>]>,
        fallback: Arc<Ranking>,
    ) -> Self {
        Self { generation, version, at, rankings, fallback }
    }

    /// The ranking for a request that names this deployment; the fallback for one that names none
    /// or one that is not probed. The fallback knows nothing of who serves what.
    pub fn ranking(&self, deployment: Option<&str>) -> &Arc<Ranking> {
        let named = |deployment| {
            let by_name = |ranking: &Arc<Ranking>| (*ranking.deployment).cmp(deployment);
            self.rankings.get(self.rankings.binary_search_by(by_name).ok()?)
        };
        deployment.and_then(named).unwrap_or(&self.fallback)
    }

    /// All rankings by deployment name, the fallback last.
    pub fn rankings(&self) -> impl Iterator<Item = &Arc<Ranking>> {
        self.rankings.iter().chain([&self.fallback])
    }
}

/// The regions that serve one deployment, best first.
#[derive(Debug)]
pub struct Ranking {
    /// As clients write it; empty for the fallback.
    pub deployment: Arc<str>,
    /// What the scores are made from.
    pub measured: Measured,
    /// The leader first, then the natural order.
    pub order: Box<[Entry]>,
    /// Since when the leader leads; `None` if no region serves the deployment.
    pub leader_since: Option<Moment>,
    /// Why the leader leads now. Not why it took over: that is in the
    /// [`LeaderChange`](crate::LeaderChange).
    pub verdict: Verdict,
}

impl Ranking {
    /// The region to prefer.
    pub fn leader(&self) -> Option<&Entry> {
        self.order.first()
    }

    /// The deployment as a metric label: its name, or [`OTHER`] for the fallback.
    pub fn label(&self) -> &str {
        label(&self.deployment)
    }
}

/// The metric label of a ranking's deployment.
pub(crate) const fn label(deployment: &str) -> &str {
    if deployment.is_empty() { OTHER } else { deployment }
}

/// The label of all deployments that are not probed.
pub const OTHER: &str = "other";

/// One region in one ranking.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who it is.
    pub region: RegionId,
    /// As configured.
    pub name: Arc<str>,
    /// As configured; for the caller's fences.
    pub tier: u32,
    /// As configured; for the caller's fences.
    pub zone: Option<Arc<str>>,
    /// How much is known of it.
    pub state: State,
    /// What it costs, failures included; `None` if nothing was measured.
    pub score: Option<Duration>,
    /// First content tokens of the probes in the window.
    pub first_token: Option<Spread>,
    /// Total times of the probes in the window.
    pub total: Option<Spread>,
    /// Response heads of the token-free probes in the window.
    pub head: Option<Spread>,
    /// Probes in the window, failed ones included.
    pub samples: u32,
    /// Failed probes in the window.
    pub failures: u32,
    /// When the newest probe ended.
    pub last_sample: Option<Moment>,
    /// When the newest failed probe in the window ended.
    pub last_failure: Option<Moment>,
    /// The newest failure of a probe or a client's request, however old.
    pub last_error: Option<LastError>,
    /// What clients' requests saw. In the fallback: those for deployments that are not probed.
    pub live: LiveTally,
    /// Of this (region, deployment). In the fallback: of all deployments that are not probed.
    pub vitals: Arc<Vitals>,
    /// Of the region, whatever the deployment: a refused connection cools it here.
    pub region_vitals: Arc<Vitals>,
}

impl Entry {
    /// How long the region, or this deployment in it, is still cooled; `None` if it is not.
    pub fn cooled_for(&self, now: Moment) -> Option<Duration> {
        self.vitals.cooled_for(now).max(self.region_vitals.cooled_for(now))
    }
}

/// A failure to show to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastError {
    /// When.
    pub at: Moment,
    /// The sample's label.
    pub reason: &'static str,
}
