//! Worlds nobody thought of: regions of random speed, each with a random trouble or none.

use crate::{
    chance::Chance,
    region::{Region, Throttle, region},
    world::{World, world},
};

pub(crate) fn world_of(seed: u64) -> World {
    let mut chance = Chance::new(seed);
    let count = chance.one_of(&[3, 4, 5]);
    let regions = (0..count).map(|_| random_region(&mut chance)).collect();
    World {
        length: LENGTH,
        rate: chance.one_of(&[2.0, 10.0, 25.0, 50.0]),
        prompt: chance.one_of(&[(20.0, 500.0), (20.0, 2_000.0), (100.0, 8_000.0)]),
        streams: chance.between(0.2, 1.0),
        ..world(&format!("random {seed}"), regions)
    }
}

fn random_region(chance: &mut Chance) -> Region {
    let plain = Region {
        per_thousand: chance.between(5.0, 60.0),
        per_output: chance.between(3.0, 9.0),
        scatter: chance.between(0.08, 0.3),
        per_in_flight: if chance.unit() < 0.4 { chance.between(1.0, 12.0) } else { 0.0 },
        ..region(chance.between(80.0, 300.0))
    };
    let from = chance.between(10.0, 40.0);
    match chance.one_of(&[0, 1, 2, 3, 4, 5, 6, 7]) {
        0 => Region { steps: steps(chance), ..plain },
        1 => {
            let drift = (chance.between(0.1, 0.5), chance.between(20.0, 120.0), chance.unit());
            Region { drift, ..plain }
        }
        2 => Region { hangs: vec![(from, from + chance.between(2.0, 15.0))], ..plain },
        3 => {
            let failures = vec![(from, from + chance.between(3.0, 20.0), chance.between(0.1, 1.0))];
            Region { failures, fails_after: chance.between(3.0, 200.0), ..plain }
        }
        4 => Region { tail: (chance.between(0.0, 0.05), chance.between(3.0, 10.0)), ..plain },
        5 => {
            let throttle =
                Throttle { per_second: chance.between(4.0, 20.0), hints: chance.unit() < 0.7 };
            Region { throttle: Some(throttle), ..plain }
        }
        6 => Region { steps: spikes(chance), ..plain },
        _ => plain,
    }
}

/// Other speeds for good.
fn steps(chance: &mut Chance) -> Vec<(f64, f64)> {
    let mut steps = Vec::new();
    let mut at = chance.between(5.0, 30.0);
    while at < LENGTH {
        steps.push((at, chance.between(0.5, 4.0)));
        at += chance.between(5.0, 30.0);
    }
    steps
}

/// Slower for a while, again and again.
fn spikes(chance: &mut Chance) -> Vec<(f64, f64)> {
    let mut steps = Vec::new();
    let mut at = chance.between(5.0, 20.0);
    while at < LENGTH {
        let lasts = chance.between(0.3, 4.0);
        steps.extend([(at, chance.between(2.0, 8.0)), (at + lasts, 1.0)]);
        at += lasts + chance.between(3.0, 20.0);
    }
    steps
}

const LENGTH: f64 = 60.0;
