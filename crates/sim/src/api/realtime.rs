//! Realtime: a WebSocket that speaks enough of the API for the SDKs and echoes the rest, the keys and calls
//! around it, and the WebSocket of the Responses API.
//!
//! Called by `handle.rs` for upgrades and by `api.rs` for the rest (API fact sheet sections 5.2, 7).
//! `realtime/session.rs` runs a socket, `realtime/events.rs` knows what to answer, `realtime/turns.rs` does
//! for responses; `realtime/minted.rs` keeps what only this region knows, `realtime/calls.rs` makes it.

mod calls;
mod events;
mod minted;
mod session;
mod turns;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) use self::calls::answer;
pub(crate) use self::minted::Minted;

use self::events::Speech;
use self::session::Talk;
use self::turns::Turns;
use super::auth;
use super::errors::ApiError;
use super::request::deployment;
use crate::body::{RegionBody, whole};
use crate::deployment::Deployment;
use crate::exchange::Exchange;

/// Answers an upgrade to `…/realtime`.
pub(crate) async fn open(
    exchange: &mut Exchange,
    head: &mut Parts,
) -> Result<Response<RegionBody>, ApiError> {
    calls::check_key(exchange, head)?;
    let model = asked_for(exchange)?;
    exchange.admit(Some(&model)).await?;
    let speech = Speech {
        display: exchange.world.display().to_owned(),
        tokens: exchange.world.tokens,
        delays: exchange.delays,
        model,
    };
    upgrade(exchange, head, Talk::Realtime(speech))
}

/// What the session is with: what the query names, the model of a call, or any for a transcription.
fn asked_for(exchange: &Exchange) -> Result<Deployment, ApiError> {
    let route = &exchange.route;
    if let Some(call) = route.query("call_id") {
        let found = exchange.region.realtime.with(|minted| minted.model_of(call));
        let model = found.ok_or_else(|| ApiError::NoCall(call.to_owned()))?;
        return deployment(exchange, Some(&model));
    }
    let named = route.query("deployment").or_else(|| route.query("model"));
    if named.is_none() && route.query("intent") == Some("transcription") {
        return exchange.world.deployments.first().cloned().ok_or(ApiError::NoDeployment);
    }
    deployment(exchange, named)
}

/// Whether a request opens a WebSocket on its operation.
pub(crate) fn wants_socket(head: &Parts) -> bool {
    let upgrade = head.headers.get(UPGRADE).map(HeaderValue::as_bytes);
    head.method == Method::GET && upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
}

/// Answers an upgrade to `…/responses`.
pub(crate) async fn take_turns(
    exchange: &mut Exchange,
    head: &mut Parts,
) -> Result<Response<RegionBody>, ApiError> {
    auth::check(&exchange.world.key, &exchange.route, &head.headers)?;
    if !exchange.route.rest.is_empty() {
        return Err(ApiError::NoRoute);
    }
    exchange.admit(None).await?;
    let turns = Turns::new(exchange.region.clone(), head);
    upgrade(exchange, head, Talk::Responses(Box::new(turns)))
}

/// Answers an upgrade to `/sim/ws`: every message comes back as it is.
pub(crate) fn echo(
    exchange: &mut Exchange,
    head: &mut Parts,
) -> Result<Response<RegionBody>, ApiError> {
    upgrade(exchange, head, Talk::Echo)
}

fn upgrade(
    exchange: &mut Exchange,
    head: &mut Parts,
    talk: Talk,
) -> Result<Response<RegionBody>, ApiError> {
    let key = head.headers.get(SEC_WEBSOCKET_KEY).ok_or(ApiError::NotWebSocket)?;
    let accept = derive_accept_key(key.as_bytes());
    let on_upgrade = head.extensions.remove::<OnUpgrade>().ok_or(ApiError::NotWebSocket)?;
    let ids = exchange.rng.fork();
    let session = session::run(exchange.region.clone(), on_upgrade, talk, ids);
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
