//! What happens in the demo's world, and the sentence that tells it: one script for both. Pure.
//!
//! Five acts of fifteen seconds, then again from the first one.

use std::time::Duration;

use nearway_sim::{Brownout, RegionWorld, Step, World};

/// How long an act lasts.
const ACT_SECONDS: u32 = 15;

const REGIONS: [&str; 3] = ["eastus", "westus", "westeurope"];

struct Act {
    /// Milliseconds to the first token, in the order of `REGIONS`.
    base_ms: [f64; 3],
    /// Who answers every request with an error.
    failing: Option<&'static str>,
    /// What a person should know.
    told: &'static str,
}

const ACTS: [Act; 5] = [
    Act { base_ms: [90.0, 160.0, 240.0], failing: None, told: "eastus is the nearest" },
    Act { base_ms: [320.0, 160.0, 240.0], failing: None, told: "eastus became slow" },
    Act {
        base_ms: [320.0, 160.0, 240.0],
        failing: Some("westus"),
        told: "westus answers every request with an error",
    },
    Act {
        base_ms: [320.0, 160.0, 60.0],
        failing: None,
        told: "westus works again, but westeurope became the fastest",
    },
    Act {
        base_ms: [55.0, 160.0, 60.0],
        failing: None,
        told: "eastus is 5 ms faster than westeurope: not enough for a switch",
    },
];

/// The deployment that the demo's clients ask for.
pub(super) const DEPLOYMENT: &str = "gpt-4o";

/// The world in which all this happens.
pub(super) fn world() -> World {
    let regions = REGIONS.iter().enumerate().map(|(place, name)| region(place, name)).collect();
    World { seed: 1, repeat_every_s: Some(seconds_of_all().into()), regions }
}

/// What is the case in the world, so long after its start.
pub(super) fn told(since_start: Duration) -> &'static str {
    let second = since_start.as_secs() % u64::from(seconds_of_all());
    let act = usize::try_from(second / u64::from(ACT_SECONDS)).unwrap_or(0);
    ACTS.get(act).map_or("", |act| act.told)
}

fn region(place: usize, name: &str) -> RegionWorld {
    let mut region = RegionWorld::new(name, &format!("demo-key-{name}")).with_deployments(&[
        DEPLOYMENT,
        "gpt-4o-mini",
        "text-embedding-3-small",
        "gpt-realtime",
    ]);
    let step = |(at_s, act): (f64, &Act)| Some(Step { at_s, base_ms: *act.base_ms.get(place)? });
    region.steps = starts().filter_map(step).collect();
    region.brownouts = starts()
        .filter(|(_, act)| act.failing == Some(name))
        .map(|(from_s, _)| Brownout {
            from_s,
            for_s: f64::from(ACT_SECONDS),
            factor: 1.0,
            failure_rate: 1.0,
        })
        .collect();
    region.network_ms = 20.0;
    region.jitter_ms = 4.0;
    region.per_token_ms = 15.0;
    region
}

fn starts() -> impl Iterator<Item = (f64, &'static Act)> {
    ACTS.iter().zip(0_u32..).map(|(act, number)| (f64::from(number * ACT_SECONDS), act))
}

fn seconds_of_all() -> u32 {
    starts().fold(0, |seconds, _| seconds + ACT_SECONDS)
}

/// Every sentence that it may tell, for the test of how they are shown.
#[cfg(test)]
pub(super) fn all_told() -> [&'static str; 5] {
    ACTS.map(|act| act.told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_one_that_can_be_simulated() {
        world().check().unwrap();
        assert_eq!(world().repeat_every_s, Some(75.0));
    }

    #[test]
    fn the_sentence_follows_the_world_and_begins_again() {
        for (second, told_then) in [(0, 0), (14, 0), (15, 1), (74, 4), (75, 0), (91, 1)] {
            assert_eq!(told(Duration::from_secs(second)), ACTS[told_then].told, "{second} s");
        }
        let westus = &world().regions[1];
        assert_eq!((westus.brownouts[0].from_s, westus.brownouts[0].for_s), (30.0, 15.0));
    }
}
