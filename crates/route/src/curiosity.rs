//! When a (region, deployment) is worth a probe: where nothing was seen for an interval, rarely where
//! nothing could make it the best, and soon again after it surprised.
//!
//! A clients' request tells as much as a probe, so where there is traffic, there are no probes. A
//! region that was slow once, or is fast all at once, is looked at again within a part of the interval,
//! at the price of probes and not of clients.

use std::time::Duration;

use crate::moment::{Moment, scaled};

/// What is known of when something was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Curiosity {
    seen: Option<Moment>,
    surprise: Option<Surprise>,
}

/// It was much slower or faster than expected, and is looked at again and again.
#[derive(Clone, Copy, Debug)]
struct Surprise {
    at: Moment,
    /// Looks since.
    looks: usize,
}

impl Curiosity {
    /// A time, or a failure, was seen: slower than expected by so many deviations.
    pub(crate) fn saw(&mut self, at: Moment, deviations: f64, interval: Duration) {
        while let Some(surprise) = self.surprise
            && surprise.next(interval).is_none_or(|next| next <= at)
        {
            let looks = surprise.looks + 1;
            self.surprise = (looks < LOOKS.len()).then_some(Surprise { looks, ..surprise });
        }
        if !(SURPRISING_FAST..=SURPRISING).contains(&deviations) && self.surprise.is_none() {
            self.surprise = Some(Surprise { at, looks: 0 });
        }
        self.seen = self.seen.max(Some(at));
    }

    /// When the next probe is due; at once where nothing was ever seen. `far` tells that the region is
    /// so far from the best that it could hardly have become it.
    pub(crate) fn due(&self, interval: Duration, far: bool) -> Moment {
        let Some(seen) = self.seen else { return Moment::ZERO };
        let regular = seen + if far { interval.saturating_mul(FAR_TIMES) } else { interval };
        let again = self.surprise.and_then(|surprise| surprise.next(interval));
        again.map_or(regular, |again| again.min(regular))
    }
}

impl Surprise {
    fn next(self, interval: Duration) -> Option<Moment> {
        LOOKS.get(self.looks).map(|share| self.at + scaled(interval, *share))
    }
}

/// More than these deviations are no scatter.
const SURPRISING: f64 = 3.5;
/// Nor are these: it may have become the best.
const SURPRISING_FAST: f64 = -1.5;
/// When it is looked at again, in intervals since.
const LOOKS: [f64; 4] = [0.12, 0.31, 0.61, 1.07];
/// A region that is far from the best is probed so much more rarely.
const FAR_TIMES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_never_seen_is_due_and_what_was_seen_in_an_interval() {
        let mut curiosity = Curiosity::default();
        assert_eq!(curiosity.due(INTERVAL, false), Moment::ZERO);
        curiosity.saw(at(50), 0.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(150));
        assert_eq!(curiosity.due(INTERVAL, true), at(250), "far from the best");
        curiosity.saw(at(20), 0.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(150), "a late report");
    }

    #[test]
    fn what_surprised_is_looked_at_again_soon_and_then_less_so() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(at(1_000), 9.0, INTERVAL);
        let mut looks = Vec::new();
        for _ in 0..6 {
            let due = curiosity.due(INTERVAL, false);
            looks.push(due.since(at(1_000)).as_secs());
            curiosity.saw(due, 0.0, INTERVAL);
        }
        assert_eq!(looks, [12, 31, 61, 107, 207, 307]);
    }

    #[test]
    fn one_that_is_fast_all_at_once_is_looked_at_again_too() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(at(1_000), -1.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(1_100));
        curiosity.saw(at(1_100), -2.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(1_112));
    }

    #[test]
    fn what_clients_see_meanwhile_spares_the_looks() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(at(1_000), 9.0, INTERVAL);
        curiosity.saw(at(1_040), 0.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(1_061));
        curiosity.saw(at(2_000), 0.0, INTERVAL);
        assert_eq!(curiosity.due(INTERVAL, false), at(2_100));
    }

    #[test]
    fn a_second_surprise_does_not_begin_anew() {
        let mut curiosity = Curiosity::default();
        (0..50).for_each(|second| curiosity.saw(at(second), 9.0, INTERVAL));
        assert_eq!(curiosity.due(INTERVAL, false), at(61));
    }
}
