//! Responses: create (whole or as a stream), look up, delete. Known to this region alone.
//!
//! Called by `api.rs` (API fact sheet sections 5.2 and 6). `responses/object.rs` writes the
//! object, `responses/stream.rs` the events.

mod object;
mod stream;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use self::object::Said;
use super::chat::tool::{self, ToolCall};
use super::errors::ApiError;
use super::generation::{Bounds, Generation, prompt_tokens, reject_unsupported};
use super::objects::{Collection, all_here};
use super::references::Places;
use super::request::{deployment, posted, typed};
use super::sse;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/responses` and `…/responses/{id}`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let route = exchange.route.clone();
    match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => create(exchange, head, body).await,
        (&Method::GET, [id]) => {
            exchange.admit(None).await?;
            let object = Collection::of(Kind::Response).look(exchange, id)?;
            Ok(exchange.json(StatusCode::OK, &object))
        }
        (&Method::DELETE, [id]) => {
            exchange.admit(None).await?;
            let object = Collection::of(Kind::Response).delete(exchange, id)?;
            Ok(exchange.json(StatusCode::OK, &object))
        }
        _ => Err(ApiError::NoRoute),
    }
}

async fn create(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let raw = posted(head, body)?;
    let request: ResponseRequest = typed(&raw)?;
    let model = deployment(exchange, request.model.as_deref())?;
    exchange.admit(Some(&model)).await?;
    if request.max_output_tokens.is_some_and(|limit| limit < OUTPUT_LEAST) {
        return Err(ApiError::BelowMinimum { param: "max_output_tokens", least: OUTPUT_LEAST });
    }
    reject_unsupported(&model, &raw, &["temperature", "top_p", "top_logprobs"])?;
    all_here(exchange, &raw, PREVIOUS)?;
    let effort = raw.get("reasoning").and_then(|reasoning| reasoning.get("effort"));
    let bounds = Bounds {
        usual: exchange.world.tokens,
        limit: request.max_output_tokens,
        effort: effort.and_then(Value::as_str),
    };
    let world = exchange.world.clone();
    let generation = Generation::make(&model, world.display(), bounds, &mut exchange.rng)?;
    let named = request.tool_choice.get("name").and_then(Value::as_str);
    let call = tool::pick(request.tools.iter(), &request.tool_choice, named, asked(&request.input))
        .map(|function| ToolCall::make(function, exchange.id("call_")));
    let said = Said {
        id: exchange.object_id(Kind::Response.prefix()),
        item_id: exchange.id(if call.is_some() { "fc_" } else { "msg_" }),
        created: exchange.created(),
        model: model.model,
        prompt_tokens: prompt_tokens(&request.input),
        stored: request.store.unwrap_or(true),
        request: raw,
        generation,
        call,
    };
    if said.stored {
        Collection::of(Kind::Response).keep(exchange, said.ended());
    }
    if request.stream.unwrap_or(false) {
        let events = stream::events(&said, exchange.delays);
        let after = exchange.world.mode_after;
        return Ok(exchange.stream(events, || sse::response_error(after).into()));
    }
    exchange.until(exchange.delays.total(said.generation.spent())).await;
    Ok(exchange.json(StatusCode::OK, &said.ended()))
}

#[derive(Debug, Deserialize)]
struct ResponseRequest {
    model: Option<String>,
    #[serde(default)]
    input: Value,
    stream: Option<bool>,
    store: Option<bool>,
    max_output_tokens: Option<u32>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    tool_choice: Value,
}

/// What the user says last: the text itself, or the content of the last message of the list.
fn asked(input: &Value) -> Option<&Value> {
    match input {
        Value::String(_) => Some(input),
        Value::Array(items) => {
            let last = items.last()?;
            let by_user = last.get("role").and_then(Value::as_str) == Some("user");
            last.get("content").filter(|_| by_user)
        }
        _ => None,
    }
}

const PREVIOUS: Places = &[("previous_response_id", Kind::Response)];
/// API fact sheet section 8.1.
const OUTPUT_LEAST: u32 = 16;
