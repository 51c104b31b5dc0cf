//! What must act on the very next request: requests in flight, cool-downs, failures in a row.
//!
//! Atomics, shared by all tables and all workers, so that they outlive a table swap and need no
//! lock. One per (region, deployment) and one per region; both are found in the table's entries.
//! The values are independent of each other, so relaxed ordering suffices throughout.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::moment::Moment;

/// The moving state of one (region, deployment), or of one region.
#[derive(Debug, Default)]
pub struct Vitals {
    in_flight: AtomicU32,
    /// Nanoseconds of a [`Moment`]; 0 = not cooled.
    cooled_until: AtomicU64,
    failures_in_a_row: AtomicU32,
}

impl Vitals {
    /// Counts one request in until the guard is dropped, which a cancelled request does too.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { vitals: Arc::clone(self) }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Sends no request here before `until` while there is another choice. Of two deadlines the
    /// later one holds.
    pub fn cool_until(&self, until: Moment) {
        self.cooled_until.fetch_max(until.as_nanos(), Relaxed);
    }

    /// How long the cool-down still lasts; `None` when there is none. Never `Some(ZERO)`.
    pub fn cooled_for(&self, now: Moment) -> Option<Duration> {
        let until = self.cooled_until.load(Relaxed);
        (until > now.as_nanos()).then(|| Moment::from_nanos(until).since(now))
    }

    /// Ends the cool-down, whatever its deadline.
    pub fn lift(&self) {
        self.cooled_until.store(0, Relaxed);
    }

    /// Notes that a client's request failed here; returns how many have in a row.
    pub fn failed(&self) -> u32 {
        self.failures_in_a_row.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Notes that a client's request was answered, which ends a row of failures.
    pub fn answered(&self) {
        // almost always there is nothing to reset: then the cache line stays shared
        if self.failures_in_a_row.load(Relaxed) != 0 {
            self.failures_in_a_row.store(0, Relaxed);
        }
    }

    /// Client requests that failed since the last one that was answered.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Relaxed)
    }
}

/// One request in flight; counts itself out when dropped.
#[derive(Debug)]
#[must_use = "the request counts as over as soon as this is dropped"]
pub struct InFlight {
    vitals: Arc<Vitals>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.vitals.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn a_request_is_in_flight_until_its_guard_is_dropped() {
        let vitals = Arc::new(Vitals::default());
        let first = vitals.enter();
        let second = vitals.enter();
        assert_eq!(vitals.in_flight(), 2);
        drop(first);
        assert_eq!(vitals.in_flight(), 1);
        drop(second);
        assert_eq!(vitals.in_flight(), 0);
    }

    #[test]
    fn the_later_deadline_wins_and_is_exclusive() {
        let vitals = Vitals::default();
        assert_eq!(vitals.cooled_for(Moment::ZERO), None);
        vitals.cool_until(at(100));
        vitals.cool_until(at(60));
        assert_eq!(vitals.cooled_for(at(70)), Some(Duration::from_nanos(30)));
        assert_eq!(vitals.cooled_for(at(100)), None);
        vitals.lift();
        assert_eq!(vitals.cooled_for(at(70)), None);
    }

    #[test]
    fn an_answer_ends_a_row_of_failures() {
        let vitals = Vitals::default();
        assert_eq!((vitals.failed(), vitals.failed()), (1, 2));
        vitals.answered();
        assert_eq!(vitals.failures_in_a_row(), 0);
        assert_eq!(vitals.failed(), 1);
    }

    #[test]
    fn counts_from_many_threads_add_up() {
        let vitals = Arc::new(Vitals::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| drop(vitals.enter())));
            }
        });
        assert_eq!(vitals.in_flight(), 0);
    }
}
