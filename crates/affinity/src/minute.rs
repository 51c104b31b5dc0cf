//! The time that owners are remembered in: coarse, of the wall clock, and good beyond the process.

use std::time::{Duration, SystemTime};

/// Minutes since the Unix epoch. Good until the year 10136; saturates then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub u32);

impl Minute {
    /// Minutes of this time, begun ones included: what lasts less than a minute lasts one.
    pub fn span(time: Duration) -> u32 {
        u32::try_from(time.as_secs().div_ceil(SECONDS)).unwrap_or(u32::MAX)
    }

    /// Minutes since `earlier`; 0 if that is in fact later.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<SystemTime> for Minute {
    /// The minute that is running then; the epoch's for what is before it.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u32::try_from(since.as_secs() / SECONDS).unwrap_or(u32::MAX))
    }
}

const SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_counted_from_the_epoch_and_never_wrap() {
        let at = |seconds| Minute::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!((at(59), at(60), at(1 << 50)), (Minute(0), Minute(1), Minute(u32::MAX)));
        assert_eq!(Minute::from(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), Minute(0));
        assert_eq!((at(600).since(at(120)), at(120).since(at(600))), (8, 0));
        let spans = [0, 1, 60, 61].map(|seconds| Minute::span(Duration::from_secs(seconds)));
        assert_eq!(spans, [0, 1, 1, 2]);
    }
}
