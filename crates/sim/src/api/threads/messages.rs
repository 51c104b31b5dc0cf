//! The messages of a thread.

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

use crate::api::errors::ApiError;
use crate::api::objects::{Collection, all_here, given, required, text, with};
use crate::api::references::Places;
use crate::api::request::posted;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/threads/{thread}/messages` and what is below it. The thread is here.
pub(super) fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
    (thread, rest): (&str, &[&str]),
) -> Result<Value, ApiError> {
    let messages = Collection::within(Kind::Message, thread);
    match (&head.method, rest) {
        (&Method::POST, []) => {
            let request = posted(head, body)?;
            required(&request, "role")?;
            all_here(exchange, &request, NAMED)?;
            Ok(add(exchange, thread, &request))
        }
        (&Method::GET, []) => {
            let run = exchange.route.query("run_id");
            messages
                .list_where(exchange, |message| run.is_none_or(|id| text(message, "run_id") == id))
        }
        (&Method::GET, [id]) => messages.look(exchange, id),
        (&Method::POST, [id]) => {
            messages.change(exchange, id, &given(&posted(head, body)?, &["metadata"]))
        }
        (&Method::DELETE, [id]) => messages.delete(exchange, id),
        _ => Err(ApiError::NoRoute),
    }
}

/// Puts a message into a thread.
pub(super) fn add(exchange: &mut Exchange, thread: &str, message: &Value) -> Value {
    let members = json!({
        "thread_id": thread, "role": "user", "content": [], "status": "completed",
        "attachments": [], "metadata": {}, "assistant_id": null, "run_id": null,
        "incomplete_details": null, "completed_at": exchange.created(),
    });
    let taken = &["role", "attachments", "metadata", "assistant_id", "run_id"];
    let members = with(members, given(message, taken));
    let content = content(message.get("content").unwrap_or(&Value::Null));
    let members = with(members, json!({"content": content}));
    Collection::within(Kind::Message, thread).make(exchange, members)
}

/// What a message says, as it is kept: each text with its annotations.
fn content(given: &Value) -> Vec<Value> {
    let text = |text: &Value| json!({"type": "text", "text": {"value": text, "annotations": []}});
    match given {
        Value::String(_) => vec![text(given)],
        Value::Array(parts) => parts
            .iter()
            .map(|part| match part.get("text") {
                Some(value @ Value::String(_)) => text(value),
                _ => part.clone(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

const NAMED: Places =
    &[("attachments[].file_id", Kind::File), ("content[].image_file.file_id", Kind::File)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_gets_its_annotations() {
        let text = json!({"type": "text", "text": {"value": "hi", "annotations": []}});
        let image = json!({"type": "image_file", "image_file": {"file_id": "f"}});
        for (given, kept) in [
            (json!("hi"), vec![text.clone()]),
            (json!([{"type": "text", "text": "hi"}, image]), vec![text.clone(), image.clone()]),
            (json!([text]), vec![text.clone()]),
            (Value::Null, vec![]),
        ] {
            assert_eq!(content(&given), kept, "{given}");
        }
    }
}
