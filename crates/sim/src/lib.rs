//! Simulated regions that speak the API: for the demo, the tests and the benchmarks.
//!
//! [`Sim::start`] takes a [`World`] and one bound listener per region; [`Control`] changes the
//! world while it runs and tells what each region saw. Nothing here binds a port, traps a signal
//! or knows of the proxy. Facts about the API are from the API fact sheet.

mod api;
mod body;
mod change;
mod clock;
mod control;
mod deployment;
mod digest;
mod endpoint;
mod exchange;
mod faults;
mod guarded;
mod handle;
mod idle;
mod kind;
mod latency;
mod raw;
mod region;
mod script;
mod serve;
mod sim;
mod soundness;
mod stats;
mod store;
mod throttle;
mod ticket;
mod tls;
mod world;

pub use change::Change;
pub use control::{Control, ControlError};
pub use deployment::Deployment;
pub use digest::SeenBody;
pub use faults::{Failures, Hint, Mode, Throttle};
pub use script::{Brownout, Drift, Hang, Step, Tail};
pub use sim::{Sim, SimRegion, StartError};
pub use soundness::WorldError;
pub use stats::{Seen, Stats};
pub use tls::{SimTls, TlsError};
pub use world::{RegionWorld, World};
