//! A chat completion as one JSON object.

use serde_json::{Value, json};

use super::{Said, filter_results, prompt_filter_results};
use crate::api::generation::usage;

pub(super) fn object(said: &Said) -> Value {
    let choices: Vec<Value> = said
        .choices
        .iter()
        .enumerate()
        .map(|(index, choice)| {
            let message = match &said.call {
                Some(call) => json!({
                    "role": "assistant", "content": null, "refusal": null,
                    "tool_calls": [call.object()],
                }),
                None => json!({
                    "role": "assistant", "content": choice.text(), "refusal": null,
                    "annotations": [],
                }),
            };
            let mut object = json!({
                "index": index, "message": message, "logprobs": null,
                "finish_reason": said.finish_reason(choice),
            });
            if said.azure {
                put(&mut object, "content_filter_results", filter_results());
            }
            object
        })
        .collect();
    let mut object = json!({
        "id": said.id, "object": "chat.completion", "created": said.created, "model": said.model,
        "choices": choices, "usage": usage(said.prompt_tokens, &said.choices),
        "system_fingerprint": "fp_simulated",
    });
    if said.azure {
        put(&mut object, "prompt_filter_results", prompt_filter_results());
    }
    object
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(name.to_owned(), value);
    }
}
