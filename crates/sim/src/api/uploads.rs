//! Uploads: a file that comes in parts.
//!
//! Called by `api.rs` (API fact sheet section 6). The parts live where their upload does; the file
//! in the end as well.

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::files;
use super::multipart::Form;
use super::objects::{Collection, required, text, with};
use super::references::{Places, named};
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/uploads` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let uploads = Collection::of(Kind::Upload);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let request = posted(head, &body)?;
            let (name, purpose) = (required(&request, "filename")?, required(&request, "purpose")?);
            let length = request.get("bytes").and_then(Value::as_u64);
            let expires = exchange.created() + HOUR;
            let members = json!({
                "filename": name, "purpose": purpose, "status": "pending", "file": null,
                "bytes": length.ok_or(ApiError::Missing("bytes"))?, "expires_at": expires,
            });
            // pending until completed: what it is next is said then
            uploads.begin(exchange, members, json!({}))
        }
        (&Method::POST, [id, "parts"]) => {
            pending(exchange, id)?;
            let form = Form::read(head, body).await?;
            let content = form.part("data")?.content.clone();
            Collection::within(Kind::Part, id).fill(exchange, json!({"upload_id": id}), content)
        }
        (&Method::POST, [id, "complete"]) => complete(exchange, id, &posted(head, &body)?)?,
        (&Method::POST, [id, "cancel"]) => uploads.cancel(exchange, id, "cancelled")?,
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn complete(exchange: &mut Exchange, id: &str, request: &Value) -> Result<Value, ApiError> {
    let upload = pending(exchange, id)?;
    let parts = Collection::within(Kind::Part, id);
    let mut content = BytesMut::new();
    for part in named(request, PARTS) {
        let found = parts.content(exchange, &part.id);
        content.extend_from_slice(&found.map_err(|_| ApiError::NoReference(part))?);
    }
    if upload.get("bytes").and_then(Value::as_u64) != Some(content.len() as u64) {
        return Err(ApiError::Invalid { param: "part_ids", expected: "all bytes of the upload" });
    }
    let (name, purpose) = (text(&upload, "filename"), text(&upload, "purpose"));
    let file = files::make(exchange, name, purpose, content.freeze());
    let object = with(upload.clone(), json!({"status": "completed", "file": file}));
    Collection::of(Kind::Upload).keep(exchange, object.clone());
    Ok(object)
}

/// An upload that still takes parts.
fn pending(exchange: &Exchange, id: &str) -> Result<Value, ApiError> {
    let upload = Collection::of(Kind::Upload).peek(exchange, id)?;
    match text(&upload, "status") {
        "pending" => Ok(upload),
        _ => Err(ApiError::Invalid { param: "upload_id", expected: "a pending upload" }),
    }
}

const PARTS: Places = &[("part_ids[]", Kind::Part)];
const HOUR: u64 = 3_600;
