//! A response as events with times, in the order of API fact sheet section 5.2.
//!
//! Pure: what is said and the delays in, events out.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::object::{Said, part};
use crate::api::sse;
use crate::latency::Delays;

pub(super) fn events(said: &Said, delays: Delays) -> Vec<(Duration, Bytes)> {
    let mut log = Log::default();
    log.add(delays.head, "response.created", json!({"response": said.under_way()}));
    log.add(delays.head, "response.in_progress", json!({"response": said.under_way()}));
    if let Some(thought) = &said.thought {
        let at = |item: Value| json!({"output_index": 0, "item": item});
        log.add(delays.head, "response.output_item.added", at(thought.opened()));
        log.add(delays.head, "response.output_item.done", at(thought.item()));
    }
    // what is said comes after the thought
    let index = usize::from(said.thought.is_some());
    let first = delays.first_token + delays.per_token * said.generation.reasoning;
    let (opened, delta, ended, pieces, whole) = match &said.call {
        Some(call) => (
            json!({
                "id": said.item_id, "type": "function_call", "status": "in_progress",
                "call_id": call.id, "name": call.name, "arguments": "",
            }),
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            call.fragments(),
            ("arguments", call.arguments.clone()),
        ),
        None => (
            json!({
                "id": said.item_id, "type": "message", "status": "in_progress",
                "role": "assistant", "content": [],
            }),
            "response.output_text.delta",
            "response.output_text.done",
            said.generation.tokens.clone(),
            ("text", said.generation.text()),
        ),
    };
    log.add(
        delays.head,
        "response.output_item.added",
        json!({"output_index": index, "item": opened}),
    );
    let is_text = said.call.is_none();
    let place = |mut more: Value| {
        if let Value::Object(more) = &mut more {
            more.insert("item_id".to_owned(), json!(said.item_id));
            more.insert("output_index".to_owned(), json!(index));
            if is_text {
                more.insert("content_index".to_owned(), json!(0));
            }
        }
        more
    };
    if is_text {
        let part = place(json!({"part": part("")}));
        log.add(delays.head, "response.content_part.added", part);
    }
    let mut at = first;
    for piece in pieces {
        let more =
            if is_text { json!({"delta": piece, "logprobs": []}) } else { json!({"delta": piece}) };
        log.add(at, delta, place(more));
        at += delays.per_token;
    }
    // thinking takes its time even if nothing of it is seen
    let end = log.last().max(delays.total(said.generation.spent()));
    let (name, text) = whole;
    if is_text {
        log.add(end, ended, place(json!({name: text, "logprobs": []})));
        let part = place(json!({"part": part(&text)}));
        log.add(end, "response.content_part.done", part);
    } else {
        let function = said.call.as_ref().map(|call| call.name.as_str());
        log.add(end, ended, place(json!({name: text, "name": function})));
    }
    log.add(end, "response.output_item.done", json!({"output_index": index, "item": said.item()}));
    let last = if said.cut_short() { "response.incomplete" } else { "response.completed" };
    log.add(end, last, json!({"response": said.ended()}));
    log.events
}

/// Events so far, numbered as they come.
#[derive(Default)]
struct Log {
    events: Vec<(Duration, Bytes)>,
}

impl Log {
    fn add(&mut self, at: Duration, kind: &str, mut value: Value) {
        if let Value::Object(value) = &mut value {
            value.insert("type".to_owned(), json!(kind));
            value.insert("sequence_number".to_owned(), json!(self.events.len()));
        }
        self.events.push((at, sse::event(kind, &value)));
    }

    fn last(&self) -> Duration {
        self.events.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
}
