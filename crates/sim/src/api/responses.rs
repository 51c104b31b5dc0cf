//! Responses: create (whole, as a stream or in the background), look up, cancel, delete. Known to
//! this region alone.
//!
//! Called by `api.rs` (API fact sheet sections 5.2 and 6). `responses/input.rs` looks for what the
//! input names, `responses/object.rs` writes the object, `responses/stream.rs` the events.

mod input;
mod object;
mod stream;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use self::object::{Said, Thought};
use super::chat::tool::{self, ToolCall};
use super::errors::ApiError;
use super::generation::{Bounds, Generation, prompt_tokens, reject_unsupported};
use super::objects::Collection;
use super::request::{deployment, posted, typed};
use super::{items, sealed, sse};
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;
use crate::store::Kept;

/// Answers `…/responses` and `…/responses/{id}`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let route = exchange.route.clone();
    match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => create(exchange, head, body).await,
        (method, rest) => {
            exchange.admit(None).await?;
            let object = stored(exchange, method, rest)?;
            Ok(exchange.json(StatusCode::OK, &object))
        }
    }
}

fn stored(exchange: &Exchange, method: &Method, rest: &[&str]) -> Result<Value, ApiError> {
    let responses = Collection::of(Kind::Response);
    match (method, rest) {
        (&Method::GET, [id]) => responses.look(exchange, id),
        (&Method::DELETE, [id]) => responses.delete(exchange, id),
        (&Method::POST, [id, "cancel"]) => responses.cancel(exchange, id, "cancelled"),
        (&Method::GET, [id, "input_items"]) => {
            responses.check(exchange, id)?;
            Collection::within(Kind::InputItem, id).list(exchange)
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
    input::check(exchange, &raw)?;
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
    let sealed = request.include.iter().any(|what| what == "reasoning.encrypted_content");
    let thought = (model.reasoning || sealed).then(|| Thought {
        id: exchange.object_id("rs_"),
        sealed: sealed.then(|| sealed::seal(exchange)),
    });
    let input = items::of_input(exchange, &request.input);
    let said = Said {
        id: exchange.object_id(Kind::Response.prefix()),
        item_id: exchange.object_id(if call.is_some() { "fc_" } else { "msg_" }),
        thought,
        created: exchange.created(),
        model: model.model,
        prompt_tokens: prompt_tokens(&request.input),
        stored: request.store.unwrap_or(true),
        request: raw,
        generation,
        call,
    };
    let streams = request.stream.unwrap_or(false);
    let in_background = said.stored && !streams && request.background.unwrap_or(false);
    keep(exchange, &said, &input, in_background);
    if in_background {
        return Ok(exchange.json(StatusCode::OK, &said.queued()));
    }
    if streams {
        let events = stream::events(&said, exchange.delays);
        let after = exchange.world.mode_after;
        return Ok(exchange.stream(events, || sse::response_error(after).into()));
    }
    exchange.until(exchange.delays.total(said.generation.spent())).await;
    Ok(exchange.json(StatusCode::OK, &said.ended()))
}

/// Keeps the response, if it is to be stored, and what was said in a conversation.
fn keep(exchange: &Exchange, said: &Said, input: &[Value], in_background: bool) {
    let output = said.output();
    if let Some(conversation) = said.conversation() {
        items::append(exchange, conversation, input);
        items::append(exchange, conversation, &output);
    }
    if !said.stored {
        return;
    }
    let (object, next) = match in_background {
        true => (said.queued(), Some(said.ended())),
        false => (said.ended(), None),
    };
    Collection::of(Kind::Response).put(exchange, Kept { object, next, ..Kept::default() });
    let inputs = Collection::within(Kind::InputItem, &said.id);
    for item in input {
        inputs.keep(exchange, item.clone());
    }
    items::keep(exchange, input);
    items::keep(exchange, &output);
}

#[derive(Debug, Deserialize)]
struct ResponseRequest {
    model: Option<String>,
    #[serde(default)]
    input: Value,
    stream: Option<bool>,
    store: Option<bool>,
    max_output_tokens: Option<u32>,
    background: Option<bool>,
    #[serde(default, deserialize_with = "nothing_as_empty")]
    include: Vec<String>,
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

/// `null` stands for a list that is left out.
fn nothing_as_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// API fact sheet section 8.1.
const OUTPUT_LEAST: u32 = 16;
