//! Who owns which id, in memory: a fixed number of places, shared by all workers without a lock.
//!
//! An id has a row of places to be in, and takes the one that was used least of late. A place is two words:
//! half of the digest, and what is known with 24 bits of the other half, so that whoever finds the one of an id
//! and the other of the next sees that they do not belong together. A reader may for a moment; two workers that
//! write to one place at once may leave it so. Then an id is not found, which costs a search. Those 24 bits are all
//! that tells: of 2^24 such races one ends with an id that has the owner of another. Who asks that region for the
//! object hears that it has none, and the id is forgotten.

mod known;
mod row;

use std::fmt;
use std::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Relaxed, Release},
};
use std::time::Duration;

use nearway_route::RegionId;
use nearway_wire::id::IdDigest;

use self::known::{EMPTY, Known, REGION_BITS, Wrapped};
use self::row::{Key, NO_TAG, Place, Row, WAYS};
use crate::minute::Minute;
use crate::store::{Learned, Store};

/// The owners of the ids that were used last.
pub struct Owners {
    rows: Box<[Row]>,
    /// Minutes after its last use for which an id is known.
    ttl: AtomicU32,
    /// Words that are not [`EMPTY`]: every change of one is counted as it is made.
    taken: AtomicUsize,
}

/// Who owns an id, and when that was last of use before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The region.
    pub owner: RegionId,
    /// The use before this one.
    pub before: Minute,
}

impl Owners {
    /// Regions from this number on are not remembered, as if each sight of their ids were the first. A
    /// process gives out a number for each region of its file and each changed one of a reload.
    pub const REGIONS: u32 = (1 << REGION_BITS) - 1;

    /// The longest time that an id can be told to be old.
    pub const TTL_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

    /// So many at most, rounded up to a whole row of sixteen; each is known for `ttl` after its last use, at
    /// most [`Self::TTL_MAX`]. The memory is all taken here.
    #[must_use]
    pub fn new(entries: usize, ttl: Duration) -> Self {
        let rows = (0..entries.div_ceil(WAYS).max(1)).map(|_| Row::default()).collect();
        let owners = Self { rows, ttl: AtomicU32::new(0), taken: AtomicUsize::new(0) };
        owners.set_ttl(ttl);
        owners
    }

    /// From now on ids are known for so long after their last use, at most [`Self::TTL_MAX`].
    pub fn set_ttl(&self, ttl: Duration) {
        self.ttl.store(Minute::span(ttl.min(Self::TTL_MAX)), Relaxed);
    }

    /// Minutes that an id is known after its last use.
    pub fn ttl_minutes(&self) -> u32 {
        self.ttl.load(Relaxed)
    }

    /// Ids that can be remembered at most. A row may be full before all are.
    pub fn capacity(&self) -> usize {
        self.rows.len() * WAYS
    }

    /// Bytes of memory, however many ids are remembered.
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Row>()
    }

    /// Places that are taken, by ids that are too old as well: these go when another one needs their place.
    pub fn len(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Whether nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The owner of an id, which counts as a use.
    pub fn used(&self, id: IdDigest, now: Minute) -> Option<Used> {
        let key = Key::of(id);
        let (place, known) = self.row(key)?.find(key)?;
        if !self.is_live(known, now) {
            return None;
        }
        place.update(key, |known| Known { minute: known.minute.or_later(now), ..known }.packed());
        Some(Used { owner: known.owner, before: Minute(now.0.saturating_sub(known.age(now))) })
    }

    /// Whether an id is known, which counts as no use.
    pub fn knows(&self, id: IdDigest, now: Minute) -> bool {
        let key = Key::of(id);
        let known = self.row(key).and_then(|row| row.find(key));
        known.is_some_and(|(_, known)| self.is_live(known, now))
    }

    /// An id was last used then, as an earlier process says; tells whether it got a place. Nothing that was
    /// used later is forgotten for it, and what is known of it already counts for more.
    pub fn restore(&self, id: IdDigest, owner: RegionId, last: Minute, now: Minute) -> bool {
        let key = Key::of(id);
        let next = Known { owner, minute: Wrapped::of(last.min(now)), check: key.check };
        let Some(row) = self.row(key) else { return false };
        if !self.is_live(next, now) || !is_numbered(owner) || row.find(key).is_some() {
            return false;
        }
        let place = row.least_used(now);
        let goes = place.known().is_none_or(|former| former.age(now) > next.age(now));
        if goes {
            self.put(&place, key, next);
        }
        goes
    }

    /// What was said of the first region of each pair is from now on said of the second one: a reload gave
    /// the same place another number. Looks at every entry, so call it where a wait harms nobody; what is
    /// learned of the first one meanwhile stays.
    pub fn renumber(&self, pairs: &[(RegionId, RegionId)]) {
        let renumbered = |packed| {
            let known = Known::unpacked(packed)?;
            let (_, owner) = pairs.iter().find(|(old, _)| *old == known.owner)?;
            is_numbered(*owner).then(|| Known { owner: *owner, ..known }.packed())
        };
        for word in self.rows.iter().flat_map(|row| &row.words) {
            let _ = word.fetch_update(Relaxed, Relaxed, renumbered);
        }
    }

    fn is_live(&self, known: Known, now: Minute) -> bool {
        known.age(now) <= self.ttl_minutes()
    }

    /// There always is one.
    fn row(&self, key: Key) -> Option<&Row> {
        // the high bits, spread evenly over the rows; the low ones are the check
        let rows = u128::try_from(self.rows.len()).unwrap_or(1);
        let row = (u128::from(key.row) * rows) >> 64;
        self.rows.get(usize::try_from(row).unwrap_or_default())
    }

    /// Gives a place to another id. A reader between these three steps finds nothing: no tag, or a word with
    /// the check of another one.
    fn put(&self, place: &Place<'_>, key: Key, next: Known) {
        place.tag.store(NO_TAG, Relaxed);
        if place.word.swap(next.packed(), Release) == EMPTY {
            self.taken.fetch_add(1, Relaxed);
        }
        place.tag.store(key.tag, Release);
    }

    /// Unless another id has the place by now.
    fn clear(&self, place: &Place<'_>, key: Key) {
        if place.update(key, |_| EMPTY).is_some() {
            self.taken.fetch_sub(1, Relaxed);
        }
    }
}

impl Store for Owners {
    fn owner(&self, id: IdDigest, now: Minute) -> Option<RegionId> {
        Some(self.used(id, now)?.owner)
    }

    fn learn(&self, id: IdDigest, owner: RegionId, now: Minute) -> Learned {
        let key = Key::of(id);
        let not_kept = Learned::New { evicted: false };
        let Some(row) = self.row(key) else { return not_kept };
        if !is_numbered(owner) {
            self.forget(id);
            return not_kept;
        }
        let next = Known { owner, minute: Wrapped::of(now), check: key.check };
        let mut own = row.places().filter(|place| place.is_of(key));
        let Some(place) = own.next() else {
            let place = row.least_used(now);
            let evicted = place.known().is_some_and(|former| self.is_live(former, now));
            self.put(&place, key, next);
            return Learned::New { evicted };
        };
        // two workers that learned it at once may have given it a place each; one is enough to keep true
        own.for_each(|other| self.clear(&other, key));
        let later = |known: Known| Known { minute: known.minute.or_later(now), ..next }.packed();
        let Some(former) = place.update(key, later) else {
            // cleared, or written to by two at once
            self.put(&place, key, next);
            return not_kept;
        };
        match former.owner {
            _ if !self.is_live(former, now) => not_kept,
            same if same == owner => Learned::Known,
            _ => Learned::Moved,
        }
    }

    fn forget(&self, id: IdDigest) {
        let key = Key::of(id);
        let places = self.row(key).into_iter().flat_map(Row::places);
        places.filter(|place| place.is_of(key)).for_each(|place| self.clear(&place, key));
    }
}

impl fmt::Debug for Owners {
    /// Without the entries, of which there may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owners")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

fn is_numbered(region: RegionId) -> bool {
    region.0 < Owners::REGIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(100 * 60);
    const NEW: Learned = Learned::New { evicted: false };

    fn id(number: usize) -> IdDigest {
        IdDigest::of(&number.to_be_bytes())
    }

    #[test]
    fn an_owner_is_learned_confirmed_moved_and_forgotten() {
        let owners = Owners::new(1024, TTL);
        let (a, b) = (RegionId(0), RegionId(7));
        assert_eq!(owners.owner(id(1), Minute(5)), None);
        assert_eq!(owners.learn(id(1), a, Minute(5)), NEW);
        assert_eq!(owners.learn(id(1), a, Minute(6)), Learned::Known);
        assert_eq!(owners.owner(id(1), Minute(6)), Some(a));
        assert_eq!(owners.learn(id(1), b, Minute(6)), Learned::Moved);
        assert_eq!(owners.owner(id(1), Minute(6)), Some(b));
        assert_eq!((owners.owner(id(2), Minute(6)), owners.len()), (None, 1));
        owners.forget(id(1));
        assert_eq!((owners.owner(id(1), Minute(6)), owners.len()), (None, 0));
        assert_eq!(owners.learn(id(1), b, Minute(6)), NEW);
        assert_eq!(owners.len(), 1);
    }

    #[test]
    fn an_id_is_known_for_the_ttl_after_its_last_use() {
        let owners = Owners::new(1024, TTL);
        owners.learn(id(1), RegionId(3), Minute(1000));
        let used = |minute| owners.used(id(1), Minute(minute));
        let by = |before| Some(Used { owner: RegionId(3), before: Minute(before) });
        assert!(owners.knows(id(1), Minute(1100)) && !owners.knows(id(1), Minute(1101)));
        assert_eq!((used(1100), used(1200), used(1301)), (by(1000), by(1100), None));
        assert_eq!(owners.learn(id(1), RegionId(4), Minute(1301)), NEW, "what was known is over");
        owners.set_ttl(Duration::from_secs(60));
        assert_eq!((used(1302).is_some(), used(1304)), (true, None), "a reload shortens it");
        owners.set_ttl(Duration::MAX);
        assert_eq!(Duration::from_secs(60) * owners.ttl_minutes(), Owners::TTL_MAX);
    }

    #[test]
    fn the_clock_may_wrap_and_step_back() {
        let owners = Owners::new(1024, TTL);
        let end = (1 << 25) - 1;
        owners.learn(id(1), RegionId(3), Minute(end));
        assert_eq!(owners.owner(id(1), Minute(end + 100)), Some(RegionId(3)));
        assert_eq!(owners.owner(id(1), Minute(end + 201)), None);
        owners.learn(id(2), RegionId(3), Minute(5000));
        assert_eq!(owners.owner(id(2), Minute(10)), Some(RegionId(3)));
        assert_eq!(owners.owner(id(2), Minute(5100)), Some(RegionId(3)), "the later time counts");
    }

    #[test]
    fn the_memory_is_what_was_asked_for_in_whole_rows() {
        for (entries, capacity) in [(0, 16), (16, 16), (17, 32), (1 << 20, 1 << 20)] {
            let owners = Owners::new(entries, TTL);
            assert_eq!((owners.capacity(), owners.bytes()), (capacity, 16 * capacity));
        }
    }

    #[test]
    fn ids_are_spread_over_the_rows() {
        let owners = Owners::new(1 << 14, TTL);
        let learned = (0..1 << 13).map(|number| owners.learn(id(number), RegionId(1), Minute(1)));
        let evicted = learned.filter(|learned| *learned != NEW).count();
        // half full: by chance one row in 240 has met a seventeenth
        assert!(evicted < 40, "{evicted}");
        assert_eq!(owners.len(), (1 << 13) - evicted);
    }

    #[test]
    fn a_region_whose_number_does_not_fit_owns_nothing() {
        let owners = Owners::new(16, TTL);
        let last = RegionId(Owners::REGIONS - 1);
        owners.learn(id(1), last, Minute(1));
        assert_eq!(owners.owner(id(1), Minute(1)), Some(last));
        assert_eq!(owners.learn(id(1), RegionId(Owners::REGIONS), Minute(1)), NEW);
        assert_eq!(owners.owner(id(1), Minute(1)), None, "nor is the former one believed");
    }

    #[test]
    fn a_word_of_another_id_is_not_believed() {
        let owners = Owners::new(16, TTL);
        owners.learn(id(1), RegionId(1), Minute(1));
        owners.learn(id(2), RegionId(2), Minute(1));
        let row = &owners.rows[0];
        let [one, two] = [1, 2].map(|number| {
            row.places().find(|place| place.is_of(Key::of(id(number)))).unwrap().word
        });
        let packed = one.swap(two.load(Relaxed), Relaxed);
        two.store(packed, Relaxed);
        assert_eq!(owners.owner(id(1), Minute(1)), None);
        assert_eq!(owners.learn(id(1), RegionId(1), Minute(1)), NEW);
        assert_eq!(owners.owner(id(1), Minute(1)), Some(RegionId(1)));
        assert_eq!(owners.len(), 2);
    }

    #[test]
    fn of_two_places_for_one_id_one_is_kept_true() {
        let owners = Owners::new(16, TTL);
        let key = Key::of(id(1));
        for (place, owner) in owners.rows[0].places().zip([1, 2]) {
            let known = Known { owner: RegionId(owner), minute: Wrapped(1), check: key.check };
            owners.put(&place, key, known);
        }
        assert_eq!(owners.learn(id(1), RegionId(3), Minute(1)), Learned::Moved);
        assert_eq!((owners.owner(id(1), Minute(1)), owners.len()), (Some(RegionId(3)), 1));
    }

    #[test]
    fn what_an_earlier_process_knew_takes_no_place_of_what_is_newer() {
        let owners = Owners::new(16, TTL);
        let restore =
            |number, last| owners.restore(id(number), RegionId(1), Minute(last), Minute(1000));
        assert!((0..16).all(|number| restore(number, 950)));
        assert!(!restore(16, 899), "too old");
        assert!(!restore(17, 949) && !restore(17, 950), "no newer than any");
        assert!(!restore(0, 960), "known");
        assert!(restore(18, 951));
        assert_eq!((owners.len(), owners.owner(id(18), Minute(1000))), (16, Some(RegionId(1))));
        // a time to come is none
        assert!(restore(19, 5000));
        assert_eq!(owners.owner(id(19), Minute(1101)), None);
    }

    #[test]
    fn a_region_with_another_number_keeps_what_it_owns() {
        let owners = Owners::new(1024, TTL);
        for (number, owner) in (0..3).enumerate() {
            owners.learn(id(number), RegionId(owner), Minute(1));
        }
        owners.renumber(&[(RegionId(0), RegionId(1)), (RegionId(1), RegionId(9))]);
        let now = [0, 1, 2].map(|number| owners.owner(id(number), Minute(1)));
        assert_eq!(now, [Some(RegionId(1)), Some(RegionId(9)), Some(RegionId(2))]);
    }
}
