//! How long a region is left alone after it refused or failed a client's request.
//!
//! The proxy asks this when it settles an attempt and writes the answer into the
//! [`Vitals`](crate::Vitals) of the (region, deployment) or of the region. Whether a given fault
//! deserves a cool-down at all is the caller's to know.

use std::time::Duration;

/// The operator's two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// After a refusal without a hint, and after the first failures in a row.
    pub default: Duration,
    /// The longest cool-down, and so the longest hint that is believed.
    pub cap: Duration,
}

impl Cooldown {
    /// After a 429 or 503: the region's own hint, as far as it is believed.
    pub fn throttled(&self, hint: Option<Duration>) -> Duration {
        hint.unwrap_or(self.default).min(self.cap)
    }

    /// After `in_a_row` failures: none before the second, doubling from there.
    pub fn failing(&self, in_a_row: u32) -> Option<Duration> {
        let doublings = in_a_row.checked_sub(FAILURES_BEFORE_COOLING)?;
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        Some(self.default.saturating_mul(factor).min(self.cap))
    }
}

/// One failure is an accident, and the next attempt goes elsewhere anyway.
const FAILURES_BEFORE_COOLING: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Cooldown =
        Cooldown { default: Duration::from_secs(5), cap: Duration::from_secs(60) };

    #[test]
    fn a_hint_is_believed_up_to_the_cap() {
        for (hint, expected) in [
            (None, 5),
            (Some(Duration::ZERO), 0),
            (Some(Duration::from_secs(20)), 20),
            (Some(Duration::from_secs(999_999_999)), 60),
            (Some(Duration::MAX), 60),
        ] {
            assert_eq!(COOLDOWN.throttled(hint), Duration::from_secs(expected), "{hint:?}");
        }
    }

    #[test]
    fn failures_cool_from_the_second_on_and_double() {
        for (in_a_row, expected) in
            [(0, None), (1, None), (2, Some(5)), (3, Some(10)), (5, Some(40)), (6, Some(60))]
        {
            assert_eq!(COOLDOWN.failing(in_a_row), expected.map(Duration::from_secs), "{in_a_row}");
        }
        assert_eq!(COOLDOWN.failing(u32::MAX), Some(COOLDOWN.cap));
    }
}
