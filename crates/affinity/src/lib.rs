//! Which region an id belongs to: responses, files, threads and whatever else lives in the region that made it
//! (API fact sheet section 6).
//!
//! The proxy asks this crate what of a request names an object, and what of an answer does; who owns one is
//! remembered in a store. Ids are read, never rewritten, and kept as digests. Pure: no sockets, no runtime,
//! no clock, no files.

pub mod answer;
pub mod cursors;
pub mod home;
pub mod merge;
mod minted;
mod minute;
mod newest;
mod nobody;
mod owners;
pub mod part;
pub mod request;
mod store;
pub mod target;
mod whereabouts;

pub use minted::Minted;
pub use minute::Minute;
pub use nobody::Nobody;
pub use owners::{Owners, Used};
pub use store::{Learned, Store};
pub use whereabouts::{Known, Named, Whereabouts, whereabouts};
