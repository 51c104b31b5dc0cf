//! Vector stores, the files in them, batches of files, and a search that finds every file.
//!
//! Called by `api.rs` (API fact sheet section 6). Files that are put in must be in the region.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::objects::{Collection, all_here, given, required, text, with};
use super::page::list;
use super::references::{Places, named};
use super::request::{posted, posted_or_empty};
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/vector_stores` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let stores = Collection::of(Kind::VectorStore);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => create(exchange, &posted_or_empty(head, body)?)?,
        (&Method::GET, []) => stores.list(exchange)?,
        (&Method::GET, [id]) => stores.look(exchange, id)?,
        (&Method::POST, [id]) => {
            stores.change(exchange, id, &given(&posted(head, body)?, MEMBERS))?
        }
        (&Method::DELETE, [id]) => stores.delete(exchange, id)?,
        (&Method::POST, [id, "search"]) => {
            stores.check(exchange, id)?;
            search(exchange, id, &posted(head, body)?)
        }
        (_, [id, "files", rest @ ..]) => {
            stores.check(exchange, id)?;
            files(exchange, head, body, (id, rest))?
        }
        (_, [id, "file_batches", rest @ ..]) => {
            stores.check(exchange, id)?;
            batches(exchange, head, body, (id, rest))?
        }
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn create(exchange: &mut Exchange, request: &Value) -> Result<Value, ApiError> {
    all_here(exchange, request, FILES)?;
    let usual = json!({
        "name": null, "status": "completed", "usage_bytes": 0, "file_counts": counts(0),
        "last_active_at": exchange.created(), "expires_at": null, "metadata": {},
    });
    let members = with(usual, given(request, MEMBERS));
    let store = Collection::of(Kind::VectorStore).make(exchange, members);
    let id = text(&store, "id");
    for file in named(request, FILES) {
        add(exchange, id, &file.id, None);
    }
    Collection::of(Kind::VectorStore).look(exchange, id)
}

fn files(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
    (store, rest): (&str, &[&str]),
) -> Result<Value, ApiError> {
    let files = Collection::within(Kind::VectorStoreFile, store);
    match (&head.method, rest) {
        (&Method::POST, []) => {
            let request = posted(head, body)?;
            let file = required(&request, "file_id")?;
            all_here(exchange, &request, FILES)?;
            Ok(add(exchange, store, file, request.get("attributes")))
        }
        (&Method::GET, []) => files.list(exchange),
        (&Method::GET, [id]) => files.look(exchange, id),
        (&Method::POST, [id]) => {
            files.change(exchange, id, &given(&posted(head, body)?, &["attributes"]))
        }
        (&Method::DELETE, [id]) => {
            let deleted = files.delete(exchange, id)?;
            count(exchange, store);
            Ok(deleted)
        }
        (&Method::GET, [id, "content"]) => {
            files.check(exchange, id)?;
            Ok(list(&[json!({"type": "text", "text": beginning(exchange, id)})], false))
        }
        _ => Err(ApiError::NoRoute),
    }
}

fn batches(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
    (store, rest): (&str, &[&str]),
) -> Result<Value, ApiError> {
    let batches = Collection::within(Kind::FileBatch, store);
    match (&head.method, rest) {
        (&Method::POST, []) => {
            let request = posted(head, body)?;
            all_here(exchange, &request, FILES)?;
            let files = named(&request, FILES);
            let members = json!({
                "vector_store_id": store, "status": "in_progress", "file_counts": counts(0),
            });
            let done = json!({"status": "completed", "file_counts": counts(files.len())});
            let batch = batches.begin(exchange, members, done);
            // a batch lists its files by itself, since others may be in the store
            let of_batch = Collection::within(Kind::VectorStoreFile, text(&batch, "id"));
            for file in files {
                let added = add(exchange, store, &file.id, None);
                of_batch.keep(exchange, added);
            }
            Ok(batch)
        }
        (&Method::GET, [id]) => batches.look(exchange, id),
        (&Method::POST, [id, "cancel"]) => batches.cancel(exchange, id, "cancelled"),
        (&Method::GET, [id, "files"]) => {
            batches.check(exchange, id)?;
            Collection::within(Kind::VectorStoreFile, id).list(exchange)
        }
        _ => Err(ApiError::NoRoute),
    }
}

/// Puts a file into a store; there it goes by the file's own id.
fn add(exchange: &mut Exchange, store: &str, file: &str, attributes: Option<&Value>) -> Value {
    let size = Collection::of(Kind::File).content(exchange, file).map_or(0, |bytes| bytes.len());
    let object = json!({
        "id": file, "object": Kind::VectorStoreFile.object(), "created_at": exchange.created(),
        "vector_store_id": store, "status": "completed", "usage_bytes": size, "last_error": null,
        "attributes": attributes.cloned().unwrap_or_else(|| json!({})),
        "chunking_strategy": {
            "type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
        },
    });
    Collection::within(Kind::VectorStoreFile, store).keep(exchange, object.clone());
    count(exchange, store);
    object
}

fn count(exchange: &Exchange, store: &str) {
    let files = Collection::within(Kind::VectorStoreFile, store).all(exchange);
    let size: u64 = files.iter().filter_map(|file| file.get("usage_bytes")?.as_u64()).sum();
    let members = json!({"file_counts": counts(files.len()), "usage_bytes": size});
    // a store that was deleted meanwhile counts nothing
    let _ = Collection::of(Kind::VectorStore).change(exchange, store, &members);
}

fn counts(completed: usize) -> Value {
    json!({
        "completed": completed, "total": completed, "in_progress": 0, "failed": 0, "cancelled": 0,
    })
}

fn search(exchange: &Exchange, store: &str, request: &Value) -> Value {
    let files = Collection::within(Kind::VectorStoreFile, store).all(exchange);
    let found = files.iter().take(FOUND_MOST).map(|file| {
        let id = text(file, "id");
        let name = Collection::of(Kind::File).look(exchange, id).unwrap_or_default();
        json!({
            "file_id": id, "filename": text(&name, "filename"), "score": 1.0,
            "attributes": file.get("attributes"),
            "content": [{"type": "text", "text": beginning(exchange, id)}],
        })
    });
    json!({
        "object": "vector_store.search_results.page", "has_more": false, "next_page": null,
        "search_query": request.get("query"), "data": found.collect::<Vec<_>>(),
    })
}

/// The first characters of a file.
fn beginning(exchange: &Exchange, file: &str) -> String {
    let content = Collection::of(Kind::File).content(exchange, file).unwrap_or_default();
    let start = content.get(..content.len().min(BEGINNING_BYTES)).unwrap_or_default();
    String::from_utf8_lossy(start).into_owned()
}

const MEMBERS: &[&str] = &["name", "metadata", "expires_after", "description"];
const FILES: Places =
    &[("file_ids[]", Kind::File), ("files[].file_id", Kind::File), ("file_id", Kind::File)];
const FOUND_MOST: usize = 10;
const BEGINNING_BYTES: usize = 800;
