//! What a realtime session answers to a client's event.
//!
//! Pure: an event's text in, events with waits out. What is not known is echoed, so that a test
//! of a tunnel needs no API.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::api::generation::{Bounds, Generation};
use crate::deployment::Deployment;
use crate::latency::Delays;

/// Who speaks and how fast.
#[derive(Debug)]
pub(super) struct Speech {
    pub(super) display: String,
    pub(super) tokens: u32,
    pub(super) delays: Delays,
    pub(super) model: Deployment,
}

/// Events to send, each after a wait that begins when the one before was sent.
pub(super) type Answer = Vec<(Duration, Value)>;

/// The first event of every session.
pub(super) fn created(speech: &Speech, rng: &mut Rng) -> Value {
    let session = session(speech, rng, &Value::Null);
    event(rng, "session.created", json!({"session": session}))
}

/// How a client has the region close its session: `{"type":"sim.close","code":4000,"reason":"…"}`.
pub(super) fn scripted_close(text: &str) -> Option<CloseFrame> {
    let asked: Value = serde_json::from_str(text).ok()?;
    if asked.get("type")? != "sim.close" {
        return None;
    }
    let code = u16::try_from(asked.get("code")?.as_u64()?).ok()?;
    let reason = asked.get("reason").and_then(Value::as_str).unwrap_or_default();
    Some(CloseFrame { code: code.into(), reason: reason.into() })
}

/// The answer to one event; `None` means that it is not known.
pub(super) fn answer(speech: &Speech, text: &str, rng: &mut Rng) -> Option<Answer> {
    let asked: Value = serde_json::from_str(text).ok()?;
    let at_once = |value: Value| (Duration::ZERO, value);
    match asked.get("type").and_then(Value::as_str)? {
        "session.update" => {
            let changes = asked.get("session").unwrap_or(&Value::Null);
            let session = session(speech, rng, changes);
            Some(vec![at_once(event(rng, "session.updated", json!({"session": session})))])
        }
        "conversation.item.create" => {
            let mut item = asked.get("item").cloned().unwrap_or_else(|| json!({}));
            if let Value::Object(item) = &mut item {
                item.entry("id").or_insert_with(|| json!(id(rng, "item_")));
                item.insert("object".to_owned(), json!("realtime.item"));
                item.insert("status".to_owned(), json!("completed"));
            }
            let more = json!({"previous_item_id": null, "item": item});
            let added = event(rng, "conversation.item.added", more.clone());
            Some(vec![at_once(added), at_once(event(rng, "conversation.item.done", more))])
        }
        "response.create" => Some(spoken(speech, rng)),
        "input_audio_buffer.append" => Some(Vec::new()),
        _ => None,
    }
}

/// One text response, from `response.created` to `response.done`.
fn spoken(speech: &Speech, rng: &mut Rng) -> Answer {
    let bounds = Bounds { usual: speech.tokens, limit: None, effort: None };
    let plain = Deployment { reasoning: false, ..speech.model.clone() };
    let said = Generation::make(&plain, &speech.display, bounds, rng);
    let tokens = said.map(|said| said.tokens).unwrap_or_default();
    let text = tokens.concat();
    let (response_id, item_id) = (id(rng, "resp_"), id(rng, "item_"));
    let response = |status: &str, output: Value| {
        json!({
            "object": "realtime.response", "id": response_id, "status": status,
            "status_details": null, "output": output, "conversation_id": null,
            "output_modalities": ["text"], "max_output_tokens": "inf", "metadata": null,
            "usage": null,
        })
    };
    let item = |status: &str, content: Value| {
        json!({
            "id": item_id, "object": "realtime.item", "type": "message", "status": status,
            "role": "assistant", "content": content,
        })
    };
    let place = |mut more: Value| {
        if let Value::Object(more) = &mut more {
            more.insert("response_id".to_owned(), json!(response_id));
            more.insert("item_id".to_owned(), json!(item_id));
            more.insert("output_index".to_owned(), json!(0));
            more.insert("content_index".to_owned(), json!(0));
        }
        more
    };
    let in_item =
        |item: &Value| json!({"response_id": response_id, "output_index": 0, "item": item});
    let part = json!({"type": "output_text", "text": text});
    let ended = item("completed", json!([part]));
    let mut plan = vec![
        ("response.created", json!({"response": response("in_progress", json!([]))})),
        ("response.output_item.added", in_item(&item("in_progress", json!([])))),
        ("response.content_part.added", place(json!({"part": {"type": "text", "text": ""}}))),
    ];
    let before_deltas = plan.len();
    let deltas = tokens.len();
    for token in tokens {
        plan.push(("response.output_text.delta", place(json!({"delta": token}))));
    }
    plan.extend([
        ("response.output_text.done", place(json!({"text": text}))),
        ("response.content_part.done", place(json!({"part": {"type": "text", "text": text}}))),
        ("response.output_item.done", in_item(&ended)),
        ("response.done", json!({"response": response("completed", json!([ended]))})),
    ]);
    let wait = |index: usize| match index.checked_sub(before_deltas) {
        Some(0) => speech.delays.first_token,
        Some(delta) if delta < deltas => speech.delays.per_token,
        _ => Duration::ZERO,
    };
    plan.into_iter()
        .enumerate()
        .map(|(index, (kind, more))| (wait(index), event(rng, kind, more)))
        .collect()
}

fn session(speech: &Speech, rng: &mut Rng, changes: &Value) -> Value {
    let mut session = json!({
        "type": "realtime", "object": "realtime.session", "id": id(rng, "sess_"),
        "model": speech.model.model, "output_modalities": ["text"], "instructions": "",
        "tools": [], "tool_choice": "auto", "max_output_tokens": "inf",
    });
    if let (Value::Object(session), Value::Object(changes)) = (&mut session, changes) {
        session.extend(changes.clone());
    }
    session
}

fn event(rng: &mut Rng, kind: &str, mut more: Value) -> Value {
    if let Value::Object(more) = &mut more {
        more.insert("type".to_owned(), json!(kind));
        more.insert("event_id".to_owned(), json!(id(rng, "event_")));
    }
    more
}

fn id(rng: &mut Rng, prefix: &str) -> String {
    let random = std::iter::repeat_with(|| rng.alphanumeric()).take(ID_CHARS);
    prefix.chars().chain(random).collect()
}

const ID_CHARS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn speech() -> Speech {
        let delays = Delays {
            head: Duration::ZERO,
            first_token: Duration::from_millis(50),
            per_token: Duration::from_millis(5),
        };
        Speech { display: "East US".to_owned(), tokens: 3, delays, model: Deployment::new("rt") }
    }

    #[test]
    fn a_response_is_spoken_in_order_and_in_time() {
        let made = answer(&speech(), r#"{"type":"response.create"}"#, &mut Rng::with_seed(1));
        let seen: Vec<(u64, String)> = made
            .unwrap()
            .into_iter()
            .map(|(wait, event)| {
                let wait = u64::try_from(wait.as_millis()).unwrap();
                (wait, event["type"].as_str().unwrap().to_owned())
            })
            .collect();
        let seen: Vec<(u64, &str)> =
            seen.iter().map(|(wait, kind)| (*wait, kind.as_str())).collect();
        assert_eq!(
            seen,
            [
                (0, "response.created"),
                (0, "response.output_item.added"),
                (0, "response.content_part.added"),
                (50, "response.output_text.delta"),
                (5, "response.output_text.delta"),
                (5, "response.output_text.delta"),
                (0, "response.output_text.done"),
                (0, "response.content_part.done"),
                (0, "response.output_item.done"),
                (0, "response.done"),
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_left_to_the_echo() {
        let mut rng = Rng::with_seed(1);
        assert!(answer(&speech(), r#"{"type":"nonsense"}"#, &mut rng).is_none());
        assert!(answer(&speech(), "not json", &mut rng).is_none());
        let updated = answer(&speech(), r#"{"type":"session.update","session":{"a":1}}"#, &mut rng);
        assert_eq!(updated.unwrap()[0].1["session"]["a"], 1);
    }
}
