//! How soon requests go to the right region after it changed, and how rarely they move when nothing
//! does.

use crate::{
    adaptive::Adaptive,
    region::{Region, region},
    simulation::run,
    tally::{Route, Tally, median},
    world::{World, world},
};

/// Intervals from `change` until nine of ten requests go to `right`.
fn until_right(tally: &Tally, change: f64, right: usize) -> f64 {
    let after: Vec<_> = tally.routes.iter().filter(|route| route.at >= change).collect();
    let is_right =
        |routes: &[&Route]| routes.iter().filter(|route| route.region == right).count() >= 9;
    let found = after.windows(10).position(is_right);
    found.map_or(f64::INFINITY, |place| (after[place].at - change) / INTERVAL)
}

/// Reactions to a region that gets worse, and to one that gets better, in many phases of the probes.
fn reactions() -> (Vec<f64>, Vec<f64>) {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for seed in 0..8_u8 {
        let at = INTERVAL * (8.0 + f64::from(seed) * 0.37);
        let leader = Region { steps: vec![(at, 2.5), (at + PAUSE, 1.0)], ..region(100.0) };
        let rising = Region { steps: vec![(at, 0.3)], ..region(230.0) };
        let returns = World {
            rate: 10.0,
            interval: INTERVAL,
            length: at + 2.0 * PAUSE,
            ..world("", vec![leader, region(150.0), region(230.0)])
        };
        let rises = World {
            rate: 10.0,
            interval: INTERVAL,
            length: at + PAUSE,
            ..world("", vec![region(100.0), region(150.0), rising])
        };
        let tally = |world: &World| run(world, &mut [&mut Adaptive::new(world)], seed.into());

        let returning = tally(&returns);
        worse.push(until_right(&returning, at, 1));
        better.push(until_right(&returning, at + PAUSE, 0));
        better.push(until_right(&tally(&rises), at, 2));
    }
    (worse, better)
}

#[test]
fn a_change_is_followed_within_a_few_intervals() {
    let (worse, better) = reactions();
    println!("worse {worse:.2?}\nbetter {better:.2?}");
    assert!(median(&worse) <= 0.5, "to worse: {worse:.2?}");
    assert!(median(&better) <= 1.5, "to better: {better:.2?}");
    let longest = worse.iter().chain(&better).copied().fold(0.0, f64::max);
    assert!(longest <= 5.0, "{longest:.2} intervals");
}

#[test]
fn a_near_equal_pair_changes_its_leader_at_most_once_a_minute() {
    let pair = vec![region(100.0), region(104.0), region(180.0)];
    let loaded = |base| Region { per_in_flight: 6.0, ..region(base) };
    let busy = vec![loaded(100.0), loaded(105.0), region(180.0)];
    for regions in [pair, busy] {
        let world = World { rate: 6.0, length: 600.0, interval: 30.0, ..world("", regions) };
        let tally = run(&world, &mut [&mut Adaptive::new(&world)], 1);
        println!("{} changes in ten minutes", tally.changes);
        assert!(tally.changes <= 10, "{} changes in ten minutes", tally.changes);
    }
}

/// Seconds between two probes: many times what a request takes, as in service.
const INTERVAL: f64 = 5.0;
/// Seconds between two changes.
const PAUSE: f64 = 12.0 * INTERVAL;
