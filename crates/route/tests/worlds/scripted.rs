//! The scripted worlds: one for each way in which regions are known to change.

use crate::{
    chance::Chance,
    region::{Region, Throttle, region},
    world::{World, world},
};

pub(crate) fn all() -> Vec<World> {
    let mut all = changing();
    all.extend(busy());
    all.extend(failing());
    all.extend(differing());
    all
}

/// Times change, requests are alike.
fn changing() -> Vec<World> {
    let stepping = |base, steps: &[(f64, f64)]| Region { steps: steps.to_vec(), ..region(base) };
    let swinging =
        |base, share, period, phase| Region { drift: (share, period, phase), ..region(base) };
    let crossing =
        vec![stepping(100.0, &[(30.0, 2.2)]), stepping(180.0, &[(45.0, 0.6)]), region(260.0)];
    let drifting = vec![
        swinging(150.0, 0.4, 60.0, 0.0),
        swinging(150.0, 0.4, 60.0, 0.4),
        swinging(160.0, 0.35, 40.0, 0.7),
    ];
    let five = [(140.0, 0.0), (120.0, 0.2), (200.0, 0.4), (170.0, 0.6), (110.0, 0.8)];
    let brown = stepping(100.0, &[(30.0, 10.0), (45.0, 1.0)]);
    let rarely = stepping(100.0, &[(150.0, 2.5), (400.0, 1.0)]);
    vec![
        world("steady", vec![region(100.0), region(130.0), region(200.0)]),
        world("crossover", crossing),
        world("slow drift", drifting),
        world("brown-out", vec![brown, region(160.0), region(220.0)]),
        world("spike bursts", vec![bursts(), region(150.0), region(190.0)]),
        world("five regions", five.map(|(base, phase)| swinging(base, 0.2, 50.0, phase)).into()),
        World {
            rate: 0.3,
            length: 600.0,
            ..world("hardly any traffic", vec![rarely, region(150.0), region(200.0)])
        },
    ]
}

/// Six times as slow for about a second, every few seconds.
fn bursts() -> Region {
    let mut chance = Chance::new(77);
    let mut steps = Vec::new();
    let mut at = 5.0;
    while at < 85.0 {
        let lasts = chance.between(0.4, 1.5);
        steps.extend([(at, 6.0), (at + lasts, 1.0)]);
        at += lasts + chance.between(2.0, 8.0);
    }
    Region { steps, ..region(100.0) }
}

/// Times depend on the load.
fn busy() -> Vec<World> {
    let loaded = |base, per_in_flight| Region { per_in_flight, ..region(base) };
    let dependent = vec![loaded(100.0, 14.0), loaded(130.0, 8.0), loaded(160.0, 5.0)];
    let pair = vec![loaded(100.0, 6.0), loaded(103.0, 6.0), region(180.0)];
    let over = vec![loaded(100.0, 10.0), loaded(120.0, 10.0), loaded(150.0, 10.0)];
    vec![
        World { rate: 45.0, ..world("load-dependent", dependent) },
        World { rate: 40.0, ..world("near-equal under load", pair) },
        World { rate: 110.0, length: 45.0, ..world("overload", over) },
        world("near-equal", vec![region(100.0), region(104.0), region(180.0)]),
    ]
}

fn failing() -> Vec<World> {
    let throttle = Some(Throttle { per_second: 12.0, hints: true });
    let fails = vec![(20.0, 40.0, 1.0), (55.0, 75.0, 0.2)];
    let tail = |base, share, times| Region { tail: (share, times), ..region(base) };
    let with = |first| vec![first, region(140.0), region(180.0)];
    vec![
        world("throttled", with(Region { throttle, ..region(90.0) })),
        world("fast-failing", with(Region { failures: fails, ..region(100.0) })),
        world("stalled", with(Region { hangs: vec![(30.0, 42.0)], ..region(100.0) })),
        world("heavy tails", vec![tail(100.0, 0.04, 8.0), tail(140.0, 0.01, 5.0), region(170.0)]),
    ]
}

/// Which region is best depends on the request.
fn differing() -> Vec<World> {
    let by_prompt = |base, per_thousand| Region { per_thousand, ..region(base) };
    let by_output = |base, per_output| Region { per_output, ..region(base) };
    let cold = |base, connect| Region { connect, ..region(base) };
    vec![
        World {
            prompt: (50.0, 8_000.0),
            ..world(
                "fast probes, slow prompts",
                vec![by_prompt(80.0, 120.0), by_prompt(130.0, 15.0), region(220.0)],
            )
        },
        World {
            output: (10.0, 150.0),
            streams: 0.5,
            ..world("token speed", vec![by_output(80.0, 9.0), by_output(150.0, 4.0), region(220.0)])
        },
        World {
            rate: 8.0,
            ..world(
                "dear connections",
                vec![cold(100.0, 150.0), cold(115.0, 150.0), cold(180.0, 80.0)],
            )
        },
    ]
}
