//! Threads: create, look up, change, delete; what is inside them is in the files of this folder.
//!
//! Called by `api.rs` (API fact sheet section 6). A message or a run is found in its own thread
//! only, so that a region which does not know the thread says that, whatever else is named.

mod messages;
mod runs;
mod stream;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::objects::{Collection, all_here, given, text, with};
use super::references::Places;
use super::request::{posted, posted_or_empty};
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/threads` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let route = exchange.route.clone();
    let threads = Collection::of(Kind::Thread);
    let (method, rest) = (&head.method, route.rest());
    // a run is admitted as what it is: the work of a model
    match (method, rest.as_slice()) {
        (&Method::POST, ["runs"]) => {
            return runs::create(exchange, None, posted(head, body)?).await;
        }
        (&Method::POST, [id, "runs"]) => {
            return runs::create(exchange, Some(id), posted(head, body)?).await;
        }
        _ => exchange.admit(None).await?,
    }
    let object = match (method, rest.as_slice()) {
        (&Method::POST, []) => create(exchange, &posted_or_empty(head, body)?)?,
        (&Method::GET, [id]) => threads.look(exchange, id)?,
        (&Method::POST, [id]) => {
            let request = posted(head, body)?;
            threads.check(exchange, id)?;
            all_here(exchange, &request, NAMED)?;
            threads.change(exchange, id, &given(&request, MEMBERS))?
        }
        (&Method::DELETE, [id]) => threads.delete(exchange, id)?,
        (_, [id, "messages", rest @ ..]) => {
            threads.check(exchange, id)?;
            messages::answer(exchange, head, body, (id, rest))?
        }
        (_, [id, "runs", rest @ ..]) => {
            threads.check(exchange, id)?;
            runs::answer(exchange, head, body, (id, rest))?
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

/// Makes a thread and its first messages.
fn create(exchange: &mut Exchange, request: &Value) -> Result<Value, ApiError> {
    all_here(exchange, request, NAMED)?;
    let members = with(json!({"metadata": {}, "tool_resources": {}}), given(request, MEMBERS));
    let thread = Collection::of(Kind::Thread).make(exchange, members);
    for message in request.get("messages").and_then(Value::as_array).into_iter().flatten() {
        messages::add(exchange, text(&thread, "id"), message);
    }
    Ok(thread)
}

const MEMBERS: &[&str] = &["metadata", "tool_resources"];
const NAMED: Places = &[
    ("messages[].attachments[].file_id", Kind::File),
    ("messages[].content[].image_file.file_id", Kind::File),
    ("tool_resources.code_interpreter.file_ids[]", Kind::File),
    ("tool_resources.file_search.vector_store_ids[]", Kind::VectorStore),
    ("tool_resources.file_search.vector_stores[].file_ids[]", Kind::File),
];
