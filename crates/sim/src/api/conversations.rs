//! Conversations and their items.
//!
//! Called by `api.rs` (API fact sheet section 6). `responses.rs` adds what is said in one.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::items;
use super::objects::{Collection, given, text, with};
use super::page::list;
use super::request::{posted, posted_or_empty};
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/conversations` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let conversations = Collection::of(Kind::Conversation);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let request = posted_or_empty(head, body)?;
            let members = with(json!({"metadata": {}}), given(&request, &["metadata"]));
            let made = conversations.make(exchange, members);
            add(exchange, text(&made, "id"), &request);
            made
        }
        (&Method::GET, [id]) => conversations.look(exchange, id)?,
        (&Method::POST, [id]) => {
            conversations.change(exchange, id, &given(&posted(head, body)?, &["metadata"]))?
        }
        (&Method::DELETE, [id]) => conversations.delete(exchange, id)?,
        (_, [id, "items", rest @ ..]) => {
            let conversation = conversations.peek(exchange, id)?;
            let items = Collection::within(Kind::ConversationItem, id);
            match (&head.method, rest) {
                (&Method::POST, []) => list(&add(exchange, id, &posted(head, body)?), false),
                (&Method::GET, []) => items.list(exchange)?,
                (&Method::GET, [item]) => items.look(exchange, item)?,
                (&Method::DELETE, [item]) => {
                    items.delete(exchange, item)?;
                    conversation
                }
                _ => return Err(ApiError::NoRoute),
            }
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn add(exchange: &mut Exchange, conversation: &str, request: &Value) -> Vec<Value> {
    let given = request.get("items").unwrap_or(&Value::Null);
    let made = items::of_input(exchange, given);
    items::append(exchange, conversation, &made);
    made
}
