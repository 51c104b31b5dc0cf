//! How many tokens probes may use a day, spread evenly over it: plain values, no clock.
//!
//! Each (region, deployment) has a budget of its own, so that a region that surprises again and again
//! can't use up what the others need to be known at all. What an hour brings may be spent ahead,
//! as after a surprise; then the next probe waits until the time has paid for the ones before it. It
//! always comes: a budget makes probes rarer and never ends them.

use std::time::Duration;

use nearway_route::Moment;

/// What was spent, as the moment until which it is paid for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    paid: Moment,
}

/// What one token costs in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(Duration);

impl Rate {
    /// Of a budget a day; 0 counts as 1.
    pub(crate) fn per_day(tokens: u32) -> Self {
        Self((DAY + AHEAD) / tokens.max(1))
    }
}

impl Budget {
    /// A probe used so many tokens.
    pub(crate) fn spend(&mut self, tokens: u32, rate: Rate, now: Moment) {
        self.paid = self.paid.max(now) + rate.0.saturating_mul(tokens);
    }

    /// From when on there is something to spend.
    pub(crate) fn ready(self) -> Moment {
        Moment::ZERO + self.paid.since(Moment::ZERO + AHEAD)
    }

    /// The share of what may be spent ahead that is spent, from 0; more than 1 if the last probe used
    /// more than was left.
    pub(crate) fn used(self, now: Moment) -> f64 {
        self.paid.since(now).as_secs_f64() / AHEAD.as_secs_f64()
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What may be spent ahead. A day has so much more to pay for, so that no day exceeds its budget by
/// more than one probe.
const AHEAD: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// Probes of so many tokens, asked for every second from `from` on, as they happen in a day.
    fn probes(budget: &mut Budget, tokens: u32, rate: Rate, from: u64) -> Vec<u64> {
        let mut probes = Vec::new();
        for second in from..from + 86_400 {
            if budget.ready() <= at(second) {
                budget.spend(tokens, rate, at(second));
                probes.push(second);
            }
        }
        probes
    }

    #[test]
    fn no_day_costs_more_than_its_budget_and_one_probe() {
        let rate = Rate::per_day(9_000);
        let mut budget = Budget::default();
        let first = probes(&mut budget, 9, rate, 10_000);
        assert!((990..=1_001).contains(&first.len()), "{}", first.len());
        let second = probes(&mut budget, 9, rate, 10_000 + 86_400);
        assert!((955..=1_001).contains(&second.len()), "{}", second.len());
        assert!(second.windows(2).all(|pair| pair[1] - pair[0] <= 91), "spread evenly");
    }

    #[test]
    fn a_probe_that_is_too_dear_is_rare_and_comes() {
        let rate = Rate::per_day(100);
        let mut budget = Budget::default();
        assert!(budget.ready() <= at(10_000));
        budget.spend(100, rate, at(10_000));
        assert_eq!(budget.ready(), at(10_000 + 24 * 3600));
        assert!((budget.used(at(10_000)) - 25.0).abs() < 1e-9);
        assert!(budget.used(at(10_000 + 25 * 3600)).abs() < 1e-9);
    }
}
