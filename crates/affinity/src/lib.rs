//! Which region an id belongs to: responses, files, threads and whatever else lives in the region that made it
//! (API fact sheet section 6).
//!
//! The proxy asks this crate what of a request names an object, and what of an answer does; who owns one is
//! remembered in a store. Ids are read, never rewritten, and kept as digests. Pure: no sockets, no runtime,
//! no clock, no files.

mod minute;
mod nobody;
mod owners;
mod store;
pub mod target;

pub use minute::Minute;
pub use nobody::Nobody;
pub use owners::{Owners, Used};
pub use store::{Learned, Store};
