//! The route table: per deployment, the order of the regions and how it came about.
//!
//! Immutable and swapped whole. A request loads it once and keeps it; only the vitals inside its
//! entries move. The admin pages and the metrics read the same table, so that they cannot tell
//! another story than the one that requests follow.

use std::{sync::Arc, time::Duration};

use crate::{
    breaker::{Breaker, BreakerState},
    condition::Condition,
    contest::LeaderChange,
    health::State,
    knowledge::Known,
    lack::Lack,
    mix::Typical,
    moment::Moment,
    region::RegionId,
    sample::Measured,
    shape::Class,
    spread::Spread,
    track::LiveTally,
    traffic::Traffic,
    verdict::Verdict,
    vitals::Vitals,
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
    /// The last changes of leaders, newest first; at most [`MAX_CHANGES`](crate::MAX_CHANGES) of each
    /// ranking.
    pub changes: Arc<[LeaderChange]>,
    /// By deployment name, for the binary search of [`Self::ranking`].
    pub(crate) rankings: Box<[Arc<Ranking>]>,
    pub(crate) fallback: Arc<Ranking>,
    /// What clients asked for of late; nothing where costs do not decide.
    pub(crate) traffic: Box<[Traffic]>,
}

impl Table {
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
    /// Of each class of requests, in their order; empty where costs do not decide.
    pub leads: Box<[Lead]>,
    /// Why the leader leads now. Not why it took over: that is in the
    /// [`LeaderChange`](crate::LeaderChange).
    pub verdict: Verdict,
}

impl Ranking {
    /// The region to prefer.
    pub fn leader(&self) -> Option<&Entry> {
        self.order.first()
    }

    /// Who leads for requests of this class; `None` where costs do not decide.
    pub fn lead(&self, class: Class) -> Option<&Lead> {
        self.leads.get(class.place())
    }

    /// How many regions are fit for this operation: none, and only last resorts are left.
    pub fn fit(&self, operation: Lack, now: Moment) -> usize {
        self.order.iter().filter(|entry| !entry.condition(operation, now).is_out()).count()
    }

    /// How long until one of the `allowed` regions may be fit again, as far as deadlines tell: the
    /// hint for a client that is sent away. `None` if one is fit now, or no deadline tells.
    pub fn fit_in(
        &self,
        operation: Lack,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<Duration> {
        let allowed = || self.order.iter().filter(|entry| allowed(entry));
        if allowed().any(|entry| !entry.condition(operation, now).is_out()) {
            return None;
        }
        allowed().filter_map(|entry| entry.out_for(operation, now)).min()
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

/// Who leads for one class of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// The region; `None` if none serves the deployment.
    pub leader: Option<RegionId>,
    /// Since when.
    pub since: Option<Moment>,
    /// Why it leads now.
    pub verdict: Verdict,
    /// What a request of the class is like.
    pub typical: Typical,
    /// Whether most requests belong to the class: the order shown is by its costs.
    pub main: bool,
}

/// One region in one ranking.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who it is.
    pub region: RegionId,
    /// As configured.
    pub name: Arc<str>,
    /// As configured.
    pub tier: u32,
    /// As configured; for the caller's fences.
    pub zone: Option<Arc<str>>,
    /// How much is known of it.
    pub state: State,
    /// What it costs, failures included; `None` if nothing was measured.
    pub score: Option<Duration>,
    /// What probes and clients' requests taught of its times; `None` if nothing did yet, or costs do
    /// not decide.
    pub known: Option<Known>,
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
    /// Of the region, whatever the deployment: a refused connection opens its breaker here.
    pub region_vitals: Arc<Vitals>,
}

impl Entry {
    /// How long the region, or this deployment in it, is still cooled; `None` if it is not.
    pub fn cooled_for(&self, now: Moment) -> Option<Duration> {
        self.vitals.cooled_for(now).max(self.region_vitals.cooled_for(now))
    }

    /// Where the worse of the two breakers stands: the region's and this deployment's in it.
    pub fn breaker_state(&self, now: Moment) -> BreakerState {
        self.breakers()
            .map(|breaker| breaker.state(now))
            .into_iter()
            .fold(BreakerState::Closed, BreakerState::max)
    }

    /// How long one of the breakers is still open; `None` when neither is.
    pub fn open_for(&self, now: Moment) -> Option<Duration> {
        let [region, deployment] = self.breakers().map(|breaker| breaker.open_for(now));
        region.max(deployment)
    }

    /// The share of requests that the breakers let pass, 0 to 1.
    pub fn share(&self, now: Moment) -> f64 {
        self.breakers().map(|breaker| breaker.share(now)).into_iter().product()
    }

    /// How long the deployment's quota in the region counts as nearly used up.
    pub fn nearly_spent_for(&self, now: Moment) -> Option<Duration> {
        self.vitals.nearly_spent_for(now)
    }

    /// How long the region counts as refusing Nearway's credential.
    pub fn unauthorized_for(&self, now: Moment) -> Option<Duration> {
        self.region_vitals.unauthorized_for(now)
    }

    /// How long the region counts as lacking the deployment, or this operation of it.
    pub fn lacks_for(&self, operation: Lack, now: Moment) -> Option<Duration> {
        self.vitals.lacks_for(operation, now)
    }

    /// Whether the deployment has stopped to answer there.
    pub fn is_silent(&self, now: Moment) -> bool {
        self.vitals.is_silent(self.first_token.map(|spread| spread.max), now)
    }

    /// How fit the region is for a request of this operation.
    pub fn condition(&self, operation: Lack, now: Moment) -> Condition {
        let breaker = self.breaker_state(now);
        if self.lacks_for(operation, now).is_some() {
            Condition::Lacking
        } else if self.unauthorized_for(now).is_some() {
            Condition::Unauthorized
        } else if breaker == BreakerState::Open
            || (breaker == BreakerState::HalfOpen && !self.has_trial(now))
        {
            Condition::Open
        } else if self.state == State::Down {
            Condition::Down
        } else if self.cooled_for(now).is_some() {
            Condition::Cooled
        } else if self.is_silent(now) {
            Condition::Silent
        } else if breaker != BreakerState::Closed {
            Condition::Recovering
        } else if self.nearly_spent_for(now).is_some() {
            Condition::NearlySpent
        } else {
            Condition::Good
        }
    }

    /// The longest of the deadlines that keep requests of this operation away; `None` when none
    /// does, though the region may be down all the same.
    pub fn out_for(&self, operation: Lack, now: Moment) -> Option<Duration> {
        self.lacks_for(operation, now)
            .max(self.unauthorized_for(now))
            .max(self.open_for(now))
            .max(self.cooled_for(now))
    }

    /// Whether both breakers let the next request pass. A `true` claims the trial of one that is
    /// half-open, if the request `may_try`: whoever asks must send.
    pub(crate) fn admits(&self, now: Moment, may_try: bool) -> bool {
        match self.breaker_state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::Returning => self.passes_in_turn(now),
            BreakerState::HalfOpen => may_try && self.passes_in_turn(now) && self.claim_trial(now),
        }
    }

    /// What [`Self::admits`] would say, claiming nothing and counting nothing.
    pub(crate) fn would_admit(&self, now: Moment, may_try: bool) -> bool {
        let would_pass = |breaker: &Breaker| {
            breaker.state(now) != BreakerState::Returning || breaker.would_pass_in_turn(now)
        };
        let in_turn = || self.breakers().into_iter().all(would_pass);
        match self.breaker_state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::Returning => in_turn(),
            BreakerState::HalfOpen => may_try && in_turn() && self.has_trial(now),
        }
    }

    /// Whether a breaker waits for its trial so long that any request is welcome for it.
    pub(crate) fn trial_is_overdue(&self, now: Moment) -> bool {
        self.breakers().into_iter().any(|breaker| breaker.trial_is_overdue(now))
    }

    /// Claims the trial of each breaker that is half-open: all, or none and `false`.
    pub(crate) fn claim_trial(&self, now: Moment) -> bool {
        let [region, deployment] = self.breakers();
        let half_open = |breaker: &Breaker| breaker.state(now) == BreakerState::HalfOpen;
        let (tries_region, tries_deployment) = (half_open(region), half_open(deployment));
        if tries_region && !region.claim_trial(now) {
            return false;
        }
        if tries_deployment && !deployment.claim_trial(now) {
            if tries_region {
                region.give_back_trial(now);
            }
            return false;
        }
        true
    }

    /// Whether no breaker that is half-open has its trial under way.
    pub(crate) fn has_trial(&self, now: Moment) -> bool {
        let has = |breaker: &Breaker| {
            breaker.state(now) != BreakerState::HalfOpen || breaker.has_trial(now)
        };
        self.breakers().into_iter().all(has)
    }

    /// Whether the traffic that returns includes the next request.
    fn passes_in_turn(&self, now: Moment) -> bool {
        let passes = |breaker: &Breaker| {
            breaker.state(now) != BreakerState::Returning || breaker.passes_in_turn(now)
        };
        self.breakers().into_iter().all(passes)
    }

    fn breakers(&self) -> [&Breaker; 2] {
        [self.region_vitals.breaker(), self.vitals.breaker()]
    }
}

#[cfg(test)]
impl Entry {
    /// A region of which nothing is known but its state.
    pub(crate) fn bare(id: u32, state: State) -> Self {
        Self {
            region: RegionId(id),
            name: format!("r{id}").into(),
            tier: 0,
            zone: None,
            state,
            score: None,
            known: None,
            first_token: None,
            total: None,
            head: None,
            samples: 0,
            failures: 0,
            last_sample: None,
            last_failure: None,
            last_error: None,
            live: LiveTally::default(),
            vitals: Arc::default(),
            region_vitals: Arc::default(),
        }
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
