//! One region that was asked: since when, what it is waited for, and how its breakers are told.
//!
//! Held by `settle`, which ends it; dropping it gives the in-flight numbers back.

use std::sync::Arc;
use std::time::Duration;

use nearway_route::{Awaited, Failure, InFlight, Moment, Vitals, Waiting};
use nearway_telemetry::RouteMetrics;

use crate::Settings;
use crate::choose::Choice;

/// The attempt that is under way, or was the last.
#[derive(Debug)]
pub(crate) struct Attempted {
    /// The region's place in the settings.
    pub(crate) place: usize,
    /// When, by the clock of the process.
    pub(crate) sent: Duration,
    /// Of the (region, deployment).
    pub(crate) vitals: Arc<Vitals>,
    /// Of the region, whatever the deployment.
    pub(crate) region_vitals: Arc<Vitals>,
    /// The region's slowest first token of late.
    pub(crate) slowest: Option<Duration>,
    // until the answer has begun well
    waiting: Option<Waiting>,
    _in_flight: InFlight,
    _counted: nearway_telemetry::InFlight,
}

impl Attempted {
    /// The region is asked at `sent`, and counted in `route`.
    pub(crate) fn begin(choice: Choice, route: &RouteMetrics, sent: Duration) -> Self {
        Self {
            place: choice.place,
            sent,
            waiting: Some(choice.vitals.wait(Moment::from(sent))),
            slowest: choice.slowest,
            _in_flight: choice.vitals.enter(),
            _counted: route.enter(),
            vitals: choice.vitals,
            region_vitals: choice.region_vitals,
        }
    }

    /// What was awaited has come; the next is `awaited`, if anything.
    pub(crate) fn awaits(&mut self, awaited: Option<Awaited>, now: Moment) {
        let Some(waiting) = self.waiting.take() else { return };
        match awaited {
            Some(awaited) => self.waiting = Some(waiting.goes_on(awaited, now)),
            None => waiting.answered(now),
        }
    }

    /// Tells the breaker of these vitals of an answer.
    pub(crate) fn answered_by(&self, vitals: &Vitals, now: Duration, settings: &Settings) {
        let (sent, now) = (Moment::from(self.sent), Moment::from(now));
        vitals.breaker().answered(sent, now, &settings.breaker);
    }

    /// Tells the breaker of these vitals of a failure.
    pub(crate) fn failed_in(
        &self,
        vitals: &Vitals,
        failure: Failure,
        now: Duration,
        settings: &Settings,
    ) {
        let (sent, now) = (Moment::from(self.sent), Moment::from(now));
        vitals.breaker().failed(failure, sent, now, &settings.breaker);
    }
}
