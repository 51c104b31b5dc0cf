//! The worlds of the benchmark: one for each way in which regions differ, change or fail.

use nearway_sim::{Brownout, Drift, Failures, Hang, Hint, RegionWorld, Step, Tail, Throttle};

use crate::world::{DEPLOYMENT, KEY, OUTPUT, World};

pub(crate) fn all() -> Vec<World> {
    let mut all = changing();
    all.extend(failing());
    all.extend(differing());
    all
}

fn changing() -> Vec<World> {
    let steps = |base, steps: &[(f64, f64)]| RegionWorld {
        steps: steps
            .iter()
            .map(|(at_s, base_ms)| Step { at_s: *at_s, base_ms: *base_ms })
            .collect(),
        ..region(base)
    };
    let drift = |base, amount_ms, period_s| RegionWorld {
        drift: Some(Drift { amount_ms, period_s }),
        ..region(base)
    };
    let brown = |from_s, for_s, factor| Brownout { from_s, for_s, factor, failure_rate: 0.0 };
    let brownout = RegionWorld { brownouts: vec![brown(14.0, 10.0, 8.0)], ..region(100.0) };
    let bursts = [6.0, 11.5, 15.0, 22.0, 26.5, 34.0].map(|from| brown(from, 1.0, 6.0));
    let bursting = RegionWorld { brownouts: bursts.into(), ..region(100.0) };
    let five = vec![
        drift(140.0, 30.0, 25.0),
        drift(120.0, 25.0, 31.0),
        region(200.0),
        drift(170.0, 35.0, 37.0),
        region(125.0),
    ];
    vec![
        world("steady", vec![region(100.0), region(130.0), region(200.0)]),
        world(
            "crossover",
            vec![steps(100.0, &[(14.0, 220.0)]), steps(180.0, &[(27.0, 110.0)]), region(260.0)],
        ),
        world(
            "slow drift",
            vec![drift(150.0, 60.0, 30.0), drift(160.0, 60.0, 22.0), region(170.0)],
        ),
        world("brown-out", vec![brownout, region(160.0), region(220.0)]),
        world("spike bursts", vec![bursting, region(150.0), region(190.0)]),
        world("five regions", five),
        World {
            rate: 0.7,
            ..world(
                "hardly any traffic",
                vec![steps(100.0, &[(20.0, 260.0)]), region(150.0), region(200.0)],
            )
        },
    ]
}

fn failing() -> Vec<World> {
    let with = |first| vec![first, region(140.0), region(180.0)];
    let throttle = Throttle { per_minute: 300, hint: Hint::Both, retry_after_ms: Some(1_000) };
    let failures = Some(Failures { rate: 0.2, status: 503 });
    let tail =
        |base, rate, factor| RegionWorld { tail: Some(Tail { rate, factor }), ..region(base) };
    vec![
        world("throttled", with(RegionWorld { throttle: Some(throttle), ..region(90.0) })),
        world("fast-failing", with(RegionWorld { failures, ..region(100.0) })),
        world(
            "stalled",
            with(RegionWorld { hangs: vec![Hang { from_s: 15.0, for_s: 8.0 }], ..region(100.0) }),
        ),
        world("heavy tails", vec![tail(100.0, 0.04, 8.0), tail(140.0, 0.01, 5.0), region(170.0)]),
    ]
}

fn differing() -> Vec<World> {
    let load = |base, per_in_flight_ms| RegionWorld { per_in_flight_ms, ..region(base) };
    let prompt =
        |base, per_thousand_prompt_ms| RegionWorld { per_thousand_prompt_ms, ..region(base) };
    let speed = |base, per_token_ms| RegionWorld { per_token_ms, ..region(base) };
    // closed after a thirtieth of a minute, so that not all stand soon
    let cold =
        |base, connect_ms| RegionWorld { connect_ms, idle_close_ms: Some(2_000.0), ..region(base) };
    vec![
        World {
            prompt: 8_000.0,
            ..world(
                "fast probes, slow prompts",
                vec![prompt(80.0, 120.0), prompt(130.0, 15.0), region(220.0)],
            )
        },
        World {
            rate: 40.0,
            ..world("load-dependent", vec![load(100.0, 14.0), load(130.0, 8.0), load(160.0, 5.0)])
        },
        world("near-equal", vec![load(100.0, 4.0), load(104.0, 4.0), region(180.0)]),
        World {
            rate: 8.0,
            ..world(
                "cold connections",
                vec![cold(100.0, 150.0), cold(115.0, 150.0), cold(180.0, 80.0)],
            )
        },
        world("token speed", vec![speed(90.0, 18.0), speed(150.0, 4.0), region(220.0)]),
    ]
}

fn region(base_ms: f64) -> RegionWorld {
    RegionWorld {
        base_ms,
        jitter_ms: base_ms * 0.2,
        per_token_ms: 5.0,
        per_thousand_prompt_ms: 20.0,
        tokens: OUTPUT,
        ..RegionWorld::new("", KEY).with_deployments(&[DEPLOYMENT])
    }
}

fn world(name: &'static str, mut regions: Vec<RegionWorld>) -> World {
    for (place, region) in regions.iter_mut().enumerate() {
        region.name = format!("r{place}");
    }
    World { name, regions, rate: 20.0, prompt: 2_000.0 }
}

#[cfg(test)]
pub(crate) fn named(name: &str) -> World {
    all().into_iter().find(|world| world.name == name).unwrap()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nearway_sim::World as Script;

    use super::*;
    use crate::world::END;

    #[test]
    fn all_can_be_played_and_told_apart() {
        let worlds = all();
        let names: BTreeSet<_> = worlds.iter().map(|world| world.name).collect();
        assert_eq!((worlds.len(), names.len()), (16, 16));
        for world in worlds {
            Script { regions: world.regions, ..Script::default() }.check().unwrap();
        }
    }

    #[test]
    fn all_changes_are_over_before_the_requests_are() {
        for world in all() {
            for region in &world.regions {
                let steps = region.steps.iter().map(|step| step.at_s);
                let browns = region.brownouts.iter().map(|brown| brown.from_s + brown.for_s);
                let hangs = region.hangs.iter().map(|hang| hang.from_s + hang.for_s);
                assert!(
                    steps.chain(browns).chain(hangs).all(|at| at < END - 5.0),
                    "{}",
                    world.name
                );
            }
        }
    }
}
