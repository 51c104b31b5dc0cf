//! Health, metrics, JSON and the status page, on a listener of their own, for operators alone.
//!
//! Reads what others publish and changes nothing. Started by the binary on the control thread; no
//! request of a client ever comes here.

mod answer;
mod changes;
mod explain;
mod health;
mod query;
mod regions;
mod serve;
mod status;
mod times;

pub use serve::{CONNECTIONS_MAX, serve};
pub use status::{App, Fenced, Fences, Requests, Status, Target, UnknownClient};
