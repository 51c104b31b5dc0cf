//! How near each way to choose a region comes to the oracle, with real processes and sockets.
//!
//! `make bench-routing`. Each contestant has simulated regions of its own and gets the same requests;
//! all run side by side, one world after the other. A probe interval is a second here. Results go to
//! `target/bench-routing`. `WORLDS=text` runs only the worlds whose name holds that text.
//!
//! All but `client`, `contestants`, `load` and `processes` only computes: `tests/bench_routing.rs` runs the
//! tests of that, as cargo runs none in a benchmark without a harness.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(
    dead_code,
    unused_imports,
    reason = "cargo sets `test` for a benchmark, so what tests need is here without them"
)]

mod account;
mod bars;
mod change;
mod choosers;
mod client;
mod contestant;
mod contestants;
mod first_content;
mod load;
mod plot;
mod processes;
mod proxy_configs;
mod report;
mod round;
mod score;
mod statistics;
mod world;
mod worlds;

use std::{path::Path, rc::Rc};

use tokio::{runtime::Builder, task::LocalSet};

use crate::{round::Round, world::END};

fn main() {
    // `cargo test --benches` calls benchmarks to see whether they run at all
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-routing");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let wanted = only();
    let worlds: Vec<_> =
        worlds::all().into_iter().filter(|world| world.name.contains(&wanted)).collect();
    let count = worlds.len();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut rounds: Vec<Round> = Vec::new();
    for (number, world) in (1..).zip(worlds) {
        println!("\nworld {number} of {count}, {END:.0} s: {}", world.name);
        let round = LocalSet::new().block_on(&runtime, contestants::run(Rc::new(world)));
        print!("{}", report::world(&round));
        write(&plot::file(&round.world), &plot::svg(&round));
        rounds.push(round);
        // also what there is when somebody ends it early
        let summary = report::summary(&rounds);
        let details: String = rounds.iter().map(report::world).collect();
        write("report.md", &format!("{summary}{details}"));
    }
    println!("\n{}", report::summary(&rounds));
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
fn only() -> String {
    std::env::var("WORLDS").unwrap_or_default()
}
