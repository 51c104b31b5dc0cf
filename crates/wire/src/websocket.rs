//! WebSockets, as far as a proxy must know them (RFC 6455): where frames begin and end while they pass,
//! the handshake that Nearway answers itself, and the few frames that it writes.
//!
//! The proxy's tunnel copies bytes; [`Frames`] only looks at the heads of the frames among them, so that
//! a word of Nearway's own never lands inside of another's. Extensions change nothing of that: they use
//! bits of a head and the payload, not the lengths. [`Texts`] tells what a region says where that is to be
//! read in passing.

mod error_event;
mod frame;
mod handshake;
mod texts;
mod write;

pub use error_event::error_event;
pub use frame::{FrameHead, Frames, Opcode, Piece, unmask};
pub use handshake::{accept, is_websocket};
pub use texts::{TextPiece, Texts};
pub use write::{close, pong, text};

/// Close codes that Nearway says (RFC 6455 section 7.4.1).
pub mod code {
    /// The session is over as it should be.
    pub const NORMAL: u16 = 1000;
    /// A bound on the session is reached: the API's own word for it, too (API fact sheet 7).
    pub const GOING_AWAY: u16 = 1001;
    /// What came is no WebSocket.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// The request itself is refused: the same one had better not come again.
    pub const POLICY_VIOLATION: u16 = 1008;
    /// No region gave an answer.
    pub const INTERNAL_ERROR: u16 = 1011;
    /// No region may be asked just now.
    pub const TRY_AGAIN_LATER: u16 = 1013;
}
