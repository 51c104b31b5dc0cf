//! What is known of an id, in the one word that changes whole.

use nearway_route::RegionId;

use crate::minute::Minute;

/// What is known of an id, as it fits into a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) owner: RegionId,
    /// When it was used last.
    pub(super) minute: Wrapped,
    /// Of the id's digest.
    pub(super) check: u32,
}

impl Known {
    /// 16 bits for the region's number and one, so that no word is [`EMPTY`]; 24 for the minute, 24 to check.
    pub(super) fn packed(self) -> u64 {
        let owner = u64::from(self.owner.0) + 1;
        owner << (MINUTE_BITS + CHECK_BITS)
            | u64::from(self.minute.0) << CHECK_BITS
            | u64::from(self.check)
    }

    pub(super) fn unpacked(packed: u64) -> Option<Self> {
        let owner = low_bits(packed >> (MINUTE_BITS + CHECK_BITS), REGION_BITS).checked_sub(1)?;
        let minute = Wrapped(low_bits(packed >> CHECK_BITS, MINUTE_BITS));
        Some(Self { owner: RegionId(owner), minute, check: low_bits(packed, CHECK_BITS) })
    }

    pub(super) fn age(self, now: Minute) -> u32 {
        self.minute.age(now)
    }
}

/// A minute in 24 bits: 31 years, then from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrapped(pub(super) u32);

impl Wrapped {
    pub(super) fn of(minute: Minute) -> Self {
        Self(low_bits(minute.0.into(), MINUTE_BITS))
    }

    /// Minutes since then, wrong for what is older than fifteen years. 0 for what is yet to come: another
    /// worker may have read its clock a moment later, and a wall clock can be set back.
    pub(super) fn age(self, now: Minute) -> u32 {
        let age = low_bits(Self::of(now).0.wrapping_sub(self.0).into(), MINUTE_BITS);
        if age >> (MINUTE_BITS - 1) == 0 { age } else { 0 }
    }

    /// This one or `now`, whichever is later.
    pub(super) fn or_later(self, now: Minute) -> Self {
        if self.age(now) == 0 { self } else { Self::of(now) }
    }
}

pub(super) fn low_bits(of: u64, bits: u32) -> u32 {
    u32::try_from(of & ((1 << bits) - 1)).unwrap_or_default()
}

pub(super) const REGION_BITS: u32 = 16;
const MINUTE_BITS: u32 = 24;
pub(super) const CHECK_BITS: u32 = 24;
/// No region's.
pub(super) const EMPTY: u64 = 0;
