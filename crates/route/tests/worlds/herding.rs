//! Several proxies that know nothing of each other in front of the same busy regions: none may send
//! its requests where all the others have just sent theirs.

use crate::{
    adaptive::Adaptive,
    chooser::Oracle,
    region::{Region, region},
    simulation::run,
    tally::{Tally, mean},
    world::{World, world},
};

/// Of the requests of each second, the share that went to each region.
fn shares(tally: &Tally, seconds: u8) -> Vec<[f64; 3]> {
    let of = |second: u8| {
        let from = f64::from(second);
        let routes: Vec<_> =
            tally.routes.iter().filter(|route| (from..from + 1.0).contains(&route.at)).collect();
        let share = |region| {
            let there = routes.iter().filter(|route| route.region == region).count();
            there as f64 / routes.len() as f64
        };
        [share(0), share(1), share(2)]
    };
    (1..seconds).map(of).collect()
}

fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    mean(&values.iter().map(|value| (value - middle).powi(2)).collect::<Vec<_>>()).sqrt()
}

#[test]
fn proxies_that_share_busy_regions_do_not_swing_in_step() {
    let loaded = |base| Region { per_in_flight: 6.0, ..region(base) };
    let regions = vec![loaded(100.0), loaded(110.0), loaded(125.0)];
    let world = World { rate: 120.0, length: 30.0, ..world("shared", regions) };
    let mut proxies = [0; 4].map(|_| Adaptive::new(&world));
    let [first, second, third, fourth] = &mut proxies;
    let tally = run(&world, &mut [first, second, third, fourth], 1);
    let oracle = run(&world, &mut [&mut Oracle], 1);

    let shares = shares(&tally, 30);
    let swing = [0, 1, 2]
        .map(|region| deviation(&shares.iter().map(|share| share[region]).collect::<Vec<_>>()));
    let ratio = tally.mean() / oracle.mean();
    println!("deviations of the shares {swing:.3?}, {ratio:.3} times the oracle's mean");
    // chance alone makes 0.04 of it
    assert!(swing.iter().all(|deviation| *deviation <= 0.12), "{swing:.3?}");
    assert!(ratio <= 1.1, "{ratio:.3} times the oracle's mean");
    assert_eq!(tally.errors, 0);
}
