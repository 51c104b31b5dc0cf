//! What one request would cost in one region just now: what is known of the region, what is in flight
//! there, and what has not come back.

use std::time::Duration;

use crate::{
    knowledge::Known, mix::Typical, moment::Moment, pending::Evidence, shape::Shape, table::Entry,
};

/// The cost of a request in a region, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// As if nothing were in flight there.
    pub calm: f64,
    /// As things are. Never below `calm`.
    pub now: f64,
    /// How little is known: a standard deviation.
    pub doubt: f64,
    /// Requests in flight there.
    pub in_flight: u32,
    /// What those say that wait for their first content.
    pub evidence: Evidence,
    /// What its answer is expected to take, failures left out.
    pub expected: f64,
}

impl Cost {
    /// What it costs where nothing tempts to leave for the load alone: a region that does not answer
    /// any more is not what it was.
    pub(crate) const fn without_load(&self) -> f64 {
        if self.evidence.is_strong() { self.now } else { self.calm }
    }

    /// What the requests in flight add.
    pub(crate) const fn load(&self) -> f64 {
        self.now - self.without_load()
    }
}

impl Entry {
    /// What this request would cost here; `None` if no time was seen yet.
    pub fn cost(&self, shape: Shape, typical: &Typical, now: Moment) -> Option<Cost> {
        let known = self.known.as_ref()?;
        let in_flight = self.vitals.in_flight();
        let circumstances = typical.beside(shape, in_flight);
        let calm = known.calm(circumstances);
        let loaded = known.estimate.expected(circumstances);
        let alone = known.estimate.expected(typical.beside(shape, 0));
        let evidence = self.vitals.pending().evidence(now, spread(known, shape, typical));
        let mut cost = calm.millis + (loaded.millis - alone.millis).max(0.0);
        if evidence.is_strong() {
            // those that come now will wait at least as long
            cost = cost.max(LONGER_THAN_THEY_WAIT * evidence.age);
        }
        Some(Cost {
            calm: calm.millis,
            now: cost,
            doubt: loaded.doubt,
            in_flight,
            evidence,
            expected: loaded.millis,
        })
    }

    /// What this request is expected to take here, failures and what has not come back left out; in
    /// milliseconds.
    pub fn expected(&self, shape: Shape, typical: &Typical) -> Option<f64> {
        let circumstances = typical.beside(shape, self.vitals.in_flight());
        Some(self.known.as_ref()?.estimate.expected(circumstances).millis)
    }

    /// Whether a request that waits here is stuck: much too late itself, and either others are too or it
    /// is beyond measure.
    pub fn is_stuck(&self, wait: Wait, shape: Shape, typical: &Typical, now: Moment) -> bool {
        let Some(known) = &self.known else { return false };
        wait.so_far > LATE * wait.expected
            && (wait.so_far > STUCK * wait.expected
                || self.vitals.pending().evidence(now, spread(known, shape, typical)).is_strong())
    }
}

/// How long a request waits for its first content, or for its answer if it does not stream; both in
/// milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// What was expected when it was sent: [`Cost::expected`].
    pub expected: f64,
    /// How long it has waited.
    pub so_far: f64,
}

impl Wait {
    /// When a request of which so many milliseconds are expected is worth a look: from here on it may be
    /// stuck together with others, and by itself.
    pub fn looks(expected: f64) -> [Duration; 2] {
        let after = |times| Duration::try_from_secs_f64(times * expected / 1_000.0);
        [LATE, STUCK].map(|times| after(times).unwrap_or(Duration::MAX))
    }
}

/// How widely single times lie around what is expected, as a share of it: they scatter, the answers
/// are of different length, and little may be known.
fn spread(known: &Known, shape: Shape, typical: &Typical) -> f64 {
    let expected = known.estimate.expected(typical.beside(shape, 0));
    let [_, _, per_output, _] = known.estimate.terms();
    let output = if shape.streams { 0.0 } else { per_output * typical.output_spread };
    let doubt = (expected.doubt / expected.millis).min(MOST_DOUBT);
    let output = output / expected.millis;
    known.estimate.scatter().hypot(output).hypot(doubt)
}

/// A region that does not answer will take longer than those that wait have waited.
const LONGER_THAN_THEY_WAIT: f64 = 1.5;
/// A request is late from here on, in times of what was expected.
const LATE: f64 = 1.3;
/// And stuck from here on, whatever the others do.
const STUCK: f64 = 3.0;
const MOST_DOUBT: f64 = 0.5;
