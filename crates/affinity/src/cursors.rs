//! How far each region's part of a list was read that several regions make up: a client says only the last item
//! that it has seen.
//!
//! A few of them, the oldest goes first; without one the same is found out by reading from the beginning.

use nearway_route::RegionId;

use crate::newest::Newest;

/// The last item that was listed of a region's part; `None`: none yet.
pub type ReadTo = Vec<(RegionId, Option<String>)>;

/// Where lists were left. Shared by all workers; asked for lists of all regions alone, which take some round
/// trips each.
#[derive(Debug, Default)]
pub struct Cursors(Newest<u64, ReadTo, { Self::MOST }>);

impl Cursors {
    /// Lists that are remembered at most.
    pub const MOST: usize = 1_024;

    /// Where the list was left that this stands for: a hash of the client, the list and the last item.
    pub fn of(&self, key: u64) -> Option<ReadTo> {
        self.0.get(key)
    }

    /// It is left here.
    pub fn remember(&self, key: u64, read: ReadTo) {
        self.0.remember(key, read);
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
        assert_eq!(cursors.of(0), Some(read("a")));
        for key in 1..=1_024 {
            cursors.remember(key, read("x"));
        }
        assert_eq!((cursors.of(0), cursors.of(1)), (None, Some(read("x"))));
    }
}
