//! HTTP/1.1 to a region: one request and its answer after the other on a connection of their own.
//!
//! Nearway's own client rather than hyper's: the request path reads and writes the socket in the
//! task that serves the client, without a second task, a channel or a copy of the headers in
//! between. What is lenient in hyper is lenient here (`httparse` reads the heads of both); what
//! could be read in two ways is refused.
//!
//! `request` writes, `head`, `framing` and `chunked` take apart what comes back, `conn` owns the
//! socket, `write_clock` watches that it takes what is sent, `upload` goes on sending while the answer
//! is already passed on, `upgraded` is what a 101 leaves.

mod chunked;
mod conn;
mod framing;
mod head;
mod request;
mod upgraded;
mod upload;
mod write_clock;

pub(crate) use conn::{Conn, HeadFailure};
pub(crate) use head::Head;
pub(crate) use request::Outbound;
pub use upgraded::Upgraded;
pub(crate) use upload::Upload;

/// What a region sent is not HTTP/1.1; says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);
