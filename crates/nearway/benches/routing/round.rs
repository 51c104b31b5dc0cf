//! One world with what came of it for all, side by side. The oracle is always among them.

use std::rc::Rc;

use crate::{contestant::Contestant, score::Score, statistics::mean, world::World};

#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) world: Rc<World>,
    pub(crate) scores: Vec<Score>,
}

impl Round {
    pub(crate) fn of(&self, contestant: Contestant) -> Option<&Score> {
        self.scores.iter().find(|score| score.contestant == contestant)
    }

    /// The oracle's mean cost, which all others are compared with.
    pub(crate) fn oracle(&self) -> f64 {
        self.of(Contestant::Oracle).map_or(f64::NAN, Score::mean)
    }

    /// Mean cost / the oracle's.
    pub(crate) fn ratio(&self, score: &Score) -> f64 {
        score.mean() / self.oracle()
    }

    /// 99th percentile / the oracle's.
    pub(crate) fn slowest(&self, score: &Score) -> f64 {
        let oracle = self.of(Contestant::Oracle).map_or(f64::NAN, |oracle| oracle.costs().p99);
        score.costs().p99 / oracle
    }

    /// Each region alone.
    pub(crate) fn alone(&self) -> impl Iterator<Item = &Score> {
        self.scores.iter().filter(|score| matches!(score.contestant, Contestant::Fixed(_)))
    }

    /// The best region for all requests, in hindsight.
    pub(crate) fn best_alone(&self) -> Option<&Score> {
        self.alone().min_by(|one, other| one.mean().total_cmp(&other.mean()))
    }

    /// The mean over the regions of what requests cost in each alone.
    pub(crate) fn average_alone(&self) -> f64 {
        mean(&self.alone().map(Score::mean).collect::<Vec<_>>())
    }

    /// Whether the oracle took much longer than it should: then what was measured is the machine.
    pub(crate) fn is_noisy(&self) -> bool {
        self.oracle() > NOISY * self.world.least()
    }
}

const NOISY: f64 = 1.25;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{score::tests::score, worlds};

    /// The oracle takes 100 ms, Nearway 110, round robin 150; r0 alone 130, r1 alone 170.
    pub(crate) fn round(world: &str) -> Round {
        use crate::contestant::Strategy::{Adaptive, Average};
        let means = [
            (Contestant::Oracle, 100.0),
            (Contestant::Nearway(Adaptive), 110.0),
            (Contestant::Nearway(Average), 140.0),
            (Contestant::RoundRobin, 150.0),
            (Contestant::Fixed(0), 130.0),
            (Contestant::Fixed(1), 170.0),
        ];
        let scores = means.map(|(contestant, mean)| score(contestant, &[mean; 40]));
        Round { world: Rc::new(worlds::named(world)), scores: scores.into() }
    }

    #[test]
    fn all_are_compared_with_the_oracle_and_the_regions_alone() {
        let round = round("steady");
        let robin = round.of(Contestant::RoundRobin).unwrap();
        assert!((round.ratio(robin) - 1.5).abs() < 1e-9);
        assert!((round.slowest(robin) - 1.5).abs() < 1e-9);
        assert_eq!(round.best_alone().unwrap().contestant, Contestant::Fixed(0));
        assert!((round.average_alone() - 150.0).abs() < 1e-9);
        assert!(round.of(Contestant::Nginx).is_none());
    }

    #[test]
    fn an_oracle_that_is_late_makes_a_round_noisy() {
        let mut round = round("steady");
        let least = round.world.least();
        for (times, noisy) in [(1.2, false), (1.3, true)] {
            round.scores = vec![score(Contestant::Oracle, &[times * least; 40])];
            assert_eq!(round.is_noisy(), noisy, "{times}");
        }
    }
}
