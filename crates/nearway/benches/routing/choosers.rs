//! Ways to choose that need no process: the oracle, a fixed region, and what other balancers do.

use std::{fmt::Debug, rc::Rc};

use fastrand::Rng;

use crate::worlds::{Request, World};

/// Chooses among the regions that were not tried.
pub(crate) trait Chooser: Debug {
    fn choose(&mut self, at: f64, request: Request, free: &[usize], in_flight: &[u32]) -> usize;
    /// A request took so many milliseconds there, or failed.
    fn seen(&mut self, _at: f64, _region: usize, _millis: f64) {}
}

#[derive(Debug)]
pub(crate) struct Oracle(pub(crate) Rc<World>);

impl Chooser for Oracle {
    fn choose(&mut self, at: f64, request: Request, free: &[usize], in_flight: &[u32]) -> usize {
        let cost = |place: usize| self.0.cost(place, at, request, load(in_flight, place));
        least(free, cost)
    }
}

#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) usize);

impl Chooser for Fixed {
    fn choose(&mut self, _: f64, _: Request, free: &[usize], _: &[u32]) -> usize {
        if free.contains(&self.0) { self.0 } else { free.first().copied().unwrap_or(self.0) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct RoundRobin(usize);

impl Chooser for RoundRobin {
    fn choose(&mut self, _: f64, _: Request, free: &[usize], in_flight: &[u32]) -> usize {
        self.0 += 1;
        let all = in_flight.len();
        (self.0..self.0 + all)
            .map(|turn| turn % all)
            .find(|place| free.contains(place))
            .unwrap_or(0)
    }
}

#[derive(Debug)]
pub(crate) struct LeastConnections(pub(crate) Rng);

impl Chooser for LeastConnections {
    fn choose(&mut self, _: f64, _: Request, free: &[usize], in_flight: &[u32]) -> usize {
        // equals in random order
        let mut free = free.to_vec();
        self.0.shuffle(&mut free);
        least(&free, |place| f64::from(load(in_flight, place)))
    }
}

/// Of two random regions the one with the lesser product of latency and load. The latency jumps up at
/// once and fades with time.
#[derive(Debug)]
pub(crate) struct PeakEwma {
    /// Milliseconds, and when they were seen.
    latencies: Vec<(f64, f64)>,
    rng: Rng,
}

impl PeakEwma {
    pub(crate) fn new(regions: usize) -> Self {
        Self { latencies: vec![(50.0, 0.0); regions], rng: Rng::with_seed(9) }
    }
}

impl Chooser for PeakEwma {
    fn choose(&mut self, _: f64, _: Request, free: &[usize], in_flight: &[u32]) -> usize {
        let mut two = free.to_vec();
        self.rng.shuffle(&mut two);
        two.truncate(2);
        let latency = |place: usize| self.latencies.get(place).map_or(0.0, |(millis, _)| *millis);
        least(&two, |place| latency(place) * (f64::from(load(in_flight, place)) + 1.0))
    }

    fn seen(&mut self, at: f64, region: usize, millis: f64) {
        let Some((latency, since)) = self.latencies.get_mut(region) else { return };
        let keeps = if millis > *latency { 0.0 } else { (-(at - *since) / FADES_IN).exp() };
        *latency = *latency * keeps + millis * (1.0 - keeps);
        *since = at;
    }
}

fn load(in_flight: &[u32], place: usize) -> u32 {
    in_flight.get(place).copied().unwrap_or(0)
}

fn least(free: &[usize], cost: impl Fn(usize) -> f64) -> usize {
    let least = free.iter().copied().min_by(|one, other| cost(*one).total_cmp(&cost(*other)));
    least.unwrap_or(0)
}

/// Seconds.
const FADES_IN: f64 = 5.0;
