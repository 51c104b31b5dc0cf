//! How near the oracle the ranking comes in each world, and what that costs.
//!
//! The bars are a little above what is reached; all are ratios in virtual time, and so the same on
//! every machine.

use crate::{
    adaptive::Adaptive,
    chooser::{Fixed, Oracle},
    random, scripted,
    simulation::run,
    tally::{Tally, geometric_mean, mean},
    world::World,
};

/// One world, with the ranking's ratios to the oracle.
#[derive(Debug)]
struct Result {
    world: World,
    /// Of the mean cost.
    ratio: f64,
    /// Of the 99th percentile.
    slowest: f64,
    /// Of the best region for all requests, in hindsight.
    fixed: f64,
    tally: Tally,
}

impl Result {
    fn of(world: World) -> Self {
        let oracle = run(&world, &mut [&mut Oracle], SEED);
        let tally = run(&world, &mut [&mut Adaptive::new(&world)], SEED);
        let fixed = |region| run(&world, &mut [&mut Fixed(region)], SEED).mean();
        let fixed = (0..world.regions.len()).map(fixed).fold(f64::INFINITY, f64::min);
        let result = Self {
            ratio: tally.mean() / oracle.mean(),
            slowest: tally.quantile(0.99) / oracle.quantile(0.99),
            fixed: fixed / oracle.mean(),
            tally,
            world,
        };
        println!(
            "{:26} {:+6.1} % (fixed {:+6.1} %), p99 x {:.2}, {:.3} attempts, {:.2} probes, {} changes",
            result.world.name,
            100.0 * (result.ratio - 1.0),
            100.0 * (result.fixed - 1.0),
            result.slowest,
            result.tally.attempts_each(),
            result.probes(),
            result.tally.changes,
        );
        result
    }

    /// For each region and interval.
    fn probes(&self) -> f64 {
        let World { regions, length, interval, .. } = &self.world;
        self.tally.probes as f64 * interval / (regions.len() as f64 * length)
    }
}

/// What holds for any worlds.
fn check(results: &[Result]) {
    for Result { world, ratio, tally, .. } in results {
        assert!(*ratio <= 1.3, "{}: {ratio:.3} times the oracle's mean", world.name);
        assert_eq!(tally.errors, 0, "{}: a region was healthy all the time", world.name);
    }
    let of = |number: fn(&Result) -> f64| results.iter().map(number).collect::<Vec<_>>();
    let slowest = geometric_mean(&of(|result| result.slowest));
    assert!(slowest <= 1.25, "p99 is {slowest:.3} times the oracle's");
    let attempts = mean(&of(|result| result.tally.attempts_each()));
    assert!(attempts <= 1.03, "{attempts:.4} attempts a request");
    // a probe is a token; ten percent of three times ten of them are three
    let probes = mean(&of(Result::probes));
    assert!(probes <= 1.0, "{probes:.3} probes for each region and interval");
    let fixed = geometric_mean(&of(|result| result.fixed));
    println!("the best fixed region: {fixed:.3}, p99 {slowest:.3}, attempts {attempts:.4}");
}

fn regret(results: &[Result]) -> f64 {
    let ratios: Vec<_> = results.iter().map(|result| result.ratio).collect();
    let regret = geometric_mean(&ratios) - 1.0;
    println!("regret {regret:.4}");
    regret
}

#[test]
fn scripted_worlds_cost_little_more_than_with_the_oracle() {
    let results: Vec<_> = scripted::all().into_iter().map(Result::of).collect();
    check(&results);
    let regret = regret(&results);
    assert!(regret <= 0.03, "regret {regret:.4}");
    let slowest = results.iter().map(|result| result.slowest).fold(0.0, f64::max);
    assert!(slowest <= 1.8, "p99 is {slowest:.3} times the oracle's");
}

#[test]
fn random_worlds_cost_little_more_than_with_the_oracle() {
    let results: Vec<_> = (1..=30).map(random::world_of).map(Result::of).collect();
    check(&results);
    let regret = regret(&results);
    assert!(regret <= 0.08, "regret {regret:.4}");
}

const SEED: u64 = 1;
