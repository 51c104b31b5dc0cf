//! The engine: samples in, tables out. The prober owns it and is its only writer.
//!
//! It holds the members and who leads each ranking, and asks the other files for every decision.
//! It reads no clock and starts nothing; whoever calls [`Ranker::rank`] publishes the result.

use std::{sync::Arc, time::Duration};

use crate::{
    contest::{Contest, LeaderChange},
    curiosity::Nearness,
    estimate::{Circumstances, Estimate, Expected},
    history::History,
    knowledge::Beside,
    member::Member,
    moment::Moment,
    region::{RegionId, RegionSpec},
    remembered::{Learned, Remembered},
    sample::{Measured, Sample},
    settings::{RoutingSettings, Strategy},
    shape::Shape,
    table::Table,
};

/// The memory of all regions and of who leads.
#[derive(Debug)]
pub struct Ranker {
    settings: RoutingSettings,
    generation: u64,
    version: u64,
    /// The latest `now`; time does not go back.
    now: Moment,
    /// In configured order.
    members: Vec<Member>,
    /// One per probed deployment, by name.
    contests: Vec<Contest>,
    fallback: Contest,
    history: History,
}

/// When a probe of a (region, deployment) is worth its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeDue {
    /// From when on; [`Moment::ZERO`] where nothing was ever seen.
    pub at: Moment,
    /// The region is so far from the best that it is looked at more rarely.
    pub far: bool,
}

/// A new table and what is worth telling about it.
#[derive(Debug)]
pub struct Published {
    /// To be published to all workers.
    pub table: Arc<Table>,
    /// Rankings whose leader changed, for the log and the list of changes.
    pub changes: Vec<LeaderChange>,
}

impl Ranker {
    /// Nothing measured yet. `regions` in configured order, with unique ids; `deployments` are
    /// those that are probed, none = only reachability is.
    pub fn new(
        settings: RoutingSettings,
        generation: u64,
        regions: Vec<RegionSpec>,
        deployments: Vec<Arc<str>>,
    ) -> Self {
        let mut ranker = Self {
            settings,
            generation,
            version: 0,
            now: Moment::ZERO,
            members: Vec::new(),
            contests: Vec::new(),
            fallback: Contest::new(Arc::from("")),
            history: History::default(),
        };
        ranker.reconfigure(settings, generation, regions, deployments);
        ranker
    }

    /// Takes over a new configuration.
    ///
    /// Of a region whose id stays, samples and vitals are kept; an added one is unknown. Counts in
    /// the next [`Self::rank`].
    pub fn reconfigure(
        &mut self,
        settings: RoutingSettings,
        generation: u64,
        regions: Vec<RegionSpec>,
        mut deployments: Vec<Arc<str>>,
    ) {
        self.settings = settings;
        self.generation = generation;

        // the empty name is the fallback's
        deployments.retain(|deployment| !deployment.is_empty());
        deployments.sort_unstable();
        deployments.dedup();

        let mut former = std::mem::take(&mut self.members);
        for spec in regions {
            let same = former.iter().position(|member| member.spec().id == spec.id);
            let same = same.map(|index| former.swap_remove(index));
            self.members.push(Member::new(spec, same, deployments.iter().cloned()));
        }

        let mut former = std::mem::take(&mut self.contests);
        for deployment in deployments {
            let same = former.iter().position(|contest| contest.deployment == deployment);
            let contest = same.map(|index| former.swap_remove(index));
            self.contests.push(contest.unwrap_or_else(|| Contest::new(deployment)));
        }
        let contests = || self.contests.iter().chain([&self.fallback]);
        self.history.retain(|name| contests().any(|contest| *contest.deployment == *name));
    }

    /// Begins with what an earlier process learned, so much `later` than it was true, for the regions by
    /// their numbers here. Returns how many of the estimates are of use.
    ///
    /// To be called before anything is observed or ranked: what is seen already is not overwritten.
    pub fn resume(&mut self, learned: &Learned, later: Duration, now: Moment) -> usize {
        for kept in &learned.traffic {
            let mut contests = self.contests.iter_mut();
            if let Some(contest) = contests.find(|one| one.deployment == kept.deployment) {
                contest.resume(kept, later, now);
            }
        }
        let interval = self.settings.probe_interval;
        let mut resume = |one: &Remembered| {
            let known = one.known(later, now, interval)?;
            let mut members = self.members.iter_mut();
            let member = members.find(|member| member.spec().id == one.region)?;
            Some(member.resume(&one.deployment, known))
        };
        learned.estimates.iter().filter(|one| resume(one) == Some(true)).count()
    }

    /// Remembers a sample of a region, for the deployment by the client's name for it.
    ///
    /// Samples of a region or a probe that a reload removed come too late and are dropped.
    pub fn observe(&mut self, region: RegionId, deployment: Option<&str>, sample: Sample) {
        if let Some(deployment) = deployment {
            self.learn(region, deployment, &sample);
        }
        if let Some(member) = self.members.iter_mut().find(|member| member.spec().id == region) {
            member.observe(deployment, sample);
        }
    }

    /// What the adaptive strategy makes of it: kept up by either strategy, so that a reload that
    /// changes it begins with what is known.
    fn learn(&mut self, region: RegionId, deployment: &str, sample: &Sample) {
        let contest = self.contests.iter_mut().find(|contest| *contest.deployment == *deployment);
        let Some(contest) = contest else { return };
        contest.learn(sample);
        let output = contest.typical(sample.asked.shape.class()).output;
        let interval = self.settings.probe_interval;
        let others = self.members.iter().filter(|member| member.spec().id != region);
        let known: Vec<_> = others
            .filter_map(|member| member.knowledge(deployment)?.at(sample.at, interval))
            .map(|known| known.estimate)
            .collect();
        let beside = Beside { like: Estimate::pooled(known.iter()), output, interval };
        if let Some(member) = self.members.iter_mut().find(|member| member.spec().id == region) {
            member.learn(deployment, sample, &beside);
        }
    }

    /// When a probe of this deployment in this region is worth its tokens; `None` where the strategy
    /// does not tell, and the timetable decides alone.
    pub fn probe_due(&self, region: RegionId, deployment: &str, now: Moment) -> Option<ProbeDue> {
        if self.settings.strategy != Strategy::Adaptive {
            return None;
        }
        let interval = self.settings.probe_interval;
        let typical = Circumstances { shape: Shape::PROBE, output: 0.0, in_flight: 0 };
        let expected = |member: &Member| {
            let known = member.knowledge(deployment)?.at(now, interval)?;
            Some(known.calm(typical))
        };
        let member = self.members.iter().find(|member| member.spec().id == region)?;
        let best = self
            .members
            .iter()
            .filter_map(expected)
            .min_by(|one, other| one.millis.total_cmp(&other.millis));
        let is_far = |(here, best): (Expected, Expected)| {
            here.millis - best.millis > FAR * here.doubt.hypot(best.doubt)
        };
        let far = expected(member).zip(best).is_some_and(is_far);
        let contest = self.contests.iter().find(|contest| *contest.deployment == *deployment)?;
        let nearness = match far {
            _ if contest.is_led_by(region) => Nearness::Leads,
            true => Nearness::Far,
            false => Nearness::Near,
        };
        let at = member.knowledge(deployment)?.curiosity().due(now, interval, nearness);
        Some(ProbeDue { at, far })
    }

    /// Makes the table of this moment. Works from the start on, before any sample.
    pub fn rank(&mut self, now: Moment) -> Published {
        self.now = self.now.max(now);
        self.version = self.version.saturating_add(1);
        let (settings, now) = (self.settings, self.now);
        for member in &mut self.members {
            member.expire(now, settings.window);
        }

        let clock = match self.contests.as_slice() {
            [] => Measured::Reachability,
            _ => settings.rank_by.into(),
        };
        let mut changes = Vec::new();
        let mut rankings = Vec::with_capacity(self.contests.len());
        for contest in &mut self.contests {
            let members = self.members.iter();
            let entries = members
                .filter_map(|member| member.entry(&contest.deployment, &settings, now))
                .collect();
            let (ranking, change) = match settings.strategy {
                Strategy::Adaptive => contest.by_cost(entries, clock, &settings.switch, now),
                Strategy::Average => contest.by_score(entries, clock, &settings.switch, now),
            };
            rankings.push(Arc::new(ranking));
            changes.extend(change);
        }
        let members = self.members.iter();
        let entries = members.map(|member| member.fallback_entry(&settings, clock, now)).collect();
        let (fallback, change) = self.fallback.by_score(entries, clock, &settings.switch, now);
        changes.extend(change);

        let traffic = match settings.strategy {
            Strategy::Adaptive => {
                self.contests.iter().flat_map(|contest| contest.traffic(now)).collect()
            }
            Strategy::Average => Box::default(),
        };
        self.history.extend(&changes);
        let table = Table {
            generation: self.generation,
            version: self.version,
            at: now,
            changes: Arc::clone(self.history.changes()),
            rankings: rankings.into_boxed_slice(),
            traffic,
            fallback: Arc::new(fallback),
        };
        Published { table: Arc::new(table), changes }
    }

    /// Whether every region has been probed once for every probed deployment that it serves.
    pub fn first_round_done(&self) -> bool {
        let reachability_only = self.contests.is_empty();
        self.members.iter().all(|member| member.is_probed(reachability_only))
    }
}

/// A region whose time differs from the best by more deviations could hardly have become it.
const FAR: f64 = 1.2;
