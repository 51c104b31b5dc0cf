//! The routes below `/sim/`: plain HTTP behaviour for tests of a proxy, no API and no key.
//!
//! Called by `handle.rs` with the body still unread. They obey the mode and the network time but
//! no scripted failure. `raw/echo.rs` and `raw/flow.rs` hold the longer ones.
//!
//! | path | answer |
//! |---|---|
//! | `/sim/echo` | head and body as received, as JSON |
//! | `/sim/sink` | reads any body, answers its length and SHA-256 |
//! | `/sim/status/{code}` | that status, 200 to 999, with a small body where one may be |
//! | `/sim/bytes/{n}` | n bytes; `?chunked=1`: no length, `?cut=k`: cut after k |
//! | `/sim/sse?gap_ms=100&count=n` | events in time; without a count until the client leaves |
//! | `/sim/trailers` | a chunked body with the trailer `x-sim-trailer` |
//! | `/sim/redirect` | 307 to `/sim/echo` |
//! | `/sim/gzip` | a body compressed long ago |
//! | `/sim/ws` | a WebSocket that echoes every message |

mod echo;
mod flow;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use crate::api::errors::ApiError;
use crate::api::realtime;
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;
use crate::ticket::Ticket;

/// The answer to a request below `/sim/`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &mut Parts,
    body: Incoming,
    ticket: &Ticket,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.network().await;
    let route = exchange.route.clone();
    match route.rest().as_slice() {
        ["echo"] => echo::answer(exchange, head, body, ticket).await,
        ["sink"] => echo::sink(exchange, body, ticket).await,
        ["status", code] => status(exchange, code),
        ["bytes", count] => flow::bytes(exchange, count),
        ["sse"] => Ok(flow::events(exchange)),
        ["trailers"] => Ok(flow::trailers(exchange)),
        ["redirect"] => Ok(redirect(exchange)),
        ["gzip"] => Ok(gzip()),
        ["ws"] => realtime::echo(exchange, head),
        _ => Err(ApiError::NoRoute),
    }
}

fn status(exchange: &Exchange, code: &str) -> Result<Response<RegionBody>, ApiError> {
    let status = code.parse::<StatusCode>().ok().filter(|status| !status.is_informational());
    let status = status.ok_or(ApiError::NoRoute)?;
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        let mut response = Response::new(whole(""));
        *response.status_mut() = status;
        return Ok(response);
    }
    Ok(exchange.json(status, &json!({"status": status.as_u16()})))
}

fn redirect(exchange: &Exchange) -> Response<RegionBody> {
    let mut response = exchange.json(StatusCode::TEMPORARY_REDIRECT, &json!({}));
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/sim/echo"));
    response
}

fn gzip() -> Response<RegionBody> {
    let mut response = Response::new(whole(GZIPPED));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// `{"sim":"gzip"}` and a newline.
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0xce, 0xcc, 0x55,
    0xb2, 0x52, 0x4a, 0xaf, 0xca, 0x2c, 0x50, 0xaa, 0xe5, 0x02, 0x00, 0xe1, 0x37, 0x28, 0x1b, 0x0f,
    0x00, 0x00, 0x00,
];
