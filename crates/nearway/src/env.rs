//! The only reader of the environment: variables that a configuration names, and our own.
//!
//! (`NEARWAY_CONFIG` is a default of `--config`, so the command line reads that one.)

use nearway_config::Env;

/// The process' environment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        variable(name)
    }
}

/// Which log events to show: `NEARWAY_LOG`, in the syntax of `tracing`'s filters, else `info`.
pub(crate) fn log_filter() -> String {
    variable("NEARWAY_LOG").filter(|filter| !filter.is_empty()).unwrap_or_else(|| "info".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
