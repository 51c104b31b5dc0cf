//! The OpenAI and Azure OpenAI dialect: bytes in, bytes out.
//!
//! The proxy and the prober ask this crate what a target, a header, a body or a stream means. It reads
//! and, in the few places where a region needs it, replaces a span; it never re-serialises what a client
//! or a region sent. Pure: no sockets, no runtime, no clock, no environment. The facts come from the
//! API fact sheet, cited by section.

pub mod asked;
pub mod client_key;
pub mod endpoint;
pub mod error_body;
pub mod fields;
pub mod first_token;
pub mod headers;
pub mod id;
mod json;
pub mod model;
pub mod probe_body;
pub mod quota;
pub mod remarks;
pub mod retry_hint;
pub mod sse;
pub mod stream_error;
pub mod usage;
pub mod websocket;
