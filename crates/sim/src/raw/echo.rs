//! Requests told back: what arrived, or only how much of it. Any size, flat memory.

use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;

use crate::api::errors::ApiError;
use crate::body::RegionBody;
use crate::digest::{Digest, SeenBody};
use crate::exchange::Exchange;
use crate::stats::{self, Seen};
use crate::ticket::Ticket;

pub(super) async fn answer(
    exchange: &Exchange,
    head: &Parts,
    body: Incoming,
    ticket: &Ticket,
) -> Result<Response<RegionBody>, ApiError> {
    let (read, trailers) = read(body, ticket).await?;
    let seen = Seen::new(ticket.number(), exchange.route.operation.as_str(), head);
    let told = json!({
        "method": seen.method, "version": seen.version, "target": seen.target,
        "authority": seen.authority, "headers": seen.headers, "body": read,
        "trailers": stats::headers(&trailers),
    });
    Ok(exchange.json(StatusCode::OK, &told))
}

pub(super) async fn sink(
    exchange: &Exchange,
    body: Incoming,
    ticket: &Ticket,
) -> Result<Response<RegionBody>, ApiError> {
    let (read, _) = read(body, ticket).await?;
    Ok(exchange.json(StatusCode::OK, &json!({"len": read.len, "sha256": read.sha256})))
}

async fn read(mut body: Incoming, ticket: &Ticket) -> Result<(SeenBody, HeaderMap), ApiError> {
    let mut digest = Digest::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| ApiError::BodyCut)?.into_data() {
            Ok(chunk) => digest.feed(&chunk),
            Err(other) => trailers.extend(other.into_trailers().unwrap_or_default()),
        }
    }
    let read = digest.finish();
    ticket.read(read.clone());
    Ok((read, trailers))
}
