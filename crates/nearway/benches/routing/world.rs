//! A world: its regions as the simulator plays them, the requests that come, and what the oracle knows.

use fastrand::Rng;
use nearway_sim::RegionWorld;

/// The regions and their requests.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) regions: Vec<RegionWorld>,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Most prompt tokens; the least are 20.
    pub(crate) prompt: f64,
}

/// One client's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Seconds since the regions began.
    pub(crate) at: f64,
    /// Tokens.
    pub(crate) prompt: u32,
    pub(crate) streams: bool,
}

impl World {
    /// The same for each contestant.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut rng = Rng::with_seed(7);
        let mut at = START;
        let mut requests = Vec::new();
        loop {
            at -= (1.0 - rng.f64()).ln() / self.rate;
            if at > END {
                return requests;
            }
            let tokens = 20.0 * (self.prompt / 20.0).powf(rng.f64());
            requests.push(Request { at, prompt: whole(tokens), streams: rng.f64() < 0.7 });
        }
    }

    /// Milliseconds that a request costs there on average, on a connection that stands: what the oracle
    /// knows.
    pub(crate) fn cost(&self, place: usize, at: f64, request: Request, in_flight: u32) -> f64 {
        let Some(region) = self.regions.get(place) else { return f64::INFINITY };
        let tail = region.tail.map_or(1.0, |tail| 1.0 + tail.rate * (tail.factor - 1.0));
        let failing = region.failures.map_or(0.0, |failures| failures.rate);
        let hang = region.hangs.iter().find(|hang| (0.0..hang.for_s).contains(&(at - hang.from_s)));
        let base = region.steps.iter().rev().find(|step| step.at_s <= at);
        let base = base.map_or(region.base_ms, |step| step.base_ms);
        let drift = region.drift.map_or(0.0, |drift| {
            drift.amount_ms * (std::f64::consts::TAU * at / drift.period_s).sin()
        });
        let brown =
            region.brownouts.iter().filter(|one| (0.0..one.for_s).contains(&(at - one.from_s)));
        let factor: f64 = brown.map(|one| one.factor).product();
        let first = base
            + drift
            + region.per_in_flight_ms * f64::from(in_flight)
            + region.per_thousand_prompt_ms * f64::from(request.prompt) / 1_000.0;
        let rest = if request.streams { 0.0 } else { region.per_token_ms * f64::from(OUTPUT - 1) };
        let hangs = hang.map_or(0.0, |hang| (hang.from_s + hang.for_s - at) * 1_000.0);
        (first * tail + rest) * factor + hangs + failing * FAILURE
    }

    /// The mean of what requests cost where they cost least, with a few others in flight, as far as quotas
    /// go.
    pub(crate) fn least(&self) -> f64 {
        let requests = self.requests();
        let mut used = vec![0; self.regions.len()];
        let costs = requests.iter().map(|request| {
            let cost = |place: usize| self.cost(place, request.at, *request, USUAL_LOAD);
            let places = self.regions.iter().zip(&mut used).enumerate();
            let left = places.filter(|(_, (region, used))| {
                region.throttle.is_none_or(|throttle| **used < throttle.per_minute)
            });
            let best = left.min_by(|(one, _), (other, _)| cost(*one).total_cmp(&cost(*other)));
            best.map_or(f64::INFINITY, |(place, (_, used))| {
                *used += 1;
                cost(place)
            })
        });
        costs.sum::<f64>() / requests.len() as f64
    }

    /// Whether no region ever refuses, fails or hangs.
    pub(crate) fn never_fails(&self) -> bool {
        self.regions.iter().all(|region| {
            region.failures.is_none()
                && region.throttle.is_none()
                && region.hangs.is_empty()
                && region.brownouts.iter().all(|brown| brown.failure_rate <= 0.0)
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(tokens: f64) -> u32 {
    tokens as u32
}

/// Seconds that requests come.
pub(crate) const LENGTH: f64 = 40.0;
/// Seconds until the first request: proxies have started and measured by then.
pub(crate) const START: f64 = 3.0;
/// Seconds until no more requests come. Within the simulator's first minute, so that a quota is not
/// renewed.
pub(crate) const END: f64 = START + LENGTH;
/// Seconds from one probe to the next; a thirtieth of the default.
pub(crate) const INTERVAL: f64 = 1.0;
/// The credential of all regions.
pub(crate) const KEY: &str = "k";
pub(crate) const DEPLOYMENT: &str = "gpt-4o";
/// Tokens of an answer.
pub(crate) const OUTPUT: u32 = 12;
/// Requests in flight in a region.
const USUAL_LOAD: u32 = 3;
/// What a failed request costs, in milliseconds, besides the time that it took.
pub(crate) const FAILURE: f64 = 1_000.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds;

    #[test]
    fn requests_come_at_the_worlds_rate_while_it_lasts() {
        for world in worlds::all() {
            let requests = world.requests();
            let expected = world.rate * LENGTH;
            let off = (requests.len() as f64 - expected).abs();
            assert!(off < 4.0 * expected.sqrt(), "{}: {off} of {expected}", world.name);
            assert!(requests.iter().all(|request| (START..END).contains(&request.at)));
            assert!(requests.is_sorted_by(|one, other| one.at <= other.at));
        }
    }

    #[test]
    fn a_quota_that_is_used_up_leaves_the_next_best() {
        let throttled = worlds::named("throttled");
        let mut free = worlds::named("throttled");
        free.regions[0].throttle = None;
        assert!(throttled.requests().len() > 600, "most find the quota used up");
        assert!(throttled.least() > 1.1 * free.least());
    }

    #[test]
    fn the_oracle_counts_all_that_a_region_does() {
        let world = worlds::named("brown-out");
        let stream = |prompt| Request { at: 0.0, prompt, streams: true };
        let whole = Request { streams: false, ..stream(0) };
        let cost = |at, request| world.cost(0, at, request, 0);
        assert!((cost(5.0, stream(0)) - 100.0).abs() < 1e-9);
        assert!((cost(5.0, stream(1_000)) - 120.0).abs() < 1e-9);
        assert!((cost(5.0, whole) - 155.0).abs() < 1e-9);
        assert!((cost(14.0, whole) - 8.0 * 155.0).abs() < 1e-9);
        assert!((cost(24.0, whole) - 155.0).abs() < 1e-9);
        let stalled = worlds::named("stalled");
        assert!((stalled.cost(0, 15.0, stream(0), 0) - 8_100.0).abs() < 1e-6);
        let failing = worlds::named("fast-failing");
        assert!((failing.cost(0, 5.0, stream(0), 0) - 300.0).abs() < 1e-9);
        let tails = worlds::named("heavy tails");
        assert!((tails.cost(0, 5.0, stream(0), 0) - 128.0).abs() < 1e-9);
        let loaded = worlds::named("load-dependent");
        assert!((loaded.cost(0, 5.0, stream(0), 3) - 142.0).abs() < 1e-9);
    }

    #[test]
    fn failures_are_told_from_slowness() {
        for (name, never) in [("steady", true), ("brown-out", true), ("stalled", false)] {
            assert_eq!(worlds::named(name).never_fails(), never, "{name}");
        }
    }
}
