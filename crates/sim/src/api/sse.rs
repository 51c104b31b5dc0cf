//! Server-sent events as the API writes them: unnamed for chat, named for responses.
//!
//! Pure; times are put on by the handlers.

use bytes::Bytes;
use serde_json::{Value, json};

use super::errors::MID_STREAM;

/// `data: …` and a blank line.
pub(crate) fn data(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

/// `event: NAME`, `data: …` and a blank line.
pub(crate) fn event(name: &str, value: &Value) -> Bytes {
    format!("event: {name}\ndata: {value}\n\n").into()
}

/// The end of chat and completion streams.
pub(crate) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// What a chat stream sends when it fails half-way.
pub(crate) fn chat_error() -> Bytes {
    let error = json!({
        "message": MID_STREAM, "type": "server_error", "param": null, "code": null,
    });
    data(&json!({"error": error}))
}

/// What a stream of responses sends when it fails half-way.
pub(crate) fn response_error(sequence_number: u32) -> Bytes {
    let error = json!({
        "type": "error", "code": "server_error", "message": MID_STREAM, "param": null,
        "sequence_number": sequence_number,
    });
    event("error", &error)
}
