//! How long a region is left alone after it refused a client's request.
//!
//! The proxy asks this when it settles an attempt and writes the answer into the
//! [`Vitals`](crate::Vitals) of the (region, deployment). Whether a given fault deserves a cool-down
//! at all is the caller's to know; failures are the [`Breaker`](crate::Breaker)'s.

use std::time::Duration;

/// The operator's two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// After a refusal without a hint.
    pub default: Duration,
    /// The longest cool-down, and so the longest hint that is believed.
    pub cap: Duration,
}

impl Cooldown {
    /// After a 429 or 503: the region's own hint, as far as it is believed.
    pub fn throttled(&self, hint: Option<Duration>) -> Duration {
        hint.unwrap_or(self.default).min(self.cap)
    }
}

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
}
