//! What the script says about a region at one time: steps, drift and brown-outs.
//!
//! Pure: a region's world and a time since the start give the [`Weather`]. `latency.rs` turns the
//! weather into the delays of one request. No randomness here.

use std::f64::consts::TAU;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::world::RegionWorld;

/// From `at_s` on, the region's `base_ms` is this one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Seconds since the start of the world.
    pub at_s: f64,
    /// Milliseconds to the first token from then on.
    pub base_ms: f64,
}

/// A slow swing of the first token's time: a sine that starts at zero, rising.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Milliseconds that the swing adds at its top and takes away at its bottom.
    pub amount_ms: f64,
    /// Seconds from one top to the next; 0 stands still.
    pub period_s: f64,
}

/// A spell in which the region is slower and may fail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brownout {
    /// Seconds since the start of the world at which it begins.
    pub from_s: f64,
    /// Seconds that it lasts.
    pub for_s: f64,
    /// First token and token times are multiplied by this.
    #[serde(default = "default_factor")]
    pub factor: f64,
    /// Share of the requests that fail with 503 meanwhile, 0 to 1.
    #[serde(default)]
    pub failure_rate: f64,
}

/// A spell in which the region answers nothing; what waits is answered afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    /// Seconds since the start of the world at which it begins.
    pub from_s: f64,
    /// Seconds that it lasts.
    pub for_s: f64,
}

/// Some of the requests take much longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Share of the requests, 0 to 1.
    pub rate: f64,
    /// Their first token's time is multiplied by this.
    pub factor: f64,
}

/// What holds for a region at one time, chance aside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weather {
    /// Milliseconds to the first token: base or the latest step, with drift.
    pub(crate) base_ms: f64,
    /// Milliseconds that drift adds (or takes away) just now; already inside `base_ms`.
    pub(crate) drift_ms: f64,
    /// How much slower than usual: the product of all brown-outs that hold.
    pub(crate) factor: f64,
    /// Share of requests that a brown-out fails.
    pub(crate) failure_rate: f64,
    /// Milliseconds for which nothing is answered still.
    pub(crate) hangs_ms: f64,
}

/// The weather of `region`, `elapsed` after the start; `repeat` begins the script again and again.
pub(crate) fn weather(
    region: &RegionWorld,
    repeat: Option<Duration>,
    elapsed: Duration,
) -> Weather {
    let now = elapsed.as_secs_f64();
    let scripted = script_time(repeat, elapsed);
    let base_ms = region
        .steps
        .iter()
        .filter(|step| step.at_s <= scripted)
        .max_by(|a, b| a.at_s.total_cmp(&b.at_s))
        .map_or(region.base_ms, |step| step.base_ms);
    let drift_ms = region
        .drift
        .filter(|drift| drift.period_s > 0.0)
        .map_or(0.0, |drift| drift.amount_ms * (TAU * now / drift.period_s).sin());
    let hangs = |hang: &Hang| (hang.from_s..hang.from_s + hang.for_s).contains(&scripted);
    let hang = region.hangs.iter().find(|hang| hangs(hang));
    let mut weather = Weather {
        base_ms: base_ms + drift_ms,
        drift_ms,
        factor: 1.0,
        failure_rate: 0.0,
        hangs_ms: hang.map_or(0.0, |hang| (hang.from_s + hang.for_s - scripted) * 1000.0),
    };
    for brownout in &region.brownouts {
        if scripted >= brownout.from_s && scripted < brownout.from_s + brownout.for_s {
            weather.factor *= brownout.factor;
            weather.failure_rate = weather.failure_rate.max(brownout.failure_rate);
        }
    }
    weather
}

/// Seconds since the script began, or began again.
pub(crate) fn script_time(repeat: Option<Duration>, elapsed: Duration) -> f64 {
    match repeat {
        Some(repeat) if !repeat.is_zero() => elapsed.as_secs_f64() % repeat.as_secs_f64(),
        _ => elapsed.as_secs_f64(),
    }
}

fn default_factor() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: &RegionWorld, seconds: u64) -> Weather {
        weather(region, None, Duration::from_secs(seconds))
    }

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-6
    }

    #[test]
    fn the_latest_step_holds_whatever_the_order_in_the_file() {
        let mut region = RegionWorld::new("eastus", "k").with_base_ms(100.0);
        region.steps =
            vec![Step { at_s: 60.0, base_ms: 300.0 }, Step { at_s: 30.0, base_ms: 200.0 }];
        for (seconds, expected) in [(0, 100.0), (29, 100.0), (30, 200.0), (60, 300.0), (900, 300.0)]
        {
            assert!(near(at(&region, seconds).base_ms, expected), "after {seconds} s");
        }
    }

    #[test]
    fn a_repeated_script_returns_to_its_beginning() {
        let mut region = RegionWorld::new("eastus", "k").with_base_ms(100.0);
        region.steps = vec![Step { at_s: 60.0, base_ms: 300.0 }];
        let repeat = Some(Duration::from_secs(90));
        for (seconds, expected) in [(59, 100.0), (61, 300.0), (91, 100.0), (151, 300.0)] {
            let weather = weather(&region, repeat, Duration::from_secs(seconds));
            assert!(near(weather.base_ms, expected), "after {seconds} s");
        }
    }

    #[test]
    fn drift_swings_around_the_base() {
        let mut region = RegionWorld::new("eastus", "k").with_base_ms(100.0);
        region.drift = Some(Drift { amount_ms: 40.0, period_s: 40.0 });
        for (seconds, expected) in [(0, 100.0), (10, 140.0), (20, 100.0), (30, 60.0), (40, 100.0)] {
            assert!(near(at(&region, seconds).base_ms, expected), "after {seconds} s");
        }
    }

    #[test]
    fn a_brown_out_begins_and_ends() {
        let mut region = RegionWorld::new("eastus", "k").with_base_ms(100.0);
        region.brownouts =
            vec![Brownout { from_s: 10.0, for_s: 5.0, factor: 4.0, failure_rate: 0.5 }];
        assert!(near(at(&region, 9).factor, 1.0));
        assert!(near(at(&region, 10).factor, 4.0));
        assert!(near(at(&region, 10).failure_rate, 0.5));
        assert!(near(at(&region, 15).factor, 1.0));
    }

    #[test]
    fn a_hang_lasts_until_its_end() {
        let mut region = RegionWorld::new("eastus", "k").with_base_ms(100.0);
        region.hangs = vec![Hang { from_s: 10.0, for_s: 5.0 }];
        for (seconds, expected) in [(9, 0.0), (10, 5_000.0), (14, 1_000.0), (15, 0.0)] {
            assert!(near(at(&region, seconds).hangs_ms, expected), "after {seconds} s");
        }
    }
}
