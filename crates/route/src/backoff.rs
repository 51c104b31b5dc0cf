//! How long to wait before the next attempt: longer each time, and never two alike.
//!
//! The breaker takes the bound itself for its pause. Who waits before a retry takes a random part
//! of it, so that those that failed together do not come back together.

use std::time::Duration;

/// A pause that doubles with each attempt, between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest pause.
    pub least: Duration,
    /// The longest; holds even if it is the shorter of the two.
    pub most: Duration,
}

impl Backoff {
    /// The shortest pause, doubled this many times, up to the longest.
    pub fn doubled(&self, times: u32) -> Duration {
        let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        self.least.saturating_mul(factor).min(self.most)
    }

    /// How long to wait after this many failed attempts ("full jitter"): anything from the shortest
    /// pause to that pause doubled as often, all equally likely if `random` is, over all of `u64`.
    pub fn jittered(&self, failed: u32, random: u64) -> Duration {
        let least = self.doubled(0);
        let span = self.doubled(failed).saturating_sub(least);
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        // as many 2^64ths of the span as the random number has
        let part = (u128::from(span) * u128::from(random)) >> u64::BITS;
        least.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(span)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff =
        Backoff { least: Duration::from_secs(1), most: Duration::from_secs(10) };

    #[test]
    fn it_doubles_up_to_the_longest() {
        let doubled = |times| BACKOFF.doubled(times).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 31, 32, u32::MAX].map(doubled), [1, 2, 4, 8, 10, 10, 10, 10]);
    }

    #[test]
    fn the_random_number_chooses_within_the_bounds() {
        for (failed, random, millis) in [
            (0, u64::MAX, 1_000),
            (1, 0, 1_000),
            (1, 1 << 63, 1_500),
            (2, 1 << 63, 2_500),
            (9, 1 << 63, 5_500),
        ] {
            let expected = Duration::from_millis(millis);
            assert_eq!(BACKOFF.jittered(failed, random), expected, "{failed} {random}");
        }
    }

    proptest! {
        #[test]
        fn no_pause_leaves_the_bounds(
            (least, most) in any::<(Duration, Duration)>(), failed: u32, random: u64
        ) {
            let backoff = Backoff { least, most };
            let pause = backoff.jittered(failed, random);
            prop_assert!(pause >= least.min(most) && pause <= most);
            prop_assert!(pause <= backoff.doubled(failed));
        }
    }
}
