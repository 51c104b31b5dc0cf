//! Files: upload, list, look up, download, delete. Known to this region alone.
//!
//! Called by `api.rs` (API fact sheet section 6). Another region answers 404 for the same id.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::multipart::Form;
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;
use crate::store::File;

/// Answers `…/files`, `…/files/{id}` and `…/files/{id}/content`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let form = Form::read(head, body).await?;
            upload(exchange, &form)
        }
        (&Method::GET, []) => Ok(list(exchange)),
        (&Method::GET, [id]) => {
            let object = find(exchange, id)?.object;
            Ok(exchange.json(StatusCode::OK, &object))
        }
        (&Method::GET, [id, "content"]) => {
            let mut response = Response::new(whole(find(exchange, id)?.content));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            Ok(response)
        }
        (&Method::DELETE, [id]) => {
            if !exchange.region.store.with(|store| store.files.remove(id)) {
                return Err(ApiError::NoFile((*id).to_owned()));
            }
            let object = json!({"id": id, "object": "file", "deleted": true});
            Ok(exchange.json(StatusCode::OK, &object))
        }
        _ => Err(ApiError::NoRoute),
    }
}

fn upload(exchange: &mut Exchange, form: &Form) -> Result<Response<RegionBody>, ApiError> {
    let purpose = form.text("purpose").ok_or(ApiError::Missing("purpose"))?;
    let file = form.part("file")?;
    // Azure's ids of assistants' files have a prefix of their own
    let azure_assistants = exchange.route.is_azure() && purpose == "assistants";
    let id = exchange.id(if azure_assistants { "assistant-" } else { "file-" });
    let object = json!({
        "id": id, "object": "file", "bytes": file.content.len(),
        "created_at": exchange.created(), "filename": file.file_name.as_deref().unwrap_or("file"),
        "purpose": purpose, "status": "processed",
    });
    let kept = File { object: object.clone(), content: file.content.clone() };
    exchange.region.store.with(|store| store.files.put(id, kept));
    Ok(exchange.json(StatusCode::OK, &object))
}

fn list(exchange: &Exchange) -> Response<RegionBody> {
    let purpose = exchange.route.query("purpose");
    let wanted = |object: &Value| {
        purpose.is_none_or(|purpose| object.get("purpose").and_then(Value::as_str) == Some(purpose))
    };
    let data: Vec<Value> = exchange.region.store.with(|store| {
        store.files.newest_first().map(|file| file.object.clone()).filter(wanted).collect()
    });
    let id = |object: Option<&Value>| object.and_then(|object| object.get("id")).cloned();
    let object = json!({
        "object": "list", "first_id": id(data.first()), "last_id": id(data.last()),
        "has_more": false, "data": data,
    });
    exchange.json(StatusCode::OK, &object)
}

fn find(exchange: &Exchange, id: &str) -> Result<File, ApiError> {
    exchange
        .region
        .store
        .with(|store| store.files.find(id).cloned())
        .ok_or_else(|| ApiError::NoFile(id.to_owned()))
}
