//! Ids that no region knew of late: asking all of them again at once would cost as much and find as little.
//!
//! A fixed number of places, shared by all workers without a lock; an id has a few places to be in, and takes
//! the oldest of them. What is forgotten costs another search; what appears after all is not forgotten here, but
//! then has an owner, who is looked for first.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nearway_route::Moment;

/// What was searched for in vain.
#[derive(Debug)]
pub struct Nobody {
    places: Box<[AtomicU64]>,
}

impl Default for Nobody {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(EMPTY)).collect() }
    }
}

impl Nobody {
    /// Ids that are remembered at most: 32 KiB. Beyond, the oldest of a few goes.
    pub const MOST: usize = PLACES;

    /// The longest time that can be told to be over.
    pub const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

    /// No region knows what `key` stands for, a well-mixed hash of the id and of who asked where.
    pub fn remember(&self, key: u64, now: Moment) {
        let row = self.row(key);
        let oldest = |place: &&AtomicU64| match place.load(Relaxed) {
            EMPTY => u32::MAX,
            packed => age(packed, now),
        };
        let place = row.iter().find(|place| is_of(place.load(Relaxed), key));
        if let Some(place) = place.or_else(|| row.iter().max_by_key(oldest)) {
            place.store(u64::from(tag(key)) << 32 | u64::from(hundredths(now)), Relaxed);
        }
    }

    /// Whether that was found at most `ttl` ago; `ttl` is at most [`Self::TTL_MAX`], and zero never.
    pub fn knows(&self, key: u64, now: Moment, ttl: Duration) -> bool {
        let ttl = u32::try_from(ttl.min(Self::TTL_MAX).as_millis() / 10).unwrap_or_default();
        let packed = self.row(key).iter().map(|place| place.load(Relaxed));
        ttl > 0 && packed.filter(|packed| is_of(*packed, key)).any(|packed| age(packed, now) <= ttl)
    }

    fn row(&self, key: u64) -> &[AtomicU64] {
        let rows = u64::try_from(PLACES / WAYS).unwrap_or(1);
        let row = usize::try_from(key % rows).unwrap_or_default();
        self.places.get(row * WAYS..(row + 1) * WAYS).unwrap_or_default()
    }
}

fn is_of(packed: u64, key: u64) -> bool {
    packed >> 32 == u64::from(tag(key))
}

/// From the half of the hash that does not choose the row; never 0.
fn tag(key: u64) -> u32 {
    u32::try_from(key >> 32).unwrap_or_default().max(1)
}

/// Hundredths of a second since it was remembered, wrong after eight months. 0 for what another worker
/// remembered a moment later.
fn age(packed: u64, now: Moment) -> u32 {
    let then = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or_default();
    let age = hundredths(now).wrapping_sub(then);
    if age > u32::MAX / 2 { 0 } else { age }
}

fn hundredths(now: Moment) -> u32 {
    let hundredths = now.as_nanos() / 10_000_000;
    u32::try_from(hundredths & u64::from(u32::MAX)).unwrap_or_default()
}

/// See [`Nobody::MOST`].
const PLACES: usize = 4096;
/// Places that one id can be in.
const WAYS: usize = 8;
const EMPTY: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    /// One of those that share a row.
    fn key(number: u64) -> u64 {
        number << 32 | 5
    }

    #[test]
    fn what_nobody_knew_is_remembered_for_a_while() {
        let nobody = Nobody::default();
        assert!(!nobody.knows(key(1), at(0), TTL));
        nobody.remember(key(1), at(0));
        assert!(nobody.knows(key(1), at(30_000), TTL) && !nobody.knows(key(1), at(30_010), TTL));
        assert!(!nobody.knows(key(1), at(0), Duration::ZERO), "switched off");
        assert!(!nobody.knows(key(2), at(0), TTL) && !nobody.knows(key(1) + 1, at(0), TTL));
        nobody.remember(key(1), at(20_000));
        assert!(nobody.knows(key(1), at(50_000), TTL), "said again");
    }

    #[test]
    fn the_clock_wraps_and_workers_may_be_a_moment_apart() {
        let nobody = Nobody::default();
        let wraps = 10 << 32;
        nobody.remember(key(1), at(wraps - 10));
        assert!(nobody.knows(key(1), at(wraps + 20), TTL));
        assert!(!nobody.knows(key(1), at(wraps + 40_000), TTL));
        nobody.remember(key(1), at(wraps + 10));
        assert!(nobody.knows(key(1), at(wraps - 10), TTL));
    }

    #[test]
    fn when_a_row_is_full_the_oldest_goes() {
        let nobody = Nobody::default();
        (1..=9).for_each(|number| nobody.remember(key(number), at(number * 100)));
        let known: Vec<_> = (1..=9).map(|number| nobody.knows(key(number), at(900), TTL)).collect();
        assert_eq!(known, [false, true, true, true, true, true, true, true, true]);
    }
}
