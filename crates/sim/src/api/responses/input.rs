//! What a request for a response names: all of it must be in this region.
//!
//! Called by `responses.rs` before anything is said (API fact sheet section 6).

use serde_json::Value;

use crate::api::errors::ApiError;
use crate::api::items::is_name;
use crate::api::objects::{Collection, all_here, text};
use crate::api::references::{Places, Reference};
use crate::api::sealed;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Refuses what belongs to another region: ids and sealed reasoning.
pub(super) fn check(exchange: &Exchange, request: &Value) -> Result<(), ApiError> {
    all_here(exchange, request, NAMED)?;
    for item in request.get("input").and_then(Value::as_array).into_iter().flatten() {
        if let Some(sealed) = item.get("encrypted_content").and_then(Value::as_str) {
            sealed::open(exchange, sealed)?;
        }
        let id = text(item, "id");
        if is_name(item) && Collection::of(Kind::Item).check(exchange, id).is_err() {
            let reference = Reference { kind: Kind::Item, id: id.to_owned(), param: "input" };
            return Err(ApiError::NoReference(reference));
        }
    }
    Ok(())
}

const NAMED: Places = &[
    ("previous_response_id", Kind::Response),
    ("conversation", Kind::Conversation),
    ("conversation.id", Kind::Conversation),
    ("input[].content[].file_id", Kind::File),
    ("tools[].vector_store_ids[]", Kind::VectorStore),
    ("tools[].container", Kind::Container),
    ("tools[].container.file_ids[]", Kind::File),
];
