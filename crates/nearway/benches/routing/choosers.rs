//! Ways to choose that need no process: the oracle, a fixed region, and what other balancers do.

use std::{fmt::Debug, rc::Rc};

use fastrand::Rng;

use crate::world::{Request, World};

/// Chooses among the regions that were not tried.
pub(crate) trait Chooser: Debug {
    fn choose(&mut self, sight: &Sight<'_>) -> usize;
    /// A request took so many milliseconds there, or failed.
    fn seen(&mut self, _at: f64, _region: usize, _millis: f64) {}
}

/// What there is to see when a request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    /// Seconds since the regions began.
    pub(crate) at: f64,
    pub(crate) request: Request,
    /// Regions that were not tried.
    pub(crate) free: &'a [usize],
    /// Requests in flight, by region.
    pub(crate) in_flight: &'a [u32],
    /// Regions to which no connection stands unused.
    pub(crate) cold: &'a [bool],
}

/// Knows the world, and what it used of each quota.
#[derive(Debug)]
pub(crate) struct Oracle {
    world: Rc<World>,
    /// By region.
    sent: Vec<u32>,
}

impl Oracle {
    pub(crate) fn new(world: Rc<World>) -> Self {
        let sent = vec![0; world.regions.len()];
        Self { world, sent }
    }

    fn cost(&self, sight: &Sight<'_>, place: usize) -> f64 {
        let Some(region) = self.world.regions.get(place) else { return f64::INFINITY };
        let sent = self.sent.get(place).copied().unwrap_or(0);
        if region.throttle.is_some_and(|throttle| sent >= throttle.per_minute) {
            return f64::INFINITY;
        }
        let cold = sight.cold.get(place).copied().unwrap_or(false);
        let connect = if cold { region.connect_ms } else { 0.0 };
        self.world.cost(place, sight.at, sight.request, sight.load(place)) + connect
    }
}

impl Chooser for Oracle {
    fn choose(&mut self, sight: &Sight<'_>) -> usize {
        let place = sight.least(|place| self.cost(sight, place));
        if let Some(sent) = self.sent.get_mut(place) {
            *sent += 1;
        }
        place
    }
}

#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) usize);

impl Chooser for Fixed {
    fn choose(&mut self, sight: &Sight<'_>) -> usize {
        sight.least(|place| if place == self.0 { 0.0 } else { 1.0 })
    }
}

#[derive(Debug, Default)]
pub(crate) struct RoundRobin(usize);

impl Chooser for RoundRobin {
    fn choose(&mut self, sight: &Sight<'_>) -> usize {
        self.0 += 1;
        let all = sight.in_flight.len();
        (self.0..self.0 + all)
            .map(|turn| turn % all)
            .find(|place| sight.free.contains(place))
            .unwrap_or(0)
    }
}

#[derive(Debug)]
pub(crate) struct LeastConnections(pub(crate) Rng);

impl Chooser for LeastConnections {
    fn choose(&mut self, sight: &Sight<'_>) -> usize {
        // equals in random order
        let mut free = sight.free.to_vec();
        self.0.shuffle(&mut free);
        Sight { free: &free, ..*sight }.least(|place| f64::from(sight.load(place)))
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
    fn choose(&mut self, sight: &Sight<'_>) -> usize {
        let mut two = sight.free.to_vec();
        self.rng.shuffle(&mut two);
        two.truncate(2);
        let latency = |place: usize| self.latencies.get(place).map_or(0.0, |(millis, _)| *millis);
        let cost = |place: usize| latency(place) * (f64::from(sight.load(place)) + 1.0);
        Sight { free: &two, ..*sight }.least(cost)
    }

    fn seen(&mut self, at: f64, region: usize, millis: f64) {
        let Some((latency, since)) = self.latencies.get_mut(region) else { return };
        let keeps = if millis > *latency { 0.0 } else { (-(at - *since) / FADES_IN).exp() };
        *latency = *latency * keeps + millis * (1.0 - keeps);
        *since = at;
    }
}

impl Sight<'_> {
    fn load(&self, place: usize) -> u32 {
        self.in_flight.get(place).copied().unwrap_or(0)
    }

    /// The first of the free ones that cost least.
    fn least(&self, cost: impl Fn(usize) -> f64) -> usize {
        let free = self.free.iter().copied();
        free.min_by(|one, other| cost(*one).total_cmp(&cost(*other))).unwrap_or(0)
    }
}

/// Seconds.
const FADES_IN: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds;

    const STREAM: Request = Request { at: 5.0, prompt: 100, streams: true };
    const ALL: Sight<'_> = Sight {
        at: 5.0,
        request: STREAM,
        free: &[0, 1, 2],
        in_flight: &[0, 0, 0],
        cold: &[false, false, false],
    };

    #[test]
    fn the_oracle_pays_for_connections_only_where_none_stands() {
        let mut oracle = Oracle::new(Rc::new(worlds::named("cold connections")));
        assert_eq!(oracle.choose(&ALL), 0);
        assert_eq!(oracle.choose(&Sight { cold: &[true, false, false], ..ALL }), 1);
        assert_eq!(oracle.choose(&Sight { cold: &[true; 3], ..ALL }), 0);
    }

    #[test]
    fn the_oracle_knows_when_a_quota_is_used_up() {
        let mut oracle = Oracle::new(Rc::new(worlds::named("throttled")));
        let chosen: Vec<_> = (0..302).map(|_| oracle.choose(&ALL)).collect();
        assert!(chosen[..300].iter().all(|place| *place == 0));
        assert_eq!(chosen[300..], [1, 1]);
    }

    #[test]
    fn round_robin_takes_turns_and_skips_what_was_tried() {
        let mut robin = RoundRobin::default();
        let turns: Vec<_> = (0..4).map(|_| robin.choose(&ALL)).collect();
        assert_eq!(turns, [1, 2, 0, 1]);
        assert_eq!(robin.choose(&Sight { free: &[0, 1], ..ALL }), 0);
    }

    #[test]
    fn a_fixed_region_is_left_only_when_it_was_tried() {
        assert_eq!(Fixed(2).choose(&ALL), 2);
        assert_eq!(Fixed(2).choose(&Sight { free: &[0, 1], ..ALL }), 0);
    }

    #[test]
    fn the_least_loaded_is_chosen() {
        let sight = Sight { in_flight: &[3, 1, 2], ..ALL };
        assert_eq!(LeastConnections(Rng::with_seed(1)).choose(&sight), 1);
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let mut ewma = PeakEwma::new(2);
        ewma.seen(1.0, 0, 500.0);
        let sight = Sight { free: &[0, 1], in_flight: &[0, 0], ..ALL };
        assert_eq!(ewma.choose(&sight), 1);
        ewma.seen(1.0 + 3.0 * FADES_IN, 0, 10.0);
        assert!(ewma.latencies[0].0 < 40.0);
        assert_eq!(ewma.choose(&sight), 0);
    }
}
