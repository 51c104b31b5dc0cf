//! How near each way to choose a region comes to the oracle, with real processes and sockets.
//!
//! `make bench-routing`. Each contestant has simulated regions of its own and gets the same requests;
//! all run side by side, one world after the other. A probe interval is a second here. Results go to
//! `target/bench-routing`. `WORLDS=text` runs only the worlds whose name holds that text.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod choosers;
mod client;
mod contestants;
mod load;
mod plot;
mod processes;
mod report;
mod worlds;

use std::{path::Path, rc::Rc};

use tokio::{runtime::Builder, task::LocalSet};

fn main() {
    // `cargo test --benches` calls benchmarks to see whether they run at all
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-routing");
    std::fs::create_dir_all(&folder).unwrap();
    let wanted = only();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut rounds = Vec::new();
    for world in worlds::all().into_iter().map(Rc::new) {
        if !world.name.contains(&wanted) {
            continue;
        }
        let round = LocalSet::new().block_on(&runtime, contestants::run(&world));
        print!("{}", report::round(&world, &round));
        std::fs::write(folder.join(plot::file(&world)), plot::svg(&world, &round)).unwrap();
        rounds.push((world, round));
    }
    let summary = report::summary(&rounds);
    println!("{summary}");
    let details: String = rounds.iter().map(|(world, round)| report::round(world, round)).collect();
    std::fs::write(folder.join("report.md"), format!("{summary}\n{details}")).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no configuration file")]
fn only() -> String {
    std::env::var("WORLDS").unwrap_or_default()
}
