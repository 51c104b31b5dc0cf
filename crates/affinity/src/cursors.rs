//! How far each region's part of a list was read that several regions make up: a client says only the last item
//! that it has seen.
//!
//! A few of them, the oldest goes first; without one the same is found out by reading from the beginning.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use nearway_route::RegionId;

/// The last item that was listed of a region's part; `None`: none yet.
pub type ReadTo = Vec<(RegionId, Option<String>)>;

/// Where lists were left. Shared by all workers; asked for lists of all regions alone, which take some round
/// trips each, so that a lock is nothing.
#[derive(Debug, Default)]
pub struct Cursors(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of: HashMap<u64, ReadTo>,
    order: VecDeque<u64>,
}

impl Cursors {
    /// Lists that are remembered at most.
    pub const MOST: usize = 1_024;

    /// Where the list was left that this stands for: a hash of the client, the list and the last item.
    pub fn of(&self, key: u64) -> Option<ReadTo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).of.get(&key).cloned()
    }

    /// It is left here.
    pub fn remember(&self, key: u64, read: ReadTo) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.of.insert(key, read).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > Self::MOST
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.of.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let cursors = Cursors::default();
        let read = |id: &str| vec![(RegionId(1), Some(id.to_owned())), (RegionId(2), None)];
        cursors.remember(0, read("a"));
        cursors.remember(0, read("b"));
        assert_eq!(cursors.of(0), Some(read("b")));
        for key in 1..=1_024 {
            cursors.remember(key, read("x"));
        }
        assert_eq!((cursors.of(0), cursors.of(1)), (None, Some(read("x"))));
    }
}
