//! How one region behaves: what a request takes there at a given instant, chance aside, and when it
//! fails. Times of requests in milliseconds, times of the script in seconds since it began.

use std::f64::consts::TAU;

use crate::world::Request;

#[derive(Clone, Debug)]
pub(crate) struct Region {
    /// To the first token of a tiny prompt.
    pub(crate) base: f64,
    /// What a thousand prompt tokens add.
    pub(crate) per_thousand: f64,
    /// From one output token to the next.
    pub(crate) per_output: f64,
    /// What each request that is already in flight adds.
    pub(crate) per_in_flight: f64,
    /// Standard deviation of the logarithm of a time.
    pub(crate) scatter: f64,
    /// A share of the requests takes so many times as long.
    pub(crate) tail: (f64, f64),
    /// From then on, the base is multiplied by this.
    pub(crate) steps: Vec<(f64, f64)>,
    /// A swing of the base: its share, its period, and where in it the script begins.
    pub(crate) drift: (f64, f64, f64),
    /// From when to when nothing is answered; what waits is answered afterwards.
    pub(crate) hangs: Vec<(f64, f64)>,
    /// From when to when a share of the requests fails.
    pub(crate) failures: Vec<(f64, f64, f64)>,
    /// How soon they do.
    pub(crate) fails_after: f64,
    pub(crate) throttle: Option<Throttle>,
    /// What a request takes longer that finds no idle connection.
    pub(crate) connect: f64,
}

/// More requests a second are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttle {
    pub(crate) per_second: f64,
    /// Whether a refusal tells when to come back.
    pub(crate) hints: bool,
}

/// A healthy one that takes so long.
pub(crate) fn region(base: f64) -> Region {
    Region {
        base,
        per_thousand: 20.0,
        per_output: 5.0,
        per_in_flight: 0.0,
        scatter: 0.15,
        tail: (0.0, 1.0),
        steps: Vec::new(),
        drift: (0.0, 1.0, 0.0),
        hangs: Vec::new(),
        failures: Vec::new(),
        fails_after: 5.0,
        throttle: None,
        connect: 0.0,
    }
}

impl Region {
    /// The median time to the first token, with so many others in flight.
    pub(crate) fn first(&self, at: f64, prompt: u32, in_flight: u32) -> f64 {
        let (share, period, phase) = self.drift;
        let swing = 1.0 + share * (TAU * (at / period + phase)).sin();
        let step = self.steps.iter().rev().find(|(from, _)| *from <= at);
        self.base * step.map_or(1.0, |(_, times)| *times) * swing
            + self.per_thousand * f64::from(prompt) / 1_000.0
            + self.per_in_flight * f64::from(in_flight)
    }

    /// When it answers again, if it hangs.
    pub(crate) fn hangs_until(&self, at: f64) -> Option<f64> {
        let hang = self.hangs.iter().find(|(from, to)| (*from..*to).contains(&at));
        hang.map(|(_, to)| *to)
    }

    /// The share of requests that fails.
    pub(crate) fn failing(&self, at: f64) -> f64 {
        let spell = self.failures.iter().find(|(from, to, _)| (*from..*to).contains(&at));
        spell.map_or(0.0, |(_, _, share)| *share)
    }

    /// What the oracle knows: the mean cost of a request that is sent now.
    pub(crate) fn mean(&self, at: f64, request: &Request, in_flight: u32, cold: bool) -> f64 {
        let (share, times) = self.tail;
        let scattered = (self.scatter * self.scatter / 2.0).exp() * (1.0 + share * (times - 1.0));
        let rest = if request.streams { 0.0 } else { f64::from(request.output) * self.per_output };
        let hangs = self.hangs_until(at).map_or(0.0, |to| (to - at) * 1_000.0);
        let connect = if cold { self.connect } else { 0.0 };
        self.first(at, request.prompt, in_flight) * scattered
            + rest
            + hangs
            + connect
            + self.failing(at) * FAILURE
    }
}

/// What a failed request costs.
pub(crate) const FAILURE: f64 = 1_000.0;
