//! Realtime: a WebSocket that speaks enough of the API for the SDKs and echoes the rest.
//!
//! Called by `handle.rs` (API fact sheet section 7). `realtime/session.rs` runs the socket,
//! `realtime/events.rs` knows what to answer.

mod events;
mod session;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::events::Speech;
use super::auth;
use super::errors::ApiError;
use super::request::deployment;
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;

/// Answers an upgrade to `…/realtime`.
pub(crate) async fn open(
    exchange: &mut Exchange,
    head: &mut Parts,
) -> Result<Response<RegionBody>, ApiError> {
    auth::check(&exchange.world.key, &exchange.route, &head.headers)?;
    let named = exchange.route.query("deployment").or_else(|| exchange.route.query("model"));
    let model = deployment(exchange, named)?;
    exchange.admit(Some(&model)).await?;
    let speech = Speech {
        display: exchange.world.display().to_owned(),
        tokens: exchange.world.tokens,
        delays: exchange.delays,
        model,
    };
    upgrade(exchange, head, Some(speech))
}

/// Answers an upgrade to `/sim/ws`: every message comes back as it is.
pub(crate) fn echo(
    exchange: &mut Exchange,
    head: &mut Parts,
) -> Result<Response<RegionBody>, ApiError> {
    upgrade(exchange, head, None)
}

fn upgrade(
    exchange: &mut Exchange,
    head: &mut Parts,
    speech: Option<Speech>,
) -> Result<Response<RegionBody>, ApiError> {
    let key = head.headers.get(SEC_WEBSOCKET_KEY).ok_or(ApiError::NotWebSocket)?;
    let accept = derive_accept_key(key.as_bytes());
    let on_upgrade = head.extensions.remove::<OnUpgrade>().ok_or(ApiError::NotWebSocket)?;
    let ids = exchange.rng.fork();
    let session = session::run(exchange.region.clone(), on_upgrade, speech, ids);
    exchange.region.tasks.tracker.spawn(session);
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    let offered = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    if offered.any(|protocol| protocol.trim() == "realtime") {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("realtime"));
    }
    Ok(response)
}
