//! Where requests that belong together went last: the region that has their prompt in its cache.
//!
//! A fixed number of places, shared by all workers without a lock; kin has a few places to be in, and
//! takes the oldest of them. What is forgotten costs one slower answer, so nothing is kept beyond the
//! process, and two that look alike share a home.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{moment::Moment, region::RegionId};

/// The homes of the requests that were seen of late, of all deployments.
#[derive(Debug)]
pub struct Homes {
    places: Box<[AtomicU64]>,
}

/// What requests that belong together have in common: a well-mixed hash, of their client and their
/// deployment too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kin(pub u64);

impl Default for Homes {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(EMPTY)).collect() }
    }
}

impl Homes {
    /// Homes that are remembered at most: half a megabyte. Beyond, the oldest of a few goes.
    pub const MOST: usize = PLACES;

    /// The longest time that a home can be told to be old.
    pub const TTL_MAX: Duration = Duration::from_secs(12 * 3600);

    /// Where such a request went last, at most `ttl` ago; `ttl` is at most [`Self::TTL_MAX`].
    pub fn of(&self, kin: Kin, now: Moment, ttl: Duration) -> Option<RegionId> {
        let home = self.row(kin).iter().map(|place| Lodging::unpacked(place.load(Relaxed)));
        let found = home.flatten().find(|home| home.tag == tag(kin))?;
        (found.age(now) <= ttl.as_secs()).then_some(found.region)
    }

    /// Such a request was answered by this region now. Tells whether another kin lost its home for it,
    /// one that would have counted for `ttl`.
    pub fn remember(&self, kin: Kin, region: RegionId, now: Moment, ttl: Duration) -> bool {
        let Ok(number) = u16::try_from(region.0) else { return false };
        let next = Lodging { tag: tag(kin), region, second: second(now) };
        let row = self.row(kin);
        let same = |place: &&AtomicU64| {
            Lodging::unpacked(place.load(Relaxed)).is_some_and(|home| home.tag == next.tag)
        };
        let oldest = |place: &&AtomicU64| {
            Lodging::unpacked(place.load(Relaxed)).map(|home| std::cmp::Reverse(home.age(now)))
        };
        let place = row.iter().find(same).or_else(|| row.iter().min_by_key(oldest));
        let Some(place) = place else { return false };
        let (packed, former) = (next.packed(number), place.load(Relaxed));
        // the same again is no reason to take the cache line from other workers
        if former != packed {
            place.store(packed, Relaxed);
        }
        Lodging::unpacked(former)
            .is_some_and(|former| former.tag != next.tag && former.age(now) <= ttl.as_secs())
    }

    fn row(&self, kin: Kin) -> &[AtomicU64] {
        let rows = PLACES / WAYS;
        let row = usize::try_from(kin.0 % u64::try_from(rows).unwrap_or(1)).unwrap_or_default();
        self.places.get(row * WAYS..(row + 1) * WAYS).unwrap_or_default()
    }
}

/// One of them, as it fits into a word.
#[derive(Clone, Copy, Debug)]
struct Lodging {
    tag: u32,
    region: RegionId,
    /// When it was used last, in seconds that wrap.
    second: u16,
}

impl Lodging {
    /// 32 bits for the tag, which is never 0, 16 for the region, 16 for the time.
    fn packed(self, region: u16) -> u64 {
        u64::from(self.tag) << 32 | u64::from(region) << 16 | u64::from(self.second)
    }

    fn unpacked(packed: u64) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = packed.to_be_bytes();
        let region = RegionId(u16::from_be_bytes([e, f]).into());
        let home = Self {
            tag: u32::from_be_bytes([a, b, c, d]),
            region,
            second: u16::from_be_bytes([g, h]),
        };
        (packed != EMPTY).then_some(home)
    }

    /// Seconds since it was used, wrong for what is older than eighteen hours. Another worker may have
    /// used it a moment after `now`.
    fn age(self, now: Moment) -> u64 {
        let seconds = second(now).wrapping_sub(self.second);
        if seconds > u16::MAX - AHEAD { 0 } else { seconds.into() }
    }
}

/// From the half of the hash that does not choose the row; never 0.
fn tag(kin: Kin) -> u32 {
    let [a, b, c, d, ..] = kin.0.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

fn second(now: Moment) -> u16 {
    let seconds = now.as_nanos() / 1_000_000_000;
    u16::try_from(seconds % (u64::from(u16::MAX) + 1)).unwrap_or_default()
}

/// See [`Homes::MOST`].
const PLACES: usize = 65_536;
/// Places that one kin can be in.
const WAYS: usize = 8;
/// So many seconds the clocks that two workers have read may lie apart.
const AHEAD: u16 = 60;
const EMPTY: u64 = 0;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const TTL: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// A hash as good as any.
    fn kin(number: u64) -> Kin {
        let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= mixed >> 32;
        Kin(mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    #[test]
    fn a_home_is_remembered_moved_and_forgotten() {
        let homes = Homes::default();
        assert_eq!(homes.of(kin(1), at(5), TTL), None);
        homes.remember(kin(1), RegionId(7), at(5), TTL);
        assert_eq!(homes.of(kin(1), at(605), TTL), Some(RegionId(7)));
        assert_eq!(homes.of(kin(1), at(606), TTL), None, "its cache is cold by now");
        assert_eq!(homes.of(kin(2), at(5), TTL), None);
        homes.remember(kin(1), RegionId(8), at(700), TTL);
        assert_eq!(homes.of(kin(1), at(701), TTL), Some(RegionId(8)));
    }

    #[test]
    fn the_clock_of_homes_wraps_without_harm() {
        let homes = Homes::default();
        homes.remember(kin(1), RegionId(7), at(65_530), TTL);
        assert_eq!(homes.of(kin(1), at(65_540), TTL), Some(RegionId(7)));
        assert_eq!(homes.of(kin(1), at(66_200), TTL), None);
    }

    #[test]
    fn what_another_worker_remembers_a_moment_later_counts() {
        let homes = Homes::default();
        for second in [8, 65_536] {
            homes.remember(kin(1), RegionId(7), at(second), TTL);
            assert_eq!(homes.of(kin(1), at(second - 1), TTL), Some(RegionId(7)));
        }
    }

    #[test]
    fn a_region_whose_number_does_not_fit_has_no_home() {
        let homes = Homes::default();
        homes.remember(kin(1), RegionId(65_536), at(1), TTL);
        assert_eq!(homes.of(kin(1), at(1), TTL), None);
    }

    #[test]
    fn when_a_row_is_full_the_oldest_goes() {
        let homes = Homes::default();
        let rows = u64::try_from(PLACES / WAYS).unwrap();
        // the same row, other tags
        let crowd: Vec<_> =
            (1..=9).map(|tag: u64| Kin((tag << 32) | (tag * rows % (1 << 32)))).collect();
        assert!(crowd.iter().all(|kin| kin.0 % rows == crowd[0].0 % rows));
        let lost = (100..).zip(&crowd).map(|(second, kin)| {
            // said twice: nobody loses a home for what has one
            let lost = homes.remember(*kin, RegionId(1), at(second), TTL);
            lost || homes.remember(*kin, RegionId(2), at(second), TTL)
        });
        assert_eq!(lost.filter(|lost| *lost).count(), 1);
        let known: Vec<_> =
            crowd.iter().map(|kin| homes.of(*kin, at(110), TTL).is_some()).collect();
        assert_eq!(known, [false, true, true, true, true, true, true, true, true]);
        assert!(!homes.remember(crowd[0], RegionId(1), at(900), TTL), "the oldest was cold");
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was_said_last(said in vec((0_u64..40, 0_u32..5), 0..200)) {
            let homes = Homes::default();
            let mut last = HashMap::new();
            for (number, region) in said {
                homes.remember(kin(number), RegionId(region), at(9), TTL);
                last.insert(number, RegionId(region));
            }
            for number in 0..40 {
                prop_assert_eq!(homes.of(kin(number), at(9), TTL), last.get(&number).copied());
            }
        }
    }
}
