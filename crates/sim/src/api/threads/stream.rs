//! A run as events with times.
//!
//! Pure: what is told and the delays in, events out.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::runs::Told;
use crate::api::errors::MID_STREAM;
use crate::api::objects::{text, with};
use crate::api::sse;
use crate::latency::Delays;

/// The whole stream; it begins with the thread if the run made one.
pub(super) fn events(
    thread: Option<&Value>,
    told: &Told,
    delays: Delays,
) -> Vec<(Duration, Bytes)> {
    let mut events = Vec::new();
    let mut tell = |at, name: &str, value: &Value| events.push((at, sse::event(name, value)));
    let as_it_is = |object: &Value, status: &str| with(object.clone(), json!({"status": status}));
    if let Some(thread) = thread {
        tell(delays.head, "thread.created", thread);
    }
    tell(delays.head, "thread.run.created", &told.run);
    tell(delays.head, "thread.run.queued", &told.run);
    tell(delays.head, "thread.run.in_progress", &as_it_is(&told.run, "in_progress"));
    let step = as_it_is(&told.step, "in_progress");
    tell(delays.head, "thread.run.step.created", &step);
    tell(delays.head, "thread.run.step.in_progress", &step);
    let empty = json!({"content": [], "completed_at": null});
    let message = with(as_it_is(&told.message, "in_progress"), empty);
    let first = delays.first_token + delays.per_token * told.generation.reasoning;
    tell(first, "thread.message.created", &message);
    tell(first, "thread.message.in_progress", &message);
    let mut at = first;
    for token in &told.generation.tokens {
        let content = json!([{"index": 0, "type": "text", "text": {"value": token}}]);
        let delta = json!({
            "id": text(&told.message, "id"), "object": "thread.message.delta",
            "delta": {"content": content},
        });
        tell(at, "thread.message.delta", &delta);
        at += delays.per_token;
    }
    let end = first.max(delays.total(told.generation.spent()));
    tell(end, "thread.message.completed", &told.message);
    tell(end, "thread.run.step.completed", &told.step);
    tell(end, "thread.run.completed", &told.run_ended());
    events.push((end, Bytes::from_static(b"event: done\ndata: [DONE]\n\n")));
    events
}

/// What a run's stream sends when it fails half-way.
pub(super) fn error() -> Bytes {
    let error = json!({"message": MID_STREAM, "type": "server_error", "code": null, "param": null});
    sse::event("error", &json!({"error": error}))
}
