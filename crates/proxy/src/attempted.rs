//! One region that was asked: since when, what it is waited for, and how its breakers are told.
//!
//! Held by `settle`, which ends it; dropping it gives the in-flight numbers back. A breaker that
//! opens or lets traffic return is counted and logged here, where the request that caused it is
//! known; what time brings (half-open, closed) the control thread counts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nearway_route::{
    Asked, Awaited, Failure, InFlight, Moment, Pends, Shape, Verdict, Vitals, Waiting, Why,
};
use nearway_telemetry::{BreakerOpened, RouteBreaker, breaker_opened, breaker_returning};

use crate::choose::Choice;
use crate::worker::Prepared;

/// The attempt that is under way, or was the last.
#[derive(Debug)]
pub(crate) struct Attempted {
    /// The region's place in the settings.
    pub(crate) place: usize,
    /// When, by the clock of the process.
    pub(crate) sent: Duration,
    /// Of the (region, deployment).
    pub(crate) vitals: Arc<Vitals>,
    /// The region's slowest first token of late.
    pub(crate) slowest: Option<Duration>,
    /// What the region was asked, and beside how many others.
    pub(crate) asked: Asked,
    /// Milliseconds that its answer should take, where that is known.
    pub(crate) expected: Option<f64>,
    /// Why it was this region, and why the leader leads.
    pub(crate) reason: (Why, Verdict),
    region_vitals: Arc<Vitals>,
    // of the deployment that `vitals` are of
    vitals_place: usize,
    prepared: Rc<Prepared>,
    // until the answer has begun well
    waiting: Option<Waiting>,
    // until what was expected is there: the first content of a stream, all of any other answer
    pends: Option<Pends>,
    _in_flight: InFlight,
    _counted: nearway_telemetry::InFlight,
}

/// Which of the two breakers that a request passes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// The region's, whatever the deployment.
    Region,
    /// The deployment's in the region.
    Deployment,
}

impl Attempted {
    /// The region is asked at `sent`, for the deployment at this place.
    pub(crate) fn begin(
        choice: Choice,
        shape: Shape,
        deployment_place: usize,
        sent: Duration,
        prepared: Rc<Prepared>,
    ) -> Self {
        let pend = |millis: f64| {
            let expected = Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX);
            choice.vitals.pend(Moment::from(sent), expected)
        };
        Self {
            place: choice.place,
            sent,
            waiting: Some(choice.vitals.wait(Moment::from(sent))),
            slowest: choice.slowest,
            pends: choice.expected.map(pend),
            asked: Asked { shape, in_flight: choice.vitals.in_flight() },
            expected: choice.expected,
            reason: (choice.why, choice.verdict),
            _in_flight: choice.vitals.enter(),
            _counted: prepared.route(Some(choice.place), deployment_place).enter(),
            vitals_place: match choice.of_many {
                true => prepared.deployment_place(None),
                false => deployment_place,
            },
            vitals: choice.vitals,
            region_vitals: choice.region_vitals,
            prepared,
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

    /// What was expected is there, or something else comes.
    pub(crate) fn pends_no_more(&mut self) {
        self.pends = None;
    }

    /// For how long it has been waited for in vain, if that is longer than it should have taken.
    pub(crate) fn in_vain(&self, now: Duration) -> Option<Duration> {
        let after = now.saturating_sub(self.sent);
        let is_late = self.expected.is_some_and(|millis| after.as_secs_f64() * 1_000.0 > millis);
        (self.pends.is_some() && is_late).then_some(after)
    }

    pub(crate) fn vitals_of(&self, whose: Whose) -> &Vitals {
        match whose {
            Whose::Region => &self.region_vitals,
            Whose::Deployment => &self.vitals,
        }
    }

    /// Tells a breaker of an answer.
    pub(crate) fn answered(&self, whose: Whose, now: Duration) {
        let settings = &self.prepared.settings.breaker;
        let breaker = self.vitals_of(whose).breaker();
        if breaker.answered(Moment::from(self.sent), Moment::from(now), settings) {
            self.count(whose, RouteBreaker::Returning);
            breaker_returning(self.region(), self.label(whose), settings.ramp);
        }
    }

    /// Tells a breaker of a failure; `reason` is the label of what failed.
    pub(crate) fn failed(&self, whose: Whose, failure: Failure, reason: &str, now: Duration) {
        let settings = &self.prepared.settings.breaker;
        let breaker = self.vitals_of(whose).breaker();
        let now = Moment::from(now);
        if breaker.failed(failure, Moment::from(self.sent), now, settings) {
            self.count(whose, RouteBreaker::Open);
            breaker_opened(&BreakerOpened {
                region: self.region(),
                deployment: self.label(whose),
                reason,
                pause: breaker.open_for(now).unwrap_or_default(),
            });
        }
    }

    fn count(&self, whose: Whose, to: RouteBreaker) {
        if let Some(breaker) = self.prepared.breaker(self.place, self.place_of(whose)) {
            breaker.went(to);
        }
    }

    fn label(&self, whose: Whose) -> Option<&str> {
        self.place_of(whose).map(|place| self.prepared.label(place))
    }

    fn place_of(&self, whose: Whose) -> Option<usize> {
        match whose {
            Whose::Region => None,
            Whose::Deployment => Some(self.vitals_place),
        }
    }

    fn region(&self) -> &str {
        let target = self.prepared.settings.regions.get(self.place);
        target.map_or("", |target| target.region.name())
    }
}
