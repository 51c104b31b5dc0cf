//! The places that one id can be in.

use std::array;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use nearway_wire::id::IdDigest;

use super::known::{CHECK_BITS, EMPTY, Known, low_bits};
use crate::minute::Minute;

/// The places of the ids whose digests lead here: 256 bytes, the tags together, so that a miss reads half.
pub(super) struct Row {
    pub(super) tags: [AtomicU64; WAYS],
    pub(super) words: [AtomicU64; WAYS],
}

impl Default for Row {
    fn default() -> Self {
        let words = || array::from_fn(|_| AtomicU64::new(EMPTY));
        Self { tags: words(), words: words() }
    }
}

impl Row {
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        self.tags.iter().zip(&self.words).map(|(tag, word)| Place { tag, word })
    }

    /// The place of an id and what is known of it, however old.
    pub(super) fn find(&self, key: Key) -> Option<(Place<'_>, Known)> {
        self.places().filter(|place| place.is_of(key)).find_map(|place| {
            let known = place.known().filter(|known| known.check == key.check)?;
            Some((place, known))
        })
    }

    /// An empty place, or the one that was used least of late.
    pub(super) fn least_used(&self, now: Minute) -> Place<'_> {
        let first = Place { tag: &self.tags[0], word: &self.words[0] };
        let idle = |place: &Place<'_>| place.known().map_or(u32::MAX, |known| known.age(now));
        self.places().max_by_key(idle).unwrap_or(first)
    }
}

/// Room for one id.
pub(super) struct Place<'r> {
    pub(super) tag: &'r AtomicU64,
    pub(super) word: &'r AtomicU64,
}

impl Place<'_> {
    pub(super) fn is_of(&self, key: Key) -> bool {
        self.tag.load(Acquire) == key.tag
    }

    pub(super) fn known(&self) -> Option<Known> {
        Known::unpacked(self.word.load(Acquire))
    }

    /// Writes what `next` makes of what is known of this id, which is returned; `None` if nothing is, or
    /// another one has the place by now.
    pub(super) fn update(&self, key: Key, next: impl Fn(Known) -> u64) -> Option<Known> {
        let mut packed = self.word.load(Acquire);
        loop {
            let known = Known::unpacked(packed).filter(|known| known.check == key.check)?;
            let next = next(known);
            // the same again is no reason to take the cache line from other workers
            if next == packed {
                return Some(known);
            }
            match self.word.compare_exchange_weak(packed, next, Release, Acquire) {
                Ok(_) => return Some(known),
                Err(other) => packed = other,
            }
        }
    }
}

/// How an id is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Never [`NO_TAG`].
    pub(super) tag: u64,
    pub(super) row: u64,
    pub(super) check: u32,
}

impl Key {
    pub(super) fn of(id: IdDigest) -> Self {
        let [tag, second] = id.halves();
        let check = low_bits(second, CHECK_BITS);
        Self { tag: tag.max(NO_TAG + 1), row: second, check }
    }
}

/// Sixteen, so that few rows are full while others have room.
pub(super) const WAYS: usize = 16;
pub(super) const NO_TAG: u64 = 0;
