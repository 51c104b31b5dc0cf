//! The regions while requests run: how many are in flight, which connections are idle, what is left
//! of a quota; and from all that, how one request ends there.

use crate::{
    chance::Chance,
    region::Region,
    world::{Request, World},
};

#[derive(Debug)]
pub(crate) struct Scene<'w> {
    pub(crate) world: &'w World,
    places: Vec<Place>,
    seed: u64,
}

#[derive(Clone, Debug, Default)]
struct Place {
    in_flight: u32,
    /// Since when each connection is idle.
    idle: Vec<f64>,
    /// Requests that the quota still lets through, and as of when.
    quota: (f64, f64),
}

/// What becomes of a request that is sent to a region.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// In seconds since the script began.
    Answered {
        first: f64,
        end: f64,
    },
    Failed {
        at: f64,
        fault: Fault,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Failure,
    /// 429, with a hint in seconds or without.
    Throttled(Option<f64>),
}

impl<'w> Scene<'w> {
    pub(crate) fn new(world: &'w World, seed: u64) -> Self {
        Self { world, places: vec![Place::default(); world.regions.len()], seed }
    }

    /// What a request that is sent now costs there on average.
    pub(crate) fn mean(&self, region: usize, at: f64, request: &Request) -> f64 {
        let place = &self.places[region];
        let world = &self.world.regions[region];
        world.mean(at, request, place.in_flight, place.is_cold(at)) + place.spent(world, at)
    }

    pub(crate) fn in_flight(&self, region: usize) -> u32 {
        self.places[region].in_flight
    }

    /// Sends a request; it is in flight until [`Self::over`]. Chance is the same for the same request
    /// in the same region, whoever sends it and when.
    pub(crate) fn send(
        &mut self,
        (number, request): (usize, &Request),
        to: usize,
        at: f64,
    ) -> Fate {
        let region = &self.world.regions[to];
        let place = &mut self.places[to];
        let cold = place.connect(at);
        let in_flight = place.in_flight;
        place.in_flight += 1;
        let mut chance = Chance::new(self.seed ^ (number as u64) << 20 ^ (to as u64) << 8);
        let (fails, tails) = (chance.unit(), chance.unit());
        let (scatter, scatter_of_rest) = (chance.normal(), chance.normal());

        if let Some(hint) = place.refuses(region, at) {
            return Fate::Failed { at: at + REFUSED_AFTER, fault: Fault::Throttled(hint) };
        }
        if fails < region.failing(at) {
            return Fate::Failed { at: at + region.fails_after / 1_000.0, fault: Fault::Failure };
        }
        let tail = if tails < region.tail.0 { region.tail.1 } else { 1.0 };
        let median = region.first(at, request.prompt, in_flight);
        let connect = if cold { region.connect } else { 0.0 };
        let takes = (median * tail * (region.scatter * scatter).exp() + connect) / 1_000.0;
        let first = region.hangs_until(at).unwrap_or(at) + takes;
        if first > at + TIMEOUT {
            return Fate::Failed { at: at + TIMEOUT, fault: Fault::Failure };
        }
        let rest = f64::from(request.output) * region.per_output * (0.1 * scatter_of_rest).exp();
        Fate::Answered { first, end: first + rest / 1_000.0 }
    }

    /// A request is over; its connection is idle unless it was broken off.
    pub(crate) fn over(&mut self, region: usize, at: f64, broken_off: bool) {
        let place = &mut self.places[region];
        place.in_flight -= 1;
        if !broken_off {
            place.idle.push(at);
        }
    }

    /// When a probe that is sent now comes back, or fails.
    pub(crate) fn probe(&self, to: usize, at: f64, chance: &mut Chance) -> (f64, bool) {
        let region = &self.world.regions[to];
        if chance.unit() < region.failing(at) {
            return (at + region.fails_after / 1_000.0, false);
        }
        let tail = if chance.unit() < region.tail.0 { region.tail.1 } else { 1.0 };
        let median = region.first(at, PROBE_PROMPT, self.in_flight(to));
        let takes = median * tail * (region.scatter * chance.normal()).exp() / 1_000.0;
        let back = region.hangs_until(at).unwrap_or(at) + takes;
        let timeout = at + PROBE_TIMEOUT * self.world.interval;
        if back > timeout { (timeout, false) } else { (back, true) }
    }
}

impl Place {
    fn is_cold(&self, at: f64) -> bool {
        self.idle.iter().all(|since| *since < at - IDLE)
    }

    /// Takes the connection that was used last; says whether a new one is needed.
    fn connect(&mut self, at: f64) -> bool {
        self.idle.retain(|since| *since >= at - IDLE);
        self.idle.pop().is_none()
    }

    fn left(&self, per_second: f64, at: f64) -> f64 {
        let (left, since) = self.quota;
        (left + (at - since) * per_second).min(per_second.max(1.0))
    }

    /// What the oracle sees in a used up quota.
    fn spent(&self, region: &Region, at: f64) -> f64 {
        match region.throttle {
            Some(throttle) if self.left(throttle.per_second, at) < 1.0 => SPENT,
            _ => 0.0,
        }
    }

    /// Takes one from the quota; the hint if nothing is left of it.
    fn refuses(&mut self, region: &Region, at: f64) -> Option<Option<f64>> {
        let throttle = region.throttle?;
        let left = self.left(throttle.per_second, at);
        let refused = left < 1.0;
        self.quota = (if refused { left } else { left - 1.0 }, at);
        let wait = ((1.0 - left) / throttle.per_second).max(LEAST_HINT);
        refused.then_some(throttle.hints.then_some(wait))
    }
}

/// Seconds that a connection is kept idle.
const IDLE: f64 = 2.0;
/// Seconds until a refusal.
const REFUSED_AFTER: f64 = 0.005;
/// Seconds until the client's own proxy gives up on a first token.
const TIMEOUT: f64 = 10.0;
/// Of a probe, in intervals.
pub(crate) const PROBE_TIMEOUT: f64 = 2.0;
/// Tokens.
const PROBE_PROMPT: u32 = 8;
/// Seconds.
const LEAST_HINT: f64 = 0.05;
/// More than any region costs that has not failed.
const SPENT: f64 = 100_000.0;
