//! Requests that wait for their first content, with when they were sent and what was expected of them.
//!
//! What has not come back tells of a region that hangs long before anything that comes does. A fixed
//! number of slots, claimed and freed without a lock, as in [`Vitals`](crate::Vitals); when all are
//! taken, further requests are not followed: those that are say enough.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{moment::Moment, vitals::Vitals};

/// Those of one (region, deployment).
#[derive(Debug)]
pub(crate) struct Pending {
    slots: [AtomicU64; SLOTS],
    taken: AtomicU32,
    /// Where the search for a free slot begins next.
    turn: AtomicU32,
}

impl Default for Pending {
    fn default() -> Self {
        Self {
            slots: [const { AtomicU64::new(FREE) }; SLOTS],
            taken: AtomicU32::new(0),
            turn: AtomicU32::new(0),
        }
    }
}

/// What those that wait say of their region.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Natural logarithm of the probability that all of them still wait though the region is as it
    /// was; 0 or less.
    pub log: f64,
    /// Their mean age, in milliseconds; 0 where they are too few to say anything.
    pub age: f64,
    /// How many there are.
    pub count: u32,
}

impl Evidence {
    /// Whether the region is hardly what it was: at least three have waited for much too long.
    pub const fn is_strong(&self) -> bool {
        self.log < STRONG
    }
}

impl Pending {
    fn begin(&self, now: Moment, expected: Duration) -> Option<usize> {
        let packed = pack(now, expected);
        let first = self.turn.fetch_add(1, Relaxed);
        (0..TRIES).find_map(|further| {
            let place = usize::try_from(first.wrapping_add(further)).unwrap_or_default() % SLOTS;
            let slot = self.slots.get(place)?;
            slot.compare_exchange(FREE, packed, Relaxed, Relaxed).ok()?;
            self.taken.fetch_add(1, Relaxed);
            Some(place)
        })
    }

    fn end(&self, place: usize) {
        if let Some(slot) = self.slots.get(place) {
            slot.store(FREE, Relaxed);
            self.taken.fetch_sub(1, Relaxed);
        }
    }

    /// What they say, where single times scatter by this share of what is expected.
    pub(crate) fn evidence(&self, now: Moment, scatter: f64) -> Evidence {
        let mut left = self.taken.load(Relaxed);
        let mut evidence = Evidence { count: left, ..Evidence::default() };
        if left < FEW {
            return evidence;
        }
        evidence.count = 0;
        for slot in &self.slots {
            if left == 0 {
                break;
            }
            let packed = slot.load(Relaxed);
            if packed == FREE {
                continue;
            }
            left -= 1;
            let (since, expected) = unpack(packed);
            let age = now.since(since).as_secs_f64() * 1_000.0;
            evidence.age += age;
            evidence.count += 1;
            // before that it is as good as certain that it still waits
            if age > EARLY * expected {
                let deviations = (age / expected).ln() / scatter.max(SCATTER_MIN);
                evidence.log += log_of_longer(deviations).max(EACH_AT_LEAST);
            }
        }
        evidence.age /= f64::from(evidence.count.max(1));
        evidence
    }
}

/// One request that waits.
#[derive(Debug)]
#[must_use = "the request waits no more as soon as this is dropped"]
pub struct Pends {
    vitals: Arc<Vitals>,
    place: Option<usize>,
}

impl Pends {
    pub(crate) fn begin(vitals: Arc<Vitals>, now: Moment, expected: Duration) -> Self {
        let place = vitals.pending().begin(now, expected);
        Self { vitals, place }
    }
}

impl Drop for Pends {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.vitals.pending().end(place);
        }
    }
}

/// Natural logarithm of the probability to be longer by this many deviations: the logistic
/// distribution's, which is close to the normal one and has the longer tail.
fn log_of_longer(deviations: f64) -> f64 {
    -(1.702 * deviations).exp().ln_1p()
}

/// 40 bits for the beginning and 24 for what is expected, in quarters of a millisecond: eight years
/// and an hour.
fn pack(since: Moment, expected: Duration) -> u64 {
    let since = (since.as_nanos() / QUARTER) & (u64::MAX >> 24);
    let expected = Moment::from(expected).as_nanos() / QUARTER;
    since << 24 | expected.clamp(1, EXPECTED_MASK)
}

fn unpack(packed: u64) -> (Moment, f64) {
    let since = Moment::from_nanos((packed >> 24).saturating_mul(QUARTER));
    let quarters = u32::try_from(packed & EXPECTED_MASK).unwrap_or(u32::MAX);
    (since, f64::from(quarters) / 4.0)
}

/// More that wait at once say no more.
const SLOTS: usize = 64;
/// Slots that are looked at for a free one.
const TRIES: u32 = 8;
const FREE: u64 = 0;
/// Nanoseconds in a quarter of a millisecond.
const QUARTER: u64 = 250_000;
const EXPECTED_MASK: u64 = (1 << 24) - 1;
/// One that hangs alone is an accident.
const EACH_AT_LEAST: f64 = -3.5;
/// Two at their least, and a third that is late.
const STRONG: f64 = -7.0;
/// Fewer that wait are no evidence, however long.
const FEW: u32 = 3;
/// The share of what is expected up to which a request that waits says nothing.
const EARLY: f64 = 0.7;
/// However steady a region was, a time that is a tenth longer is nothing.
const SCATTER_MIN: f64 = 0.12;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn waiting(vitals: &Arc<Vitals>, count: usize) -> Vec<Pends> {
        let expected = Duration::from_millis(100);
        (0..count).map(|_| Pends::begin(vitals.clone(), at(1_000), expected)).collect()
    }

    fn evidence(vitals: &Vitals, millis: u64) -> Evidence {
        vitals.pending().evidence(at(millis), 0.2)
    }

    #[test]
    fn several_that_wait_for_too_long_are_evidence_and_one_never_is() {
        let vitals = Arc::new(Vitals::default());
        let one = waiting(&vitals, 1);
        assert!(!evidence(&vitals, 60_000).is_strong());
        let more = waiting(&vitals, 2);
        assert!(!evidence(&vitals, 1_100).is_strong(), "as expected");
        assert!(!evidence(&vitals, 1_120).is_strong(), "a little late");
        assert!(evidence(&vitals, 1_200).is_strong(), "{:?}", evidence(&vitals, 1_200));
        drop(more);
        assert!(!evidence(&vitals, 1_200).is_strong());
        drop(one);
        assert_eq!(evidence(&vitals, 9_000), Evidence::default());
    }

    #[test]
    fn the_ages_are_averaged() {
        let vitals = Arc::new(Vitals::default());
        let _three = waiting(&vitals, 3);
        let Evidence { age, count, .. } = evidence(&vitals, 1_300);
        assert_eq!((age, count), (300.0, 3));
    }

    #[test]
    fn beyond_the_slots_nobody_is_followed_and_every_slot_comes_back() {
        let vitals = Arc::new(Vitals::default());
        let many = waiting(&vitals, 3 * SLOTS);
        assert_eq!(evidence(&vitals, 1_500).count, 64);
        drop(many);
        let again = waiting(&vitals, SLOTS);
        assert_eq!(evidence(&vitals, 1_500).count, 64);
        drop(again);
        assert_eq!(evidence(&vitals, 1_500).count, 0);
    }

    #[test]
    fn what_is_packed_comes_back() {
        for (since, expected) in [(0, 1), (86_400_000 * 365, 3_600_000), (12_345, 678)] {
            let (back, millis) = unpack(pack(at(since), Duration::from_millis(expected)));
            assert_eq!(
                (back, Duration::from_secs_f64(millis / 1e3).as_millis()),
                (at(since), expected.into())
            );
        }
        assert_ne!(pack(Moment::ZERO, Duration::ZERO), FREE);
        assert_ne!(pack(at(u64::MAX), Duration::MAX), FREE);
    }

    proptest! {
        #[test]
        fn the_longer_they_wait_the_stronger(ages in vec(0_u64..100_000, 2..20), scatter in 0.01..2.0_f64) {
            let vitals = Arc::new(Vitals::default());
            let _all = waiting(&vitals, 5);
            let mut ages = ages;
            ages.sort_unstable();
            let logs: Vec<_> = ages.iter().map(|age| vitals.pending().evidence(at(1_000 + age), scatter).log).collect();
            prop_assert!(logs.is_sorted_by(|earlier, later| earlier >= later), "{:?}", logs);
            prop_assert!(logs.iter().all(|log| log.is_finite() && *log <= 0.0));
        }
    }
}
