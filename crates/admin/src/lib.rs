//! Health, metrics, JSON and the status page, on a listener of their own, for operators alone.
//!
//! Reads what others publish and changes nothing. Started by the binary on the control thread; no
//! request of a client ever comes here.

mod answer;
mod health;
mod regions;
mod serve;
mod status;

pub use serve::{CONNECTIONS_MAX, serve};
pub use status::{App, Status};
