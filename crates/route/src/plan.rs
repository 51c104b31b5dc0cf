//! The order in which one request tries regions.
//!
//! On the request path: no allocation, no lock. It knows what was tried, and asks the vitals at
//! each step, so that a cool-down set a moment ago already counts. How many attempts a request
//! gets, and whether it may be repeated at all, the proxy decides.

use crate::{
    health::State,
    moment::Moment,
    region::RegionId,
    table::{Entry, Ranking},
};

/// Regions one request tries at most; the plan ends there.
pub const MAX_TRIED: usize = 32;

/// What one request has tried so far.
#[derive(Clone, Debug)]
pub struct Plan {
    tried: [RegionId; MAX_TRIED],
    count: usize,
}

impl Plan {
    /// Nothing tried yet.
    pub const fn new() -> Self {
        Self { tried: [RegionId(0); MAX_TRIED], count: 0 }
    }

    /// The region to try next, among those that are `allowed`; `None` when all were tried.
    ///
    /// First those that can be expected to answer, in the ranking's order. Then the rest, least
    /// bad first: cooled ones by the end of their cool-down, then those that are down.
    /// No region comes twice, even if the ranking changes between two calls.
    pub fn next<'t>(
        &mut self,
        ranking: &'t Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<&'t Entry> {
        let open = |entry: &&Entry| !self.has_tried(entry.region) && allowed(entry);
        let entry = ranking
            .order
            .iter()
            .filter(open)
            .find(|entry| entry.state != State::Down && entry.cooled_for(now).is_none())
            .or_else(|| {
                let badness = |entry: &&Entry| (entry.state == State::Down, entry.cooled_for(now));
                ranking.order.iter().filter(open).min_by_key(badness)
            })?;

        *self.tried.get_mut(self.count)? = entry.region;
        self.count = self.count.saturating_add(1);
        Some(entry)
    }

    /// How many regions were given out.
    pub const fn attempts(&self) -> usize {
        self.count
    }

    fn has_tried(&self, region: RegionId) -> bool {
        self.tried.iter().take(self.count).any(|tried| *tried == region)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;
    use crate::{sample::Measured, track::LiveTally, verdict::Verdict, vitals::Vitals};

    fn entry(id: u32, state: State, cooled_secs: Option<u64>) -> Entry {
        let vitals = Arc::new(Vitals::default());
        if let Some(seconds) = cooled_secs {
            vitals.cool_until(Moment::ZERO + Duration::from_secs(seconds));
        }
        Entry {
            region: RegionId(id),
            name: format!("r{id}").into(),
            tier: 0,
            zone: None,
            state,
            score: None,
            first_token: None,
            total: None,
            head: None,
            samples: 0,
            failures: 0,
            last_sample: None,
            last_failure: None,
            last_error: None,
            live: LiveTally::default(),
            vitals,
            region_vitals: Arc::default(),
        }
    }

    fn ranking(order: impl IntoIterator<Item = Entry>) -> Ranking {
        Ranking {
            deployment: "gpt-4o".into(),
            measured: Measured::FirstToken,
            order: order.into_iter().collect(),
            leader_since: None,
            verdict: Verdict::Best,
        }
    }

    fn all_of(ranking: &Ranking, allowed: impl Fn(&Entry) -> bool) -> Vec<u32> {
        let mut plan = Plan::new();
        std::iter::from_fn(|| plan.next(ranking, Moment::ZERO, &allowed))
            .map(|entry| entry.region.0)
            .collect()
    }

    #[test]
    fn good_ones_come_in_order_then_the_least_bad() {
        let ranking = ranking([
            entry(0, State::Fresh, Some(60)),
            entry(1, State::Fresh, None),
            entry(2, State::Stale, None),
            entry(3, State::Unknown, Some(5)),
            entry(4, State::Unknown, None),
            entry(5, State::Down, None),
            entry(6, State::Down, Some(5)),
            entry(7, State::Down, None),
        ]);
        assert_eq!(all_of(&ranking, |_| true), [1, 2, 4, 3, 0, 5, 7, 6]);
        assert_eq!(all_of(&ranking, |entry| entry.region.0 % 2 == 0), [2, 4, 0, 6]);
        assert_eq!(all_of(&ranking, |_| false), [0_u32; 0]);
    }

    #[test]
    fn a_cool_down_counts_from_the_next_step_on_whoever_set_it() {
        let ranking = ranking([0, 1, 2].map(|id| entry(id, State::Fresh, None)));
        let mut plan = Plan::new();
        let mut step = || plan.next(&ranking, Moment::ZERO, |_| true).map(|entry| entry.region.0);
        assert_eq!(step(), Some(0));
        ranking.order[1].region_vitals.cool_until(Moment::from_nanos(1));
        assert_eq!((step(), step(), step()), (Some(2), Some(1), None));
    }

    #[test]
    fn another_ranking_in_between_repeats_nothing() {
        let mut plan = Plan::new();
        for (order, expected) in [([0, 1], Some(0)), ([1, 0], Some(1)), ([0, 1], None)] {
            let ranking = ranking(order.map(|id| entry(id, State::Fresh, None)));
            let next = plan.next(&ranking, Moment::ZERO, |_| true);
            assert_eq!(next.map(|entry| entry.region.0), expected);
        }
        assert_eq!(plan.attempts(), 2);
    }

    #[test]
    fn a_plan_ends_at_its_bound() {
        let ranking = ranking((0..40).map(|id| entry(id, State::Fresh, None)));
        assert_eq!(all_of(&ranking, |_| true).len(), MAX_TRIED);
    }

    proptest! {
        #[test]
        fn every_allowed_region_comes_once_and_bad_ones_last(
            regions in vec((select(&State::ALL), option::of(0_u64..5), any::<bool>()), 0..MAX_TRIED)
        ) {
            let entries = (0..).zip(&regions).map(|(id, (state, cool, _))| entry(id, *state, *cool));
            let ranking = ranking(entries);
            let allowed = |entry: &Entry| regions[entry.region.0 as usize].2;
            let given = all_of(&ranking, allowed);

            let mut each_once = given.clone();
            each_once.sort_unstable();
            let expected: Vec<_> =
                ranking.order.iter().filter(|e| allowed(e)).map(|e| e.region.0).collect();
            prop_assert_eq!(each_once, expected);

            let bad = |id: &u32| {
                let entry = &ranking.order[*id as usize];
                entry.state == State::Down || entry.cooled_for(Moment::ZERO).is_some()
            };
            prop_assert!(given.is_sorted_by_key(bad), "{:?}", given);
        }
    }
}
