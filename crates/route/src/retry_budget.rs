//! How many retries a worker can afford: a share of its recent requests, and a few besides.
//!
//! Without a bound, regions that are all in trouble get each request as often as there are
//! attempts, which keeps them in trouble. The worker owns one and asks before each further
//! attempt; what is refused there is no error of the region's. No atomics: one worker, one budget.

use std::time::Duration;

use crate::moment::Moment;

/// What a budget allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudgetSettings {
    /// Retries for each request of the window, 0 to 1. Not a number counts as 0.
    pub share: f64,
    /// Retries a second that are allowed whatever the share, so that a quiet worker can retry too.
    pub reserve_per_second: u32,
    /// How far back requests and retries count. At most a tenth of it more is forgotten early.
    pub window: Duration,
}

/// The budget of one worker.
#[derive(Debug)]
pub struct RetryBudget {
    settings: RetryBudgetSettings,
    /// A ring over the window, by the number of the part.
    parts: [Part; PARTS],
    /// The latest part; time does not go back.
    newest: u64,
}

/// What happened in one part of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    number: u64,
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    /// A budget with nothing in it but the reserve.
    pub fn new(settings: RetryBudgetSettings) -> Self {
        Self { settings, parts: [Part::default(); PARTS], newest: 0 }
    }

    /// Goes on with other settings, keeping what was counted if the window stays.
    pub fn reconfigure(&mut self, settings: RetryBudgetSettings) {
        if settings.window == self.settings.window {
            self.settings = settings;
        } else {
            *self = Self::new(settings);
        }
    }

    /// A request came: once each, whatever becomes of it.
    pub fn deposit(&mut self, now: Moment) {
        if let Some(part) = self.part(now) {
            part.requests = part.requests.saturating_add(1);
        }
    }

    /// Whether one more retry is allowed; if so, it counts as made.
    pub fn withdraw(&mut self, now: Moment) -> bool {
        let allowed = self.left(now) >= 1.0;
        if allowed && let Some(part) = self.part(now) {
            part.retries = part.retries.saturating_add(1);
        }
        allowed
    }

    /// How many more retries are allowed now.
    pub fn left(&self, now: Moment) -> f64 {
        let newest = self.newest.max(self.number(now));
        let recent = self.parts.iter().filter(|part| newest.saturating_sub(part.number) < IN_RING);
        let (requests, retries) = recent.fold((0.0, 0.0), |(requests, retries), part| {
            (requests + f64::from(part.requests), retries + f64::from(part.retries))
        });
        // `max` also turns a not-a-number into the 0 beside it
        let share = self.settings.share.max(0.0) * requests;
        (share + self.reserve() - retries).max(0.0)
    }

    /// Retries in a window that are allowed whatever the share.
    fn reserve(&self) -> f64 {
        f64::from(self.settings.reserve_per_second) * self.settings.window.as_secs_f64()
    }

    fn part(&mut self, now: Moment) -> Option<&mut Part> {
        let number = self.newest.max(self.number(now));
        self.newest = number;
        let place = usize::try_from(number % IN_RING).ok()?;
        let part = self.parts.get_mut(place)?;
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        Some(part)
    }

    fn number(&self, now: Moment) -> u64 {
        let window = u64::try_from(self.settings.window.as_nanos()).unwrap_or(u64::MAX);
        now.as_nanos().checked_div(window / IN_RING).unwrap_or_default()
    }
}

/// Parts of the window.
const PARTS: usize = 10;
/// The same, to count with.
const IN_RING: u64 = 10;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SETTINGS: RetryBudgetSettings =
        RetryBudgetSettings { share: 0.2, reserve_per_second: 1, window: Duration::from_secs(10) };

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn all_of(budget: &mut RetryBudget, millis: u64) -> usize {
        std::iter::repeat_with(|| budget.withdraw(at(millis))).take_while(|given| *given).count()
    }

    #[test]
    fn a_share_of_the_requests_and_the_reserve() {
        let mut budget = RetryBudget::new(SETTINGS);
        assert_eq!(all_of(&mut budget, 0), 10, "the reserve of a quiet worker");
        (0..100).for_each(|_| budget.deposit(at(500)));
        assert_eq!(all_of(&mut budget, 9_999), 20);
        assert_eq!(all_of(&mut budget, 10_000), 0, "what gave the share is spent");
        assert_eq!(all_of(&mut budget, 20_000), 10);
    }

    #[test]
    fn without_share_and_reserve_nothing_is_retried() {
        for share in [0.0, -1.0, f64::NAN] {
            let settings = RetryBudgetSettings { share, reserve_per_second: 0, ..SETTINGS };
            let mut budget = RetryBudget::new(settings);
            (0..100).for_each(|_| budget.deposit(at(0)));
            assert!(!budget.withdraw(at(0)), "{share}");
        }
    }

    #[test]
    fn other_settings_keep_the_count_if_the_window_stays() {
        let mut budget = RetryBudget::new(SETTINGS);
        (0..100).for_each(|_| budget.deposit(at(0)));
        budget.reconfigure(RetryBudgetSettings { share: 0.5, ..SETTINGS });
        assert_eq!(all_of(&mut budget, 0), 60);
        budget.reconfigure(RetryBudgetSettings { window: Duration::from_secs(5), ..SETTINGS });
        assert_eq!(all_of(&mut budget, 0), 5);
    }

    proptest! {
        #[test]
        fn a_retry_is_given_just_while_share_and_reserve_allow_it(
            steps in vec((0_u64..3_000, 0_usize..20, 0_usize..20), 0..60)
        ) {
            // a quarter is exact in binary
            let mut budget = RetryBudget::new(RetryBudgetSettings { share: 0.25, ..SETTINGS });
            let (mut now, mut requests, mut retries) = (0, Vec::new(), Vec::new());
            for (pause, asked, wanted) in steps {
                now += pause;
                let second = now / 1_000;
                for _ in 0..asked {
                    budget.deposit(at(now));
                    requests.push(second);
                }
                for _ in 0..wanted {
                    // of the ten seconds that end with this one
                    let recent = |all: &[u64]| {
                        all.iter().filter(|one| *one + 10 > second).fold(0.0, |sum, _| sum + 1.0)
                    };
                    let allowed = 0.25 * recent(&requests) + 10.0;
                    let given = budget.withdraw(at(now));
                    prop_assert_eq!(given, recent(&retries) + 1.0 <= allowed);
                    if given {
                        retries.push(second);
                    }
                }
            }
        }

        #[test]
        fn no_input_panics(
            share: f64, reserve_per_second: u32, window: Duration, times in vec(any::<u64>(), 0..20)
        ) {
            let settings = RetryBudgetSettings { share, reserve_per_second, window };
            let mut budget = RetryBudget::new(settings);
            for time in times {
                budget.deposit(Moment::from_nanos(time));
                budget.withdraw(Moment::from_nanos(time));
                prop_assert!(budget.left(Moment::from_nanos(time)) >= 0.0);
            }
        }
    }
}
