//! How long one request takes and whether it fails, as pure functions.
//!
//! (world, region, time since the start, requests in flight, random numbers) -> delays. The
//! caller (`exchange.rs`) reads the clock and counts; the handlers only wait as told.

use std::time::Duration;

use fastrand::Rng;

use crate::deployment::Deployment;
use crate::script;
use crate::world::RegionWorld;

/// The waits of one answer, all counted from the arrival of the request but the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delays {
    /// Until the response head.
    pub(crate) head: Duration,
    /// Until the first content token; never before the head.
    pub(crate) first_token: Duration,
    /// From one token to the next.
    pub(crate) per_token: Duration,
}

impl Delays {
    /// When an answer of so many tokens is complete.
    pub(crate) fn total(&self, tokens: u32) -> Duration {
        self.first_token + self.per_token * tokens.saturating_sub(1)
    }
}

/// What the delays of a request depend on besides the region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    /// Time since the world began.
    pub(crate) elapsed: Duration,
    /// After this time the script begins again.
    pub(crate) repeat: Option<Duration>,
    /// Other requests that the region is answering.
    pub(crate) in_flight: u32,
    /// Tokens of a chat's prompt; 0 for all else.
    pub(crate) prompt: u32,
    /// The deployment asked for, where one is.
    pub(crate) deployment: Option<&'a Deployment>,
}

/// The delays of one request. Takes exactly one random number, and one more where there is a tail.
pub(crate) fn delays(region: &RegionWorld, conditions: Conditions<'_>, rng: &mut Rng) -> Delays {
    let weather = script::weather(region, conditions.repeat, conditions.elapsed);
    let base_ms = match conditions.deployment.and_then(|deployment| deployment.base_ms) {
        Some(own) => own + weather.drift_ms,
        None => weather.base_ms,
    };
    let jitter_ms = region.jitter_ms * (2.0 * rng.f64() - 1.0);
    let load_ms = region.per_in_flight_ms * f64::from(conditions.in_flight);
    let prompt_ms = region.per_thousand_prompt_ms * f64::from(conditions.prompt) / 1000.0;
    let tail = region.tail.filter(|tail| rng.f64() < tail.rate).map_or(1.0, |tail| tail.factor);
    let takes_ms = (base_ms + jitter_ms + load_ms + prompt_ms) * weather.factor * tail;
    let head = network(region);
    Delays {
        head,
        first_token: millis(weather.hangs_ms + takes_ms).max(head),
        per_token: millis(region.per_token_ms * weather.factor),
    }
}

/// The time to the head of any answer.
pub(crate) fn network(region: &RegionWorld) -> Duration {
    millis(region.network_ms)
}

/// The time for which a new connection is not read.
pub(crate) fn connect(region: &RegionWorld) -> Duration {
    millis(region.connect_ms)
}

/// The time after its latest request at which a connection is closed, if it is.
pub(crate) fn idle_close(region: &RegionWorld) -> Option<Duration> {
    region.idle_close_ms.map(millis)
}

/// The status with which one request fails, if it does. Takes exactly one random number.
pub(crate) fn failure(
    region: &RegionWorld,
    conditions: Conditions<'_>,
    rng: &mut Rng,
) -> Option<u16> {
    let weather = script::weather(region, conditions.repeat, conditions.elapsed);
    let draw = rng.f64();
    if let Some(status) = region.status {
        return Some(status);
    }
    if let Some(failures) = region.failures.filter(|failures| draw < failures.rate) {
        return Some(failures.status);
    }
    (draw < weather.failure_rate).then_some(BROWNOUT_STATUS)
}

/// The random numbers of one request: the same for the same seed, region and request number,
/// whatever else the process does.
pub(crate) fn rng(seed: u64, region: &str, number: u64) -> Rng {
    // FNV-1a over the name: regions of one world draw different numbers, in any order of the file
    let name = region.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut outer = Rng::with_seed(seed ^ name);
    Rng::with_seed(outer.u64(..) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Negative and not-a-number count as nothing. The bound keeps any number of tokens a `Duration`.
fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms.clamp(0.0, WAIT_MOST_MS) / 1000.0).unwrap_or_default()
}

/// One day.
const WAIT_MOST_MS: f64 = 86_400_000.0;

/// What a request meets that a brown-out fails.
const BROWNOUT_STATUS: u16 = 503;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Failures;
    use crate::script::{Brownout, Hang, Tail};

    const NOW: Conditions<'static> = Conditions {
        elapsed: Duration::ZERO,
        repeat: None,
        in_flight: 0,
        prompt: 0,
        deployment: None,
    };

    fn region() -> RegionWorld {
        RegionWorld { per_token_ms: 10.0, ..RegionWorld::new("eastus", "k").with_base_ms(100.0) }
    }

    #[test]
    fn without_jitter_the_base_is_the_first_token() {
        let delays = delays(&region(), NOW, &mut Rng::with_seed(1));
        assert_eq!(delays.first_token, Duration::from_millis(100));
        assert_eq!(delays.total(1), Duration::from_millis(100));
        assert_eq!(delays.total(11), Duration::from_millis(200));
        assert_eq!(delays.total(0), Duration::from_millis(100));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_centres_on_the_base() {
        let region = RegionWorld { jitter_ms: 30.0, ..region() };
        let draws: Vec<f64> = (0..2_000)
            .map(|number| delays(&region, NOW, &mut rng(7, "eastus", number)).first_token)
            .map(|first_token| first_token.as_secs_f64() * 1000.0)
            .collect();
        assert!(draws.iter().all(|ms| (70.0..=130.0).contains(ms)));
        let mean = draws.iter().sum::<f64>() / 2_000.0;
        assert!((98.0..=102.0).contains(&mean), "mean {mean}");
    }

    #[test]
    fn the_same_seed_region_and_number_draw_the_same() {
        let region = RegionWorld { jitter_ms: 30.0, ..region() };
        let draw = |seed, name, number| delays(&region, NOW, &mut rng(seed, name, number));
        assert_eq!(draw(7, "eastus", 3), draw(7, "eastus", 3));
        assert_ne!(draw(7, "eastus", 3), draw(7, "eastus", 4));
        assert_ne!(draw(7, "eastus", 3), draw(7, "westus", 3));
        assert_ne!(draw(7, "eastus", 3), draw(8, "eastus", 3));
    }

    #[test]
    fn load_and_brown_outs_slow_the_region() {
        let mut region = RegionWorld { per_in_flight_ms: 5.0, ..region() };
        region.brownouts =
            vec![Brownout { from_s: 0.0, for_s: 10.0, factor: 3.0, failure_rate: 0.0 }];
        let busy = Conditions { in_flight: 4, ..NOW };
        let slow = delays(&region, busy, &mut Rng::with_seed(1));
        assert_eq!(slow.first_token, Duration::from_millis(360));
        assert_eq!(slow.per_token, Duration::from_millis(30));
    }

    #[test]
    fn long_prompts_tails_and_hangs_delay_the_first_token() {
        let mut region = RegionWorld { per_thousand_prompt_ms: 40.0, ..region() };
        let first = |region: &RegionWorld, prompt| {
            let conditions = Conditions { prompt, ..NOW };
            delays(region, conditions, &mut Rng::with_seed(1)).first_token
        };
        assert_eq!(first(&region, 500), Duration::from_millis(120));
        region.tail = Some(Tail { rate: 1.0, factor: 3.0 });
        assert_eq!(first(&region, 500), Duration::from_millis(360));
        region.hangs = vec![Hang { from_s: 0.0, for_s: 2.0 }];
        assert_eq!(first(&region, 500), Duration::from_millis(2_360));
    }

    #[test]
    fn the_first_token_never_precedes_the_head() {
        let region = RegionWorld { network_ms: 500.0, ..region() };
        let delays = delays(&region, NOW, &mut Rng::with_seed(1));
        assert_eq!(delays.head, Duration::from_millis(500));
        assert_eq!(delays.first_token, Duration::from_millis(500));
    }

    #[test]
    fn a_deployment_may_have_a_time_of_its_own() {
        let own = Deployment { base_ms: Some(40.0), ..Deployment::new("mini") };
        let conditions = Conditions { deployment: Some(&own), ..NOW };
        let delays = delays(&region(), conditions, &mut Rng::with_seed(1));
        assert_eq!(delays.first_token, Duration::from_millis(40));
    }

    #[test]
    fn failures_come_at_their_rate_and_an_override_always() {
        let mut region = region();
        let count = |region: &RegionWorld| {
            (0..1_000).filter(|n| failure(region, NOW, &mut rng(1, "eastus", *n)).is_some()).count()
        };
        assert_eq!(count(&region), 0);
        region.failures = Some(Failures { rate: 0.3, status: 500 });
        assert!((250..350).contains(&count(&region)), "{} of 1000", count(&region));
        region.status = Some(429);
        assert_eq!(failure(&region, NOW, &mut rng(1, "eastus", 0)), Some(429));
    }
}
