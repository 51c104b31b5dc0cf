//! A point in time as the pure crates know it: nanoseconds since an epoch of the process' own.
//!
//! The IO crates read a clock and wrap what it says; nothing here does. Every operation saturates,
//! so a clock that misbehaves gives a wrong age and never a panic.

use std::{ops::Add, time::Duration};

/// Nanoseconds since the process' own epoch. Good for 584 years of uptime; saturates then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The epoch.
    pub const ZERO: Self = Self(0);

    /// The moment this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if `earlier` is in fact later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment so much earlier; the epoch if there is none.
    pub(crate) fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(Self::from(time).0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(Self::from(after).0))
    }
}

impl From<Duration> for Moment {
    /// The moment this long after the epoch.
    fn from(since_epoch: Duration) -> Self {
        Self(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A multiple of a time; the longest there is where that does not fit.
pub(crate) fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sums_saturate_instead_of_wrapping() {
        let early = Moment::from_nanos(5);
        let late = early + Duration::from_nanos(7);
        assert_eq!(late, Moment::from_nanos(12));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late + Duration::MAX, Moment::from_nanos(u64::MAX));
        assert_eq!(Moment::from(Duration::from_secs(1)).as_nanos(), 1_000_000_000);
    }
}
