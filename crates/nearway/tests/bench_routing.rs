//! Those parts of the routing benchmark that only compute, tested here: cargo runs no tests in a benchmark
//! without a harness. Their tests stand in their own files.
#![cfg(test)]
#![expect(dead_code, reason = "some of it is used by the parts with sockets alone")]

#[path = "../benches/routing/account.rs"]
mod account;
#[path = "../benches/routing/bars.rs"]
mod bars;
#[path = "../benches/routing/change.rs"]
mod change;
#[path = "../benches/routing/choosers.rs"]
mod choosers;
#[path = "../benches/routing/contestant.rs"]
mod contestant;
#[path = "../benches/routing/first_content.rs"]
mod first_content;
#[path = "../benches/routing/plot.rs"]
mod plot;
#[path = "../benches/routing/proxy_configs.rs"]
mod proxy_configs;
#[path = "../benches/routing/report.rs"]
mod report;
#[path = "../benches/routing/round.rs"]
mod round;
#[path = "../benches/routing/score.rs"]
mod score;
#[path = "../benches/routing/statistics.rs"]
mod statistics;
#[path = "../benches/routing/world.rs"]
mod world;
#[path = "../benches/routing/worlds.rs"]
mod worlds;
