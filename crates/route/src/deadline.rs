//! Until when something holds, as one atomic number.
//!
//! The vitals keep several: a cool-down, a quota nearly spent, a refused credential, what a region
//! lacks. Whoever learns of one from two sides gives two deadlines, and the later one holds.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::moment::Moment;

/// Nanoseconds of a [`Moment`]; 0 = nothing holds.
#[derive(Debug, Default)]
pub(crate) struct Deadline(AtomicU64);

impl Deadline {
    /// Holds until then, or longer if it already did.
    pub(crate) fn extend(&self, until: Moment) {
        self.0.fetch_max(until.as_nanos(), Relaxed);
    }

    /// How long it still holds. Never `Some(ZERO)`.
    pub(crate) fn left(&self, now: Moment) -> Option<Duration> {
        let until = Moment::from_nanos(self.0.load(Relaxed));
        (until > now).then(|| until.since(now))
    }

    /// Ends it, whatever the deadline.
    pub(crate) fn lift(&self) {
        // almost always there is nothing to end: then the cache line stays shared
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn it_holds_until_just_before_its_moment_and_can_be_lifted() {
        let deadline = Deadline::default();
        assert_eq!(deadline.left(Moment::ZERO), None);
        deadline.extend(at(100));
        assert_eq!(deadline.left(at(70)), Some(Duration::from_nanos(30)));
        assert_eq!(deadline.left(at(100)), None);
        deadline.lift();
        assert_eq!(deadline.left(at(70)), None);
    }

    proptest! {
        #[test]
        fn the_later_one_holds(untils in vec(any::<u64>(), 1..8), now in any::<u64>()) {
            let deadline = Deadline::default();
            untils.iter().for_each(|until| deadline.extend(at(*until)));
            let latest = at(*untils.iter().max().unwrap());
            let left = deadline.left(at(now));
            prop_assert_eq!(left.unwrap_or_default(), latest.since(at(now)));
            prop_assert_ne!(left, Some(Duration::ZERO));
        }
    }
}
