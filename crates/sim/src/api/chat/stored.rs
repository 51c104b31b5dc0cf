//! Chat completions that were asked for with `store`: look up, list, change, delete.
//!
//! Called by `api.rs` and, for the list, by `chat.rs` (API fact sheet section 6).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::api::errors::ApiError;
use crate::api::objects::{Collection, given, text, with};
use crate::api::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `GET …/chat/completions` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let stored = Collection::of(Kind::ChatCompletion);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::GET, []) => {
            let model = route.query("model");
            stored.list_where(exchange, |completion| {
                model.is_none_or(|model| text(completion, "model") == model)
            })?
        }
        (&Method::GET, [id]) => stored.look(exchange, id)?,
        (&Method::POST, [id]) => {
            stored.change(exchange, id, &given(&posted(head, body)?, &["metadata"]))?
        }
        (&Method::DELETE, [id]) => stored.delete(exchange, id)?,
        (&Method::GET, [id, "messages"]) => {
            stored.check(exchange, id)?;
            Collection::within(Kind::Message, id).list(exchange)?
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

/// Keeps a completion with the messages that it answers.
pub(super) fn keep(exchange: &Exchange, completion: &Value, request: &Value, asked: &[Value]) {
    let metadata = with(json!({"metadata": {}}), given(request, &["metadata"]));
    Collection::of(Kind::ChatCompletion).keep(exchange, with(completion.clone(), metadata));
    let id = text(completion, "id");
    for (number, message) in asked.iter().enumerate() {
        let message = with(message.clone(), json!({"id": format!("{id}-{number}")}));
        Collection::within(Kind::Message, id).keep(exchange, message);
    }
}
