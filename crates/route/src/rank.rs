//! The natural order of the regions, before hysteresis has its say.
//!
//! A total order: those that are down last, then the tier, the state, whether there is a score at all,
//! the score, and the place in the configuration. The same values in any arrangement give the same
//! order.

use std::time::Duration;

use crate::{health::State, moment::Moment, region::RegionId};

/// What the order, and the leadership, are decided from. The derived order is the ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    class: Class,
    /// Never decides across classes.
    score: Option<Duration>,
    /// Place in the configuration; unique, so that no two standings are equal.
    place: usize,
    region: RegionId,
    last_failure: Option<Moment>,
    /// How little is known of the score: so much more a switch to it must gain.
    doubt: Duration,
}

/// Regions of one class compete by score; a better class wins whatever the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    /// Before the tier: a lower one that fails is no better than a higher one.
    is_down: bool,
    tier: u32,
    state: State,
    unscored: bool,
}

impl Standing {
    /// The standing of the region that is configured at `place`.
    pub(crate) const fn new(
        region: RegionId,
        place: usize,
        state: State,
        score: Option<Duration>,
    ) -> Self {
        let is_down = matches!(state, State::Down);
        let class = Class { is_down, tier: 0, state, unscored: score.is_none() };
        Self { class, score, place, region, last_failure: None, doubt: Duration::ZERO }
    }

    /// The same in this tier; without, it is in the lowest one.
    pub(crate) const fn in_tier(self, tier: u32) -> Self {
        Self { class: Class { tier, ..self.class }, ..self }
    }

    /// The same, with the time of its newest failed probe.
    pub(crate) const fn failed_at(self, last_failure: Option<Moment>) -> Self {
        Self { last_failure, ..self }
    }

    /// The same, with what is not known of its score.
    pub(crate) const fn doubted(self, doubt: Duration) -> Self {
        Self { doubt, ..self }
    }

    pub(crate) const fn doubt(&self) -> Duration {
        self.doubt
    }

    pub(crate) const fn class(&self) -> Class {
        self.class
    }

    pub(crate) const fn tier(&self) -> u32 {
        self.class.tier
    }

    pub(crate) const fn state(&self) -> State {
        self.class.state
    }

    pub(crate) const fn score(&self) -> Option<Duration> {
        self.score
    }

    pub(crate) const fn region(&self) -> RegionId {
        self.region
    }

    pub(crate) fn failed_since(&self, moment: Moment) -> bool {
        self.last_failure.is_some_and(|failure| failure > moment)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;

    fn ordered(mut standings: Vec<Standing>) -> Vec<u32> {
        standings.sort_unstable();
        standings.iter().map(|standing| standing.region.0).collect()
    }

    #[test]
    fn state_beats_score_beats_configured_order() {
        let standing = |id, state, millis: Option<u64>| {
            Standing::new(RegionId(id), id as usize, state, millis.map(Duration::from_millis))
        };
        let standings = vec![
            standing(0, State::Down, Some(1)),
            standing(1, State::Unknown, None),
            standing(2, State::Stale, Some(2)),
            standing(3, State::Fresh, None),
            standing(4, State::Fresh, Some(300)),
            standing(5, State::Fresh, Some(200)),
            standing(6, State::Fresh, Some(200)),
            standing(7, State::Unknown, None),
        ];
        assert_eq!(ordered(standings), [5, 6, 4, 3, 2, 1, 7, 0]);
    }

    #[test]
    fn a_lower_tier_comes_first_unless_it_is_down() {
        let standing = |id, tier, state, millis: Option<u64>| {
            let score = millis.map(Duration::from_millis);
            Standing::new(RegionId(id), id as usize, state, score).in_tier(tier)
        };
        let standings = vec![
            standing(0, 0, State::Down, Some(1)),
            standing(1, 1, State::Fresh, Some(1)),
            standing(2, 0, State::Unknown, None),
            standing(3, 2, State::Fresh, Some(1)),
            standing(4, 0, State::Fresh, Some(900)),
            standing(5, 1, State::Down, Some(1)),
        ];
        assert_eq!(ordered(standings), [4, 2, 1, 3, 0, 5]);
    }

    fn standings() -> impl Strategy<Value = Vec<Standing>> {
        let score = option::of((0_u64..4).prop_map(Duration::from_nanos));
        let one = (select(&State::ALL), score, 0_u32..3);
        vec(one, 0..12).prop_map(|values| {
            let ids = 0_u32..;
            let numbered = ids.zip(values).enumerate();
            numbered
                .map(|(place, (id, (state, score, tier)))| {
                    Standing::new(RegionId(id), place, state, score).in_tier(tier)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn any_arrangement_gives_the_same_order(
            (one, other) in standings().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
        ) {
            prop_assert_eq!(ordered(one), ordered(other));
        }

        #[test]
        fn better_comes_first_and_ties_keep_the_configured_order(mut all in standings()) {
            all.sort_unstable();
            for (ahead, behind) in all.iter().zip(all.iter().skip(1)) {
                let down = |one: &Standing| one.state() == State::Down;
                let merit = |one: &Standing| (down(one), one.tier(), one.state());
                prop_assert!(merit(ahead) <= merit(behind));
                if ahead.class() == behind.class() {
                    prop_assert!(ahead.score() <= behind.score());
                    prop_assert!(ahead.score() < behind.score() || ahead.place < behind.place);
                }
            }
        }
    }
}
