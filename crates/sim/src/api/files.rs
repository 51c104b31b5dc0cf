//! Files: upload, list, look up, download, delete. Known to this region alone.
//!
//! Called by `api.rs` (API fact sheet section 6). Another region answers 404 for the same id.
//! Uploads and batches make files as well.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::multipart::Form;
use super::objects::{Collection, text};
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;
use crate::kind::Kind;
use crate::store::Kept;

/// Answers `…/files`, `…/files/{id}` and `…/files/{id}/content`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let files = Collection::of(Kind::File);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let form = Form::read(head, body).await?;
            let purpose = form.text("purpose").ok_or(ApiError::Missing("purpose"))?;
            let file = form.part("file")?;
            let name = file.file_name.as_deref().unwrap_or("file");
            make(exchange, name, purpose, file.content.clone())
        }
        (&Method::GET, []) => {
            let purpose = route.query("purpose");
            files.list_where(exchange, |file| {
                purpose.is_none_or(|purpose| text(file, "purpose") == purpose)
            })?
        }
        (&Method::GET, [id]) => files.look(exchange, id)?,
        (&Method::GET, [id, "content"]) => return Ok(bytes(files.content(exchange, id)?)),
        (&Method::DELETE, [id]) => files.delete(exchange, id)?,
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

/// Makes a file and keeps it.
pub(super) fn make(exchange: &mut Exchange, name: &str, purpose: &str, content: Bytes) -> Value {
    // Azure's ids of assistants' files have a prefix of their own
    let azure_assistants = exchange.route.is_azure() && purpose == "assistants";
    let id = exchange.object_id(if azure_assistants { "assistant-" } else { "file-" });
    let object = json!({
        "id": id, "object": Kind::File.object(), "bytes": content.len(),
        "created_at": exchange.created(), "filename": name, "purpose": purpose,
        "status": "processed", "expires_at": null, "status_details": null,
    });
    let kept = Kept { object: object.clone(), content, ..Kept::default() };
    Collection::of(Kind::File).put(exchange, kept);
    object
}

/// An answer that is the bytes themselves.
pub(super) fn bytes(content: Bytes) -> Response<RegionBody> {
    let mut response = Response::new(whole(content));
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
