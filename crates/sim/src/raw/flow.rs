//! Answers that flow: many bytes, events in time, a trailer. Flat memory, whatever the size.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use serde_json::json;

use crate::api::errors::ApiError;
use crate::api::sse;
use crate::body::{Due, Piece, RegionBody};
use crate::exchange::Exchange;

pub(super) fn bytes(exchange: &Exchange, count: &str) -> Result<Response<RegionBody>, ApiError> {
    let count: u64 = count.parse().map_err(|_| ApiError::NoRoute)?;
    let cut = exchange.route.number("cut").filter(|cut| *cut < count);
    let mut left = cut.unwrap_or(count);
    let chunks = std::iter::from_fn(move || {
        let now = left.min(CHUNK.len() as u64);
        left -= now;
        let now = usize::try_from(now).ok().filter(|now| *now > 0)?;
        let chunk = CHUNK.get(..now)?;
        Some(Due::chunk(Duration::ZERO, Bytes::from_static(chunk)))
    });
    let end = cut.map(|_| Due { at: Duration::ZERO, piece: Piece::Cut });
    let mut body = exchange.paced(chunks.chain(end));
    if exchange.route.query("chunked").is_none() {
        body = body.announcing(count);
    }
    let mut response = Response::new(body.boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

pub(super) fn events(exchange: &Exchange) -> Response<RegionBody> {
    let gap = Duration::from_millis(exchange.route.number("gap_ms").unwrap_or(GAP_MS).min(DAY_MS));
    let count = exchange.route.number("count").unwrap_or(u64::MAX);
    let mut at = Duration::ZERO;
    let events = (0..count).map(move |number| {
        let due = Due::chunk(at, sse::data(&json!({"number": number})));
        at = at.saturating_add(gap);
        due
    });
    let mut response = Response::new(exchange.paced(events).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// HTTP/1.1 sends the trailer only to those who say `TE: trailers` (RFC 9110 section 6.5.1).
pub(super) fn trailers(exchange: &Exchange) -> Response<RegionBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sim-trailer", HeaderValue::from_static("at the end"));
    let pieces = [
        Due::chunk(Duration::ZERO, "before the trailer\n"),
        Due { at: Duration::ZERO, piece: Piece::Trailers(trailers) },
    ];
    let mut response = Response::new(exchange.paced(pieces.into_iter()).boxed_unsync());
    response.headers_mut().insert(TRAILER, HeaderValue::from_static("x-sim-trailer"));
    response
}

static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
const GAP_MS: u64 = 100;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
