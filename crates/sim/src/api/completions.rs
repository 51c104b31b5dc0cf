//! Legacy completions: text in, text out, whole or as a stream.
//!
//! Called by `api.rs`. Like chat without roles and tools (API fact sheet sections 5.1 and 5.3).

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::generation::{Bounds, Generation, prompt_tokens, usage};
use super::request::{deployment, posted, typed};
use super::sse;
use crate::body::RegionBody;
use crate::exchange::Exchange;

/// Answers `POST …/completions`.
pub(crate) async fn complete(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let request: CompletionRequest = typed(&posted(head, body)?)?;
    let model = deployment(exchange, request.model.as_deref())?;
    exchange.admit(Some(&model)).await?;
    let bounds = Bounds { usual: exchange.world.tokens, limit: request.max_tokens, effort: None };
    let world = exchange.world.clone();
    let said = Generation::make(&model, world.display(), bounds, &mut exchange.rng)?;
    let (id, created) = (exchange.id("cmpl-"), exchange.created());
    let finish = if said.cut_short { "length" } else { "stop" };
    let object = |text: &str, finish: Option<&str>, usage: Value| {
        json!({
            "id": id, "object": "text_completion", "created": created, "model": model.model,
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
            "usage": usage,
        })
    };
    let prompt = prompt_tokens(&request.prompt);
    let delays = exchange.delays;
    if !request.stream.unwrap_or(false) {
        exchange.until(delays.total(said.spent())).await;
        let usage = usage(prompt, std::slice::from_ref(&said));
        return Ok(exchange.json(StatusCode::OK, &object(&said.text(), Some(finish), usage)));
    }
    let mut at = delays.first_token;
    let mut events = Vec::new();
    for token in &said.tokens {
        events.push((at, sse::data(&object(token, None, Value::Null))));
        at += delays.per_token;
    }
    events.push((at, sse::data(&object("", Some(finish), Value::Null))));
    if request.stream_options.is_some_and(|options| options.include_usage) {
        let mut last = object("", None, usage(prompt, &[said]));
        if let Some(choices) = last.get_mut("choices") {
            *choices = json!([]);
        }
        events.push((at, sse::data(&last)));
    }
    events.push((at, sse::done()));
    Ok(exchange.stream(events, || sse::chat_error().into()))
}

#[derive(Debug, Deserialize)]
struct CompletionRequest {
    model: Option<String>,
    #[serde(default)]
    prompt: Value,
    max_tokens: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}
