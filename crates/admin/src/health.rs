//! Whether clients should be sent here. Pure: a verdict from one status and one table.

use nearway_route::{Moment, State, Table};

use crate::Status;

/// Why the process is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// It is about to end.
    Draining,
    /// The first probes are still under way.
    FirstRound,
    /// No region can be expected to answer.
    AllDown,
}

impl NotReady {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "not ready: draining, the process is about to end",
            Self::FirstRound => "not ready: the first round of probes is not over yet",
            Self::AllDown => "not ready: no region is up, see /api/regions for the causes",
        }
    }
}

/// Ready once each region has been probed, or the deadline for that has passed, and one is up.
pub(crate) fn ready(status: &Status, table: &Table, now: Moment) -> Result<(), NotReady> {
    if status.draining {
        return Err(NotReady::Draining);
    }
    if !status.first_round_done && now < status.first_round_deadline {
        return Err(NotReady::FirstRound);
    }
    let mut entries = table.rankings().flat_map(|ranking| &ranking.order);
    let is_up = |entry: &nearway_route::Entry| matches!(entry.state, State::Fresh | State::Stale);
    if entries.any(is_up) { Ok(()) } else { Err(NotReady::AllDown) }
}
