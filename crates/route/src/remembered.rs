//! What is worth keeping over a restart: the estimates that a table holds, as plain numbers, and the
//! traffic that they were learned from.
//!
//! Taken from a table, and given to the ranker of the next process. How it is stored, and whether a
//! region is still the same one, the caller knows. No cool-down, no breaker, no probe is kept: those
//! speak of a moment that is over.

use std::{sync::Arc, time::Duration};

use crate::{
    estimate::Estimate, knowledge::Known, moment::Moment, region::RegionId, table::Table,
    traffic::Traffic,
};

/// All that was learned, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// Of the regions.
    pub estimates: Vec<Remembered>,
    /// Of the requests.
    pub traffic: Vec<Traffic>,
}

/// What was learned of one region for one deployment, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The region's number in the process that learned it, or that resumes it.
    pub region: RegionId,
    /// By the name that clients write.
    pub deployment: Arc<str>,
    /// As [`Estimate::terms`]: milliseconds.
    pub terms: [f64; 4],
    /// How little is known of the terms; symmetric.
    pub covariance: [[f64; 4]; 4],
    /// As [`Estimate::scatter`].
    pub scatter: f64,
    /// As [`Known::failing`], 0 to 1.
    pub failing: f64,
    /// How long ago the last answer came; `None` if none did.
    pub age: Option<Duration>,
}

impl Learned {
    /// All that a table knows, in its order; nothing where costs do not decide. It is true of the
    /// table's moment.
    pub fn of(table: &Table) -> Self {
        Self { estimates: Remembered::of(table), traffic: table.traffic.to_vec() }
    }
}

impl Remembered {
    fn of(table: &Table) -> Vec<Self> {
        let rankings = table.rankings().filter(|ranking| !ranking.deployment.is_empty());
        let entries = rankings.flat_map(|ranking| {
            ranking.order.iter().map(move |entry| (&ranking.deployment, entry))
        });
        let remembered = entries.filter_map(|(deployment, entry)| {
            let known = entry.known?;
            Some(Self {
                region: entry.region,
                deployment: Arc::clone(deployment),
                terms: known.estimate.terms(),
                covariance: known.estimate.covariance(),
                scatter: known.estimate.scatter(),
                failing: known.failing,
                age: known.answered.map(|at| table.at.since(at)),
            })
        });
        remembered.collect()
    }

    /// What is known at `now`, so much `later` than it was true; `None` if these numbers are nothing
    /// that could have been learned. In one `interval` of probes a region may change by a quarter.
    pub(crate) fn known(&self, later: Duration, now: Moment, interval: Duration) -> Option<Known> {
        let estimate = Estimate::resumed(self.terms, self.covariance, self.scatter)?;
        let is_share = (0.0..=1.0).contains(&self.failing);
        let answered = self.age.map(|age| now.before(age.saturating_add(later)));
        is_share.then(|| Known {
            estimate: estimate.faded(Moment::from(later), interval).seen_at(now),
            failing: self.failing,
            answered,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform4, collection::vec, prelude::*};

    use super::*;
    use crate::{
        Asked, Outcome, RankBy, Ranker, RegionSpec, RoutingSettings, Sample, Shape, Source,
        Strategy as Ranks, Switch,
    };

    const INTERVAL: Duration = Duration::from_secs(30);
    const DEPLOYMENT: &str = "gpt-4o";

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn ranker(regions: u32) -> Ranker {
        let settings = RoutingSettings {
            strategy: Ranks::Adaptive,
            rank_by: RankBy::FirstToken,
            window: INTERVAL,
            switch: Switch { percent: 5.0, at_least: Duration::ZERO, hold: Duration::ZERO },
            probe_interval: INTERVAL,
            probe_timeout: INTERVAL,
            stale_after: INTERVAL * 3,
        };
        let region = |id| RegionSpec {
            id: RegionId(id),
            name: format!("r{id}").into(),
            tier: 0,
            zone: None,
            deployments: crate::DeploymentSet::All,
        };
        Ranker::new(settings, 1, (0..regions).map(region).collect(), vec![DEPLOYMENT.into()])
    }

    fn sample(second: u64, prompt: u32, streams: bool, millis: Option<u64>) -> Sample {
        let shape = Shape { prompt, streams };
        let outcome = match millis.map(Duration::from_millis) {
            Some(total) => {
                Outcome::Answer { first_token: streams.then_some(total), total, tokens: 9 }
            }
            None => Outcome::Failure { reason: "reset", after: Duration::ZERO, retry_after: None },
        };
        let asked = Asked { shape, in_flight: 0 };
        Sample { at: at(second), source: Source::Live, asked, outcome }
    }

    fn costs(table: &Table, now: Moment) -> Vec<Option<crate::Cost>> {
        let ranking = table.ranking(Some(DEPLOYMENT));
        let shape = Shape { prompt: 700, streams: false };
        let lead = ranking.lead(shape.class()).unwrap();
        let mut entries: Vec<_> = ranking.order.iter().collect();
        entries.sort_by_key(|entry| entry.region);
        entries.iter().map(|entry| entry.cost(shape, &lead.typical, now)).collect()
    }

    #[test]
    fn what_was_learned_leads_from_the_first_table_on() {
        let mut before = ranker(2);
        before.observe(RegionId(0), Some(DEPLOYMENT), sample(10, 8, true, Some(400)));
        before.observe(RegionId(1), Some(DEPLOYMENT), sample(12, 8, true, Some(90)));
        let kept = Learned::of(&before.rank(at(20)).table);
        assert_eq!(kept.estimates.len(), 2);

        let mut after = ranker(2);
        assert_eq!(after.resume(&kept, Duration::from_secs(7), at(100)), 2);
        let table = after.rank(at(100)).table;
        let leader = table.ranking(Some(DEPLOYMENT)).leader().unwrap();
        assert_eq!((leader.region, leader.state), (RegionId(1), crate::State::Fresh));
        let age = |entry: &crate::Entry| at(100).since(entry.known.unwrap().answered.unwrap());
        assert_eq!(age(leader), Duration::from_secs(8 + 7));
        assert_eq!(
            after.probe_due(RegionId(1), DEPLOYMENT, at(100)).map(|due| due.at),
            Some(Moment::ZERO),
            "at once"
        );
    }

    #[test]
    fn what_is_seen_already_is_not_overwritten_and_strangers_are_left_out() {
        let mut before = ranker(3);
        before.observe(RegionId(2), Some(DEPLOYMENT), sample(1, 8, true, Some(90)));
        before.observe(RegionId(0), Some(DEPLOYMENT), sample(1, 8, true, Some(90)));
        let kept = Learned::of(&before.rank(at(2)).table);
        let mut after = ranker(1);
        after.observe(RegionId(0), Some(DEPLOYMENT), sample(3, 8, true, Some(500)));
        let seen = Remembered::of(&after.rank(at(4)).table);
        assert_eq!(after.resume(&kept, Duration::ZERO, at(4)), 0);
        assert_eq!(Remembered::of(&after.rank(at(4)).table), seen);
    }

    proptest! {
        #[test]
        fn a_restart_keeps_what_every_request_would_cost(
            seen in vec((0..3_u32, 0..10_000_u32, any::<bool>(), prop::option::weighted(0.9, 1..60_000_u64)), 1..60),
            pause in 0..5_000_u64
        ) {
            let mut before = ranker(3);
            for (second, (region, prompt, streams, millis)) in (1..).zip(seen) {
                let sample = sample(second, prompt, streams, millis);
                before.observe(RegionId(region), Some(DEPLOYMENT), sample);
            }
            let kept = Learned::of(&before.rank(at(100)).table);
            let mut after = ranker(3);
            let (later, start) = (Duration::from_secs(pause), at(9_000));
            prop_assert_eq!(after.resume(&kept, later, start), kept.estimates.len());

            let expected = costs(&before.rank(at(100) + later).table, at(100) + later);
            let found = costs(&after.rank(start).table, start);
            for (found, expected) in found.into_iter().zip(expected) {
                prop_assert_eq!(found.is_some(), expected.is_some());
                let Some((found, expected)) = found.zip(expected) else { continue };
                let near = |one: f64, other: f64| (one - other).abs() <= 1e-6 * other.abs().max(1.0);
                prop_assert!(near(found.calm, expected.calm), "{:?} {:?}", found, expected);
                prop_assert!(near(found.doubt, expected.doubt), "{:?} {:?}", found, expected);
            }
        }

        #[test]
        fn numbers_that_nobody_learned_are_refused_or_harmless(
            terms in uniform4(any::<f64>()), covariance in uniform4(uniform4(any::<f64>())),
            scatter in any::<f64>(), failing in any::<f64>(), later in any::<u64>()
        ) {
            let deployment = DEPLOYMENT.into();
            let age = Some(Duration::MAX);
            let made = Remembered {
                region: RegionId(0), deployment, terms, covariance, scatter, failing, age
            };
            let mut after = ranker(1);
            let made = Learned { estimates: vec![made], traffic: Vec::new() };
            after.resume(&made, Duration::from_nanos(later), at(9));
            after.observe(RegionId(0), Some(DEPLOYMENT), sample(10, 8, true, Some(90)));
            for cost in costs(&after.rank(at(11)).table, at(11)).into_iter().flatten() {
                prop_assert!(cost.now.is_finite() && cost.doubt.is_finite() && cost.now > 0.0);
            }
        }
    }
}
