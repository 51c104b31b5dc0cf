//! The parts of the `nearway` binary: flags, assembly, workers, reload, drain.
//!
//! Everything that a proxy does is in the crates that this one puts together; here is only what
//! knows more than one of them. [`run`] is a whole proxy on listeners that the caller bound, for
//! the binary and for tests.

mod announce;
mod assemble;
mod board;
mod chores;
mod cli;
pub mod commands;
mod control;
mod env;
mod fitness;
mod in_force;
mod listen;
pub mod output;
mod owners;
mod region_ids;
mod reload;
mod requests;
mod signals;
mod snapshot;
mod source;
mod tasks;
#[cfg(test)]
mod testing;
mod workers;

pub use assemble::AssembleError;
pub use cli::{Cli, Command, ConfigFile, Demo, Explain, Probe, Serve, Sim};
pub use control::{Hooks, RunError, Serving, run};
pub use listen::{BindError, Listeners};
pub use owners::OwnersFileError;
pub use reload::Reload;
pub use source::{Fingerprint, Loaded, Source};
pub use workers::WorkerError;
