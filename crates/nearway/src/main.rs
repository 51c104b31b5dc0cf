//! The `nearway` binary: errors become exit codes here, everything else is in the library.
//!
//! 0: fine. 1: bad configuration or input, or something failed. 2: wrong usage (clap exits itself).

use std::process::ExitCode;

use clap::Parser as _;
use nearway::{Cli, commands, output};
use tikv_jemallocator::Jemalloc;

/// A request makes some thirty allocations, nearly all of them hyper's and freed soon. The system's
/// allocator spends a tenth of the user time on those of a few kilobytes, which this one keeps at
/// hand; it costs one to two megabytes.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match commands::execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // `nearway probe | head` is no failure
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&output::explain(&error));
            ExitCode::FAILURE
        }
    }
}
