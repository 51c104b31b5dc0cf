//! Realtime without a WebSocket: ephemeral keys, and calls over WebRTC as far as HTTP goes.
//!
//! Called by `api.rs` with the whole body (API fact sheet section 7).

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::api::auth;
use crate::api::errors::ApiError;
use crate::api::request::{deployment, posted};
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;

/// Answers what stands below `…/realtime`.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let route = exchange.route.clone();
    let path = route.rest();
    match (&head.method, path.as_slice()) {
        (&Method::POST, ["client_secrets" | "sessions" | "transcription_sessions"]) => {
            // a key that is to be given away is no key to make others with
            auth::check(&exchange.world.key, &route, &head.headers)?;
            mint(exchange, head, body).await
        }
        (&Method::POST, ["calls"]) => {
            check_key(exchange, head)?;
            call(exchange).await
        }
        (&Method::POST, ["calls", id, verb @ ("accept" | "reject" | "refer" | "hangup")]) => {
            check_key(exchange, head)?;
            exchange.admit(None).await?;
            let is_known = exchange.region.realtime.with(|minted| match *verb {
                "reject" | "hangup" => minted.end_call(id),
                _ => minted.model_of(id).is_some(),
            });
            match is_known {
                true => Ok(exchange.json(StatusCode::OK, &json!({}))),
                false => Err(ApiError::NoCall((*id).to_owned())),
            }
        }
        _ => Err(ApiError::NoRoute),
    }
}

/// Lets a request with the region's key pass, or with an ephemeral one that this region has made.
pub(super) fn check_key(exchange: &Exchange, head: &Parts) -> Result<(), ApiError> {
    let bearer = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim());
    let now = exchange.created();
    let minted = |key: &str| exchange.region.realtime.with(|minted| minted.knows_key(key, now));
    match token {
        Some(token) if minted(token) => Ok(()),
        _ => auth::check(&exchange.world.key, &exchange.route, &head.headers),
    }
}

/// Makes a key for the session that the body describes.
async fn mint(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let asked = posted(head, body)?;
    let is_secret = exchange.route.rest() == ["client_secrets"];
    let described = if is_secret { asked.get("session") } else { Some(&asked) };
    let named = described.and_then(|session| {
        let transcription = session.get("input_audio_transcription");
        session.get("model").or_else(|| transcription?.get("model"))?.as_str()
    });
    let model = named.map(|named| deployment(exchange, Some(named))).transpose()?;
    exchange.admit(model.as_ref()).await?;
    let seconds = asked.pointer("/expires_after/seconds").and_then(Value::as_u64);
    let (value, id) = (exchange.id("ek_"), exchange.id("sess_"));
    let expires_at = exchange.created().saturating_add(seconds.unwrap_or(EXPIRES_AFTER_S));
    exchange.region.realtime.with(|minted| minted.key(value.clone(), expires_at));
    let mut session = json!({
        "type": "realtime", "object": "realtime.session", "id": id,
        "model": model.map(|model| model.model), "output_modalities": ["audio"],
    });
    let secret = json!({"value": value, "expires_at": expires_at});
    if is_secret {
        let answer = json!({"value": value, "expires_at": expires_at, "session": session});
        return Ok(exchange.json(StatusCode::OK, &answer));
    }
    if let Value::Object(session) = &mut session {
        session.insert("client_secret".to_owned(), secret);
    }
    Ok(exchange.json(StatusCode::OK, &session))
}

/// Takes a call: an answer to any offer, and where the call can be found.
async fn call(exchange: &mut Exchange) -> Result<Response<RegionBody>, ApiError> {
    let named = exchange.route.query("model").map(str::to_owned);
    let model = match named {
        Some(named) => deployment(exchange, Some(&named))?,
        None => exchange.world.deployments.first().cloned().ok_or(ApiError::NoDeployment)?,
    };
    exchange.admit(Some(&model)).await?;
    let id = exchange.id("rtc_");
    exchange.region.realtime.with(|minted| minted.call(id.clone(), model.name));
    let mut response = Response::new(whole(SDP_ANSWER));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
    if let Ok(location) = HeaderValue::try_from(format!("/v1/realtime/calls/{id}")) {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

/// What the API grants a key where nothing else is asked for.
const EXPIRES_AFTER_S: u64 = 600;
/// Enough for a test; no media follow.
const SDP_ANSWER: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=nearway-sim\r\nt=0 0\r\n";
