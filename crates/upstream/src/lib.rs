//! One request to one region: pool, TLS, credential, timing.
//!
//! A worker owns one [`Pools`]; the request path and the prober speak to it through [`Transport`],
//! so that both can be tested with a fake one. This crate knows neither the ranking nor the
//! configuration file: whoever assembles it fills in [`RegionSettings`].

mod addresses;
mod body;
mod connect;
mod credential;
mod exchange;
mod fault;
mod gather;
mod head_clock;
mod http1;
mod http2;
mod interim;
mod lazy_timer;
mod pool;
mod race;
mod read_ahead;
mod region;
mod replay;
mod reply;
mod timing;
mod tls;
mod transport;
mod unopened;

pub use body::{BodyError, BodyLimits, Failed, Held, HeldBody, Home, RequestBody, Splice};
pub use credential::Credential;
pub use fault::{Fault, FaultKind, Returned, Sent, Side};
pub use gather::poll_write_gathered;
pub use http1::Upgraded;
pub use interim::{Interim, InterimReader, Interims};
pub use lazy_timer::LazyTimer;
pub use pool::{PoolSettings, Pools};
pub use read_ahead::Ahead;
pub use region::{Origin, Region, RegionError, RegionSettings, TlsTrust};
pub use replay::{Kept, Replay, ReplayBudget, ReplayLimits, Reserved};
pub use reply::{CutOff, RegionBody, Reply};
pub use timing::{Clock, Timing};
pub use transport::{Limits, Transport};
