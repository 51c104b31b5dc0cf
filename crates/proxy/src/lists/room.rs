//! Room for the pages that a list is made of, in `failover.hold_total`: from when a page is read until the list has
//! left, or the page is let go. A page counts once; while its items are looked for it is there twice.

use std::sync::Arc;

use bytes::Bytes;
use nearway_upstream::{Replay, ReplayLimits, Reserved};

/// Bytes that are read, and take room, at a time. As much of any page takes none, as of small bodies.
pub(super) const STEP: usize = 64 * 1024;

/// What the pages of one list take, given back on drop.
#[derive(Debug)]
pub(super) struct Room {
    replay: Arc<Replay>,
    limits: ReplayLimits,
    taken: Vec<Reserved>,
}

impl Room {
    /// In `replay`, where all that is held may take `total` bytes.
    pub(super) fn new(replay: Arc<Replay>, total: usize) -> Self {
        let limits = ReplayLimits { body: STEP, total };
        Self { replay, limits, taken: Vec::new() }
    }

    /// So much is taken: what is taken beyond can be [let go](Self::let_go_beyond).
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// A page that was read since then is not needed any more.
    pub(super) fn let_go_beyond(&mut self, taken: usize) {
        self.taken.truncate(taken);
    }

    /// The list that is made of the pages: it keeps their room until it has left.
    pub(super) fn with(self, list: Vec<u8>) -> Bytes {
        Bytes::from_owner(Roomed { list, _room: self })
    }

    /// For as much again; `None` if there is none.
    pub(super) fn take_step(&mut self) -> Option<()> {
        self.taken.push(self.replay.reserve(STEP, self.limits)?);
        Some(())
    }
}

struct Roomed {
    list: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use nearway_telemetry::{Build, Metrics};
    use nearway_upstream::ReplayBudget;

    use super::*;

    #[test]
    fn room_is_held_for_pages_until_they_are_let_go_or_the_list_has_left() {
        let (budget, build) = (ReplayBudget::default(), Build { version: "0", commit: None });
        let replay = Replay::new(budget.clone(), Metrics::new(build).unwrap().replay());
        let mut room = Room::new(Arc::new(replay), 3 * STEP);
        room.take_step().unwrap();
        let taken = room.taken();
        room.take_step().unwrap();
        room.take_step().unwrap();
        assert_eq!(room.take_step(), None);
        room.let_go_beyond(taken);
        assert_eq!(budget.held(), STEP);
        let list = room.with(vec![1, 2]);
        assert_eq!((&*list, budget.held()), (&[1, 2][..], STEP));
        drop(list);
        assert_eq!(budget.held(), 0);
    }
}
