//! Assistants: create, list, look up, change, delete.
//!
//! Called by `api.rs` (API fact sheet section 6). What an assistant uses must be in its region.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::objects::{Collection, all_here, given, required, with};
use super::references::Places;
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/assistants` and `…/assistants/{id}`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let assistants = Collection::of(Kind::Assistant);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let request = posted(head, body)?;
            required(&request, "model")?;
            all_here(exchange, &request, TOOL_RESOURCES)?;
            assistants.make(exchange, members(&request))
        }
        (&Method::GET, []) => assistants.list(exchange)?,
        (&Method::GET, [id]) => assistants.look(exchange, id)?,
        (&Method::POST, [id]) => {
            let request = posted(head, body)?;
            assistants.check(exchange, id)?;
            all_here(exchange, &request, TOOL_RESOURCES)?;
            assistants.change(exchange, id, &given(&request, MEMBERS))?
        }
        (&Method::DELETE, [id]) => assistants.delete(exchange, id)?,
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn members(request: &Value) -> Value {
    let usual = json!({
        "name": null, "description": null, "instructions": null, "tools": [],
        "tool_resources": {}, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "response_format": "auto",
    });
    with(usual, given(request, MEMBERS))
}

const MEMBERS: &[&str] = &[
    "model",
    "name",
    "description",
    "instructions",
    "tools",
    "tool_resources",
    "metadata",
    "temperature",
    "top_p",
    "response_format",
];
const TOOL_RESOURCES: Places = &[
    ("tool_resources.code_interpreter.file_ids[]", Kind::File),
    ("tool_resources.file_search.vector_store_ids[]", Kind::VectorStore),
    ("tool_resources.file_search.vector_stores[].file_ids[]", Kind::File),
];
