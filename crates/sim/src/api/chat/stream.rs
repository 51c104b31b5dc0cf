//! A chat completion as chunks with times: filter, role, content, finish, usage, `[DONE]`.
//!
//! Pure: what is said and the delays in, events out (API fact sheet section 5.1).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Said, filter_results, prompt_filter_results};
use crate::api::generation::usage;
use crate::api::sse;
use crate::latency::Delays;

pub(super) fn events(said: &Said, delays: Delays, include_usage: bool) -> Vec<(Duration, Bytes)> {
    let mut events = Vec::new();
    if said.azure {
        let filter = json!({
            "id": "", "object": "", "created": 0, "model": "", "choices": [],
            "prompt_filter_results": prompt_filter_results(),
        });
        events.push((delays.head, sse::data(&filter)));
    }
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": said.id, "object": "chat.completion.chunk", "created": said.created,
            "model": said.model, "system_fingerprint": "fp_simulated", "choices": choices,
        });
        if let (true, Value::Object(chunk)) = (include_usage, &mut chunk) {
            chunk.insert("usage".to_owned(), usage);
        }
        sse::data(&chunk)
    };
    let delta = |index: usize, delta: Value, finish: Option<&str>| {
        let mut choice =
            json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish});
        if let (true, Value::Object(choice)) = (said.azure, &mut choice) {
            let verdict = if finish.is_some() { json!({}) } else { filter_results() };
            choice.insert("content_filter_results".to_owned(), verdict);
        }
        chunk(json!([choice]), Value::Null)
    };
    for index in 0..said.choices.len() {
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        events.push((delays.head, delta(index, role, None)));
    }
    for (index, choice) in said.choices.iter().enumerate() {
        let deltas = match &said.call {
            Some(call) => call.deltas(),
            None => choice.tokens.iter().map(|token| json!({"content": token})).collect(),
        };
        let mut at = delays.first_token + delays.per_token * choice.reasoning;
        for content in deltas {
            events.push((at, delta(index, content, None)));
            at += delays.per_token;
        }
    }
    // the choices are made side by side; the sort keeps the order of equal times
    events.sort_by_key(|(at, _)| *at);
    let last = events.last().map_or(Duration::ZERO, |(at, _)| *at);
    // thinking takes its time even if nothing of it is seen
    let thought = said.choices.iter().map(|choice| delays.total(choice.spent())).max();
    let end = last.max(thought.unwrap_or(delays.first_token));
    for (index, choice) in said.choices.iter().enumerate() {
        events.push((end, delta(index, json!({}), Some(said.finish_reason(choice)))));
    }
    if include_usage {
        events.push((end, chunk(json!([]), usage(said.prompt_tokens, &said.choices))));
    }
    events.push((end, sse::done()));
    events
}
