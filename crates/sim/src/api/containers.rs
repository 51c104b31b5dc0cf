//! Containers of code interpreters, and the files in them. No code runs.
//!
//! Called by `api.rs` (API fact sheet section 6).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::files;
use super::multipart::Form;
use super::objects::{Collection, all_here, required, text};
use super::references::{Places, named};
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/containers` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let containers = Collection::of(Kind::Container);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => create(exchange, &posted(head, &body)?)?,
        (&Method::GET, []) => containers.list(exchange)?,
        (&Method::GET, [id]) => containers.look(exchange, id)?,
        (&Method::DELETE, [id]) => containers.delete(exchange, id)?,
        (method, [id, "files", rest @ ..]) => {
            containers.check(exchange, id)?;
            let inside = Collection::within(Kind::ContainerFile, id);
            match (method, rest) {
                (&Method::POST, []) => put(exchange, id, head, body).await?,
                (&Method::GET, []) => inside.list(exchange)?,
                (&Method::GET, [file]) => inside.look(exchange, file)?,
                (&Method::GET, [file, "content"]) => {
                    return Ok(files::bytes(inside.content(exchange, file)?));
                }
                (&Method::DELETE, [file]) => inside.delete(exchange, file)?,
                _ => return Err(ApiError::NoRoute),
            }
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn create(exchange: &mut Exchange, request: &Value) -> Result<Value, ApiError> {
    let name = required(request, "name")?;
    all_here(exchange, request, FILES)?;
    let members = json!({
        "name": name, "status": "running", "last_active_at": exchange.created(),
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
    });
    let made = Collection::of(Kind::Container).make(exchange, members);
    for file in named(request, FILES) {
        copy(exchange, text(&made, "id"), &file.id)?;
    }
    Ok(made)
}

/// A file that the body carries, or one of the region's.
async fn put(
    exchange: &mut Exchange,
    container: &str,
    head: &Parts,
    body: Bytes,
) -> Result<Value, ApiError> {
    if !Form::is_sent(head) {
        let request = posted(head, &body)?;
        all_here(exchange, &request, FILES)?;
        return copy(exchange, container, required(&request, "file_id")?);
    }
    let form = Form::read(head, body).await?;
    if let Some(file) = form.text("file_id") {
        all_here(exchange, &json!({"file_id": file}), FILES)?;
        return copy(exchange, container, file);
    }
    let file = form.part("file")?;
    let name = file.file_name.as_deref().unwrap_or("file");
    Ok(keep(exchange, container, name, file.content.clone()))
}

fn copy(exchange: &mut Exchange, container: &str, file: &str) -> Result<Value, ApiError> {
    let there = Collection::of(Kind::File);
    let (object, content) = (there.peek(exchange, file)?, there.content(exchange, file)?);
    Ok(keep(exchange, container, text(&object, "filename"), content))
}

fn keep(exchange: &mut Exchange, container: &str, name: &str, content: Bytes) -> Value {
    let members = json!({
        "container_id": container, "bytes": content.len(), "path": format!("/mnt/data/{name}"),
        "source": "user",
    });
    Collection::within(Kind::ContainerFile, container).fill(exchange, members, content)
}

const FILES: Places = &[("file_ids[]", Kind::File), ("file_id", Kind::File)];
