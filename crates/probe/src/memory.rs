//! What is remembered of each (region, deployment) from one probe to the next.
//!
//! Which form of request the deployment takes (so that a reasoning model is adapted to once, API
//! fact sheet 8.1), and whether it was failing, so that the log tells of a change and not of every
//! probe. Kept by the loop in `run.rs`; a reload forgets only what left.

use std::collections::HashMap;

use nearway_upstream::{Fault, FaultKind};
use nearway_wire::probe_body::Rung;

use crate::timetable::Due;

/// By what was probed.
#[derive(Debug, Default)]
pub(crate) struct Memory(HashMap<Due, Remembered>);

#[derive(Debug)]
struct Remembered {
    rung: Rung,
    failing: Option<FaultKind>,
}

/// What the log should say after a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing that it has not said before.
    None,
    /// It fails, and did not before, or in another way.
    Fails,
    /// It is answered again.
    Recovered,
}

impl Memory {
    /// The form of request to begin with.
    pub(crate) fn rung(&self, due: &Due) -> Rung {
        self.0.get(due).map_or_else(Rung::first, |remembered| remembered.rung)
    }

    /// A probe ended, on this rung, with this fault or none.
    pub(crate) fn note(&mut self, due: &Due, rung: Rung, fault: Option<&Fault>) -> News {
        let failing = fault.map(|fault| fault.kind);
        let former = self.0.insert(due.clone(), Remembered { rung, failing });
        match (former.and_then(|former| former.failing), failing) {
            (before, now) if before == now => News::None,
            (_, Some(_)) => News::Fails,
            (_, None) => News::Recovered,
        }
    }

    /// Forgets what is no longer probed.
    pub(crate) fn retain(&mut self, is_probed: impl Fn(&Due) -> bool) {
        self.0.retain(|due, _| is_probed(due));
    }
}

#[cfg(test)]
mod tests {
    use nearway_route::RegionId;

    use super::*;

    #[test]
    fn only_changes_are_news() {
        let mut memory = Memory::default();
        let due = Due { region: RegionId(1), stop: None };
        let refused = Fault::unsent(FaultKind::Connect, "refused");
        let slow = Fault::unsent(FaultKind::TotalTimeout, "");
        let said = [None, Some(&refused), Some(&refused), Some(&slow), None, None]
            .map(|fault| memory.note(&due, Rung::first(), fault));
        let expected =
            [News::None, News::Fails, News::None, News::Fails, News::Recovered, News::None];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_left_is_forgotten() {
        let mut memory = Memory::default();
        let due = Due { region: RegionId(1), stop: None };
        let refused = Fault::unsent(FaultKind::Connect, "refused");
        memory.note(&due, Rung::first(), Some(&refused));
        memory.retain(|due| due.region != RegionId(1));
        assert_eq!(memory.note(&due, Rung::first(), Some(&refused)), News::Fails);
    }
}
