//! How many of the last requests failed: a sliding window of counts that all workers share.
//!
//! A ring of parts, each one word with its own number, so that a part of an earlier round is
//! recognised and needs nobody to clear it. The breaker owns one and asks it at each failure. The
//! counts are approximate where two workers meet at the edge of a part; a request more or less is
//! no matter.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::moment::Moment;

/// Requests of the window and the failures among them.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Each a packed [`Part`].
    parts: [AtomicU64; PARTS],
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    Failed,
}

impl Recent {
    /// Counts one request that ended at `now`.
    pub(crate) fn count(&self, ended: Ended, now: Moment, window: Duration) {
        let number = number(now, window);
        let place = usize::try_from(number).unwrap_or_default() % PARTS;
        let Some(part) = self.parts.get(place) else { return };
        // never refuses
        let _ = part.fetch_update(Relaxed, Relaxed, |packed| {
            Some(Part::unpacked(packed).at(number).plus(ended).packed())
        });
    }

    /// Failures and requests within the window, which begins at the edge of a part: up to a tenth
    /// of it is left out.
    pub(crate) fn failures_of_requests(&self, now: Moment, window: Duration) -> (u32, u32) {
        let newest = number(now, window);
        let all = self.parts.iter().map(|part| Part::unpacked(part.load(Relaxed)));
        // the part after `newest` is another worker's, which read the clock a little later; one that
        // is newer still was numbered by a shorter window, before a reload
        let recent = all.filter(|part| {
            newest.saturating_sub(part.number) < IN_RING && part.number.saturating_sub(newest) <= 1
        });
        recent.fold((0, 0), |(failures, requests), part| {
            (failures + u32::from(part.failures), requests + u32::from(part.requests))
        })
    }

    /// Begins anew.
    pub(crate) fn forget(&self) {
        self.parts.iter().for_each(|part| part.store(0, Relaxed));
    }
}

/// The number of the part that `now` is in.
fn number(now: Moment, window: Duration) -> u32 {
    let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    let number = now.as_nanos().checked_div(window / u64::from(IN_RING)).unwrap_or_default();
    // a window of a millisecond gets there in days, and then never forgets; a second's, in decades
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What fits into one word: 32 bits for the number, 16 each for the counts, which saturate.
#[derive(Clone, Copy)]
struct Part {
    number: u32,
    failures: u16,
    requests: u16,
}

impl Part {
    fn unpacked(packed: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = packed.to_ne_bytes();
        Self {
            number: u32::from_ne_bytes([a, b, c, d]),
            failures: u16::from_ne_bytes([e, f]),
            requests: u16::from_ne_bytes([g, h]),
        }
    }

    fn packed(self) -> u64 {
        let [a, b, c, d] = self.number.to_ne_bytes();
        let ([e, f], [g, h]) = (self.failures.to_ne_bytes(), self.requests.to_ne_bytes());
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    /// This one, or an empty one if it is of another round of the ring.
    fn at(self, number: u32) -> Self {
        if self.number == number { self } else { Self { number, failures: 0, requests: 0 } }
    }

    fn plus(self, ended: Ended) -> Self {
        Self {
            failures: self.failures.saturating_add(u16::from(ended == Ended::Failed)),
            requests: self.requests.saturating_add(1),
            ..self
        }
    }
}

/// Parts of the window.
const PARTS: usize = 10;
/// The same, to count with.
const IN_RING: u32 = 10;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let recent = Recent::default();
        recent.count(Ended::Failed, at(500), WINDOW);
        recent.count(Ended::Answered, at(1_500), WINDOW);
        for (now, counts) in
            [(1_500, (1, 2)), (9_999, (1, 2)), (10_000, (0, 1)), (11_000, (0, 0)), (99_000, (0, 0))]
        {
            assert_eq!(recent.failures_of_requests(at(now), WINDOW), counts, "at {now}");
        }
        recent.count(Ended::Failed, at(10_500), WINDOW);
        assert_eq!(recent.failures_of_requests(at(10_500), WINDOW), (1, 2), "the ring goes round");
        recent.forget();
        assert_eq!(recent.failures_of_requests(at(10_500), WINDOW), (0, 0));
    }

    #[test]
    fn what_was_counted_in_another_window_does_not_count() {
        for (before, after) in [(1, 60), (60, 1)] {
            let [before, after] = [before, after].map(Duration::from_secs);
            let recent = Recent::default();
            (0..9).for_each(|_| recent.count(Ended::Failed, at(100_000), before));
            recent.count(Ended::Answered, at(100_000), after);
            let counts = recent.failures_of_requests(at(100_000), after);
            assert_eq!(counts, (0, 1), "{before:?} {after:?}");
        }
    }

    #[test]
    fn many_threads_lose_no_count_and_a_full_part_stays_full() {
        let recent = Recent::default();
        std::thread::scope(|scope| {
            for ended in [Ended::Failed, Ended::Answered] {
                let recent = &recent;
                scope.spawn(move || (0..1_000).for_each(|_| recent.count(ended, at(0), WINDOW)));
            }
        });
        assert_eq!(recent.failures_of_requests(at(0), WINDOW), (1_000, 2_000));
        (0..70_000).for_each(|_| recent.count(Ended::Failed, at(0), WINDOW));
        assert_eq!(recent.failures_of_requests(at(0), WINDOW), (65_535, 65_535));
    }

    proptest! {
        #[test]
        fn it_counts_what_a_list_would(
            mut ends in vec((0_u64..40_000, any::<bool>()), 0..60), later in 0_u64..15_000
        ) {
            ends.sort_unstable();
            let recent = Recent::default();
            for (time, failed) in &ends {
                let ended = if *failed { Ended::Failed } else { Ended::Answered };
                recent.count(ended, at(*time), WINDOW);
            }
            let now = ends.last().map_or(0, |(time, _)| *time) + later;
            let counts = |wanted: fn(&bool) -> bool| {
                let in_window = |time: u64| time / 1_000 + 10 > now / 1_000;
                let ends = ends.iter().filter(|(time, failed)| in_window(*time) && wanted(failed));
                u32::try_from(ends.count()).unwrap()
            };
            let expected = (counts(|failed| *failed), counts(|_| true));
            prop_assert_eq!(recent.failures_of_requests(at(now), WINDOW), expected);
        }
    }
}
