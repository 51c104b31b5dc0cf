//! The API of one region: which handler answers which route.
//!
//! Called by `handle.rs` with the whole body. Order as in the service: key, route, deployment,
//! then what the script has for this request, then the handler.

pub(crate) mod assistants;
pub(crate) mod audio;
pub(crate) mod auth;
pub(crate) mod base64;
pub(crate) mod batches;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod containers;
pub(crate) mod conversations;
pub(crate) mod embeddings;
pub(crate) mod errors;
pub(crate) mod evals;
pub(crate) mod files;
pub(crate) mod fine_tuning;
pub(crate) mod generation;
pub(crate) mod headers;
pub(crate) mod items;
pub(crate) mod models;
pub(crate) mod multipart;
pub(crate) mod objects;
pub(crate) mod operation;
pub(crate) mod page;
pub(crate) mod realtime;
pub(crate) mod references;
pub(crate) mod request;
pub(crate) mod responses;
pub(crate) mod route;
pub(crate) mod sealed;
pub(crate) mod sse;
pub(crate) mod threads;
pub(crate) mod uploads;
pub(crate) mod vector_stores;
pub(crate) mod videos;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::json;

use self::errors::ApiError;
use self::operation::Operation;
use crate::body::RegionBody;
use crate::exchange::Exchange;

/// The answer of the API to a request whose body has been read.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    if exchange.route.operation == Operation::Status {
        exchange.network().await;
        return Ok(exchange.json(StatusCode::OK, &json!({"status": "up"})));
    }
    if exchange.route.operation == Operation::Realtime {
        return realtime::answer(exchange, head, &body).await;
    }
    auth::check(&exchange.world.key, &exchange.route, &head.headers)?;
    match exchange.route.operation {
        Operation::ChatCompletions => chat::complete(exchange, head, &body).await,
        Operation::Completions => completions::complete(exchange, head, &body).await,
        Operation::Responses => responses::answer(exchange, head, &body).await,
        Operation::Embeddings => embeddings::embed(exchange, head, &body).await,
        Operation::Files => files::answer(exchange, head, body).await,
        Operation::Uploads => uploads::answer(exchange, head, body).await,
        Operation::Batches => batches::answer(exchange, head, &body).await,
        Operation::FineTuning => fine_tuning::answer(exchange, head, &body).await,
        Operation::Assistants => assistants::answer(exchange, head, &body).await,
        Operation::Threads => threads::answer(exchange, head, &body).await,
        Operation::VectorStores => vector_stores::answer(exchange, head, &body).await,
        Operation::Conversations => conversations::answer(exchange, head, &body).await,
        Operation::Containers => containers::answer(exchange, head, body).await,
        Operation::Evals => evals::answer(exchange, head, &body).await,
        Operation::Videos => videos::answer(exchange, head, body).await,
        Operation::StoredCompletions => chat::stored::answer(exchange, head, &body).await,
        Operation::Models => models::answer(exchange, head).await,
        Operation::AudioTranscriptions | Operation::AudioTranslations => {
            audio::hear(exchange, head, body).await
        }
        Operation::Realtime | Operation::Status | Operation::Raw | Operation::Other => {
            Err(ApiError::NoRoute)
        }
    }
}
