//! One file a command, and what several of them need: the checked configuration, a runtime.

mod check;
mod demo;
mod explain;
mod probe;
mod schema;
mod serve;
mod sim;

use std::future::Future;
use std::num::NonZeroUsize;

use anyhow::Context as _;
use nearway_config::Config;
use nearway_telemetry::install_logs;
use tokio::runtime::{Builder, LocalOptions};

use crate::cli::{Cli, Command, ConfigFile};
use crate::env;
use crate::source::{Fingerprint, Source};

/// Does what the command line says.
///
/// # Errors
/// Whatever ended the command; the message is for the person who typed it.
pub fn execute(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Schema => schema::run(),
        Command::Probe(arguments) => probe::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
    }
}

/// A good configuration, or an error that holds all problems, one a line.
fn read(file: ConfigFile) -> anyhow::Result<(Config, Source, Fingerprint)> {
    let source = Source::new(file.config);
    let loaded = source.load();
    let config = loaded.config?;
    Ok((config, source, loaded.fingerprint))
}

/// Logs to stderr, as the configuration says.
fn start_logs(format: nearway_config::LogFormat) -> anyhow::Result<()> {
    let format = match format {
        nearway_config::LogFormat::Text => nearway_telemetry::LogFormat::Text,
        nearway_config::LogFormat::Json => nearway_telemetry::LogFormat::Json,
    };
    install_logs(format, &env::log_filter()).context("NEARWAY_LOG")
}

/// As many as the file says, else one a core.
fn workers(config: &Config) -> NonZeroUsize {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    config.workers.and_then(NonZeroUsize::new).unwrap_or_else(cores)
}

/// Runs a command on this thread; what it started and did not await is dropped at the end.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("no runtime")?;
    let result = runtime.block_on(command);
    // a lookup or a file that hangs must not hold the exit
    runtime.shutdown_background();
    result
}
