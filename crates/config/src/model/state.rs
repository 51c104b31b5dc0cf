//! What is remembered of objects that live in one region.

use std::path::PathBuf;
use std::time::Duration;

/// Which region owns which id, and where there is a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Ids that are remembered at most: 1 024 to 67 108 864.
    pub entries: u32,
    /// For how long after its last use an id is remembered: 1 minute to 366 days.
    pub ttl: Duration,
    /// Where they outlive the process. `None`: nowhere.
    pub file: Option<PathBuf>,
    /// For how long it is remembered that no region knows an id, at most an hour. 0: not at all.
    pub unknown_for: Duration,
    /// The name of a region: where lists are read and new objects are made. `None`: the first one.
    pub home: Option<String>,
    /// What a list holds.
    pub lists: Lists,
}

/// Whose objects a list of them holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// The home region's.
    Home,
    /// Those of all regions.
    Merge,
}
