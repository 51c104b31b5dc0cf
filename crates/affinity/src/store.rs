//! What remembers who owns an id. The request path asks it at once, so it answers from memory.
//!
//! One process keeps its own ([`Owners`](crate::Owners)); behind the trait may also stand one that writes to a
//! file, or one that replicas share.

use std::fmt::Debug;

use nearway_route::RegionId;
use nearway_wire::id::IdDigest;

use crate::minute::Minute;

/// Who owns an id. Shared by all workers.
pub trait Store: Debug + Send + Sync {
    /// The region that an id was last seen to belong to, if that is known. Asking counts as a use: what is in
    /// use is not forgotten. The region may be one that is no longer configured.
    fn owner(&self, id: IdDigest, now: Minute) -> Option<RegionId>;

    /// An id was seen to belong to this region.
    fn learn(&self, id: IdDigest, owner: RegionId, now: Minute) -> Learned;

    /// The object is gone, or its owner is no longer what was learned.
    fn forget(&self, id: IdDigest);
}

/// What a sight of an id was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It was not known.
    New {
        /// The id used least of late was forgotten for it, before its time.
        evicted: bool,
    },
    /// It was known to belong there.
    Known,
    /// It was taken to belong elsewhere.
    Moved,
}
