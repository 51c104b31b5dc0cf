//! Sessions whose first message names the deployment: Responses over WebSocket (API fact sheet 5.2).
//!
//! Their handshake says too little to choose a region, so Nearway answers it itself and reads the first
//! message in place of a body. From there on all is as for any request that switches protocols: the same
//! plan, the same law, and a tunnel in the end, which begins with what was read. The region's own answer to
//! the same handshake reaches nobody. A region that calls the deployment otherwise can't serve such a
//! session: each further message names it again.

use std::rc::Rc;
use std::time::Duration;

use http::header::{
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use nearway_telemetry::TunnelEnd;
use nearway_upstream::{Reply, Transport};
use nearway_wire::endpoint::{self, Operation};
use nearway_wire::error_body::{ERROR_BODY_LIMIT, openai_error};
use nearway_wire::headers::offered_protocol;
use nearway_wire::websocket::{accept, close, code, error_event, is_websocket, text};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;

use crate::admit::Admitted;
use crate::attempt::Original;
use crate::handle::ask;
use crate::hold_body::{Means, Seen, scan_for, seeking_named};
use crate::identify::Identity;
use crate::learn::SessionLearner;
use crate::opening::{NoMessage, Opening, Patience, Room};
use crate::pass::{Content, IDLE};
use crate::settle::Settle;
use crate::tunnel::{Tunnel, switching};
use crate::worker::Context;
use crate::{ClientBody, Refusal, Settings};

/// What Nearway says to a handshake.
#[derive(Debug)]
pub(crate) struct Greeting {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
}

/// The greeting of a request that opens such a session; `None` for all others.
///
/// # Errors
/// It is no handshake.
pub(crate) fn greeting(
    identity: &mut Identity,
    admitted: &mut Admitted,
    has_body: bool,
    settings: &Settings,
) -> Result<Option<Greeting>, Refusal> {
    let Some(upgrade) = &admitted.upgrade else { return Ok(None) };
    identity.switches();
    let opens = is_websocket(upgrade)
        && admitted.method == Method::GET
        && identity.operation == Operation::Responses
        && identity.deployment.is_none()
        && names_no_object(identity.target.as_str());
    if !opens {
        return Ok(None);
    }
    if has_body {
        return Err(Refusal::Malformed("A WebSocket handshake has no body."));
    }
    let headers = admitted.headers.unsent();
    let protocol = headers.and_then(offered_protocol);
    let accept = headers
        .and_then(accept)
        .ok_or(Refusal::Malformed("The WebSocket handshake is not one of RFC 6455, version 13."))?;
    // none is offered to the client: what both sides say must be the same
    admitted.headers.remove(&SEC_WEBSOCKET_EXTENSIONS);
    let goes_by_name = settings.go_by_name(identity);
    identity.asks_in_messages(goes_by_name);
    Ok(Some(Greeting { accept, protocol }))
}

/// Whether the operation itself is asked for, and no object below it.
fn names_no_object(target: &str) -> bool {
    let at = endpoint::read(target).map_or(target.len(), |endpoint| endpoint.operation_at);
    let path = target.get(at..).and_then(|rest| rest.split('?').next()).unwrap_or_default();
    !path.trim_end_matches('/').contains('/')
}

/// Answers the handshake, and serves the session in a task.
pub(crate) fn greet<T: Transport + 'static>(
    context: Rc<Context<T>>,
    mut original: Box<Original>,
    (greeting, client): (Greeting, OnUpgrade),
    settle: Box<Settle>,
    tasks: &TaskTracker,
) -> Response<ClientBody> {
    // the client has its answer: no interim one may follow
    if let Some(interim) = original.interim.take() {
        interim.close();
    }
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, greeting.accept);
    if let Some(protocol) = greeting.protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    tasks.spawn_local(converse(context, original, client, settle));
    switching(headers)
}

async fn converse<T: Transport>(
    context: Rc<Context<T>>,
    mut original: Box<Original>,
    client: OnUpgrade,
    mut settle: Box<Settle>,
) {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let Ok(client) = client.await else { return settle.tunnel_ended(TunnelEnd::ClientLost) };
    let (replay, affinity) = (&context.replay, &*context.shared.affinity);
    let means = Means { settings, replay, affinity };
    let room = Room::new(replay.clone(), settings.hold_total);
    let mut opening = Opening::new(TokioIo::new(client), room);
    if let Err(none) = read(&mut opening, &mut original, &mut settle, means).await {
        return opening.end(&none).await;
    }
    let answer = tokio::select! {
        biased;
        answer = Box::pin(ask(&context, &mut original, &mut settle, Duration::ZERO)) => answer,
        // the attempt that was under way is cancelled by now
        () = opening.until_left() => return opening.end(&[]).await,
    };
    match answer {
        Ok(reply) if reply.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            settle.answered(StatusCode::SWITCHING_PROTOCOLS);
            let content = SessionLearner::of(&settle).map_or(Content::Frames, Content::Lessons);
            let mut tunnel = Tunnel::begin(settle);
            let (client, ahead) = opening.into_parts();
            tunnel.join(client, reply.response.into_body(), ahead, content).await;
        }
        Ok(reply) => {
            let status = reply.response.status();
            settle.answered(status);
            settle.finish_as_answered();
            opening.end(&refused_by_region(reply).await).await;
        }
        Err(refusal) => {
            settle.refused(refusal.status(), refusal.code());
            opening.end(&refused(&refusal)).await;
        }
    }
}

/// Reads what the session asks for. The time of a request begins when that is known: before, its client has
/// asked for nothing.
///
/// # Errors
/// The frames that end the session, which has asked for nothing; the account knows why.
async fn read(
    opening: &mut Opening<impl AsyncRead + AsyncWrite + Unpin>,
    original: &mut Original,
    settle: &mut Settle,
    means: Means<'_>,
) -> Result<(), Vec<u8>> {
    let timeouts = means.settings.timeouts;
    let patience = Patience {
        idle: timeouts.tunnel_idle,
        piece: timeouts.client_body,
        total: timeouts.tunnel,
    };
    let (scan, ..) = scan_for(&original.admitted, &original.identity, means);
    let mut scan = seeking_named(scan, &original.identity, None);
    let first = match opening.first_message(&mut scan, patience).await {
        Ok(first) => first,
        Err(none) => return Err(without_message(none, settle, means.settings)),
    };
    let (asked, kin, found) = (scan.asked(), scan.kin(), scan.found().to_vec());
    let (model, bytes, is_cut) = (first.model, first.bytes, !scan.found_all());
    original.heard(Seen { model, asked, kin, found, is_cut, bytes }, means);
    settle.asks(bytes);
    Ok(())
}

fn without_message(none: NoMessage, settle: &mut Settle, settings: &Settings) -> Vec<u8> {
    let refusal = match none {
        NoMessage::Closed => {
            settle.tunnel_ended(TunnelEnd::Closed);
            return Vec::new();
        }
        NoMessage::Lost => {
            settle.tunnel_ended(TunnelEnd::ClientLost);
            return Vec::new();
        }
        NoMessage::Idle => {
            settle.tunnel_ended(TunnelEnd::Idle);
            return close(code::GOING_AWAY, IDLE, None);
        }
        NoMessage::Stalled => Refusal::BodyStalled(settings.timeouts.client_body),
        NoMessage::Broken => {
            Refusal::Malformed("What came over the WebSocket are no frames of a client.")
        }
    };
    settle.refused(refusal.status(), refusal.code());
    refused(&refusal)
}

/// A refusal of Nearway's as an event, and the end.
fn refused(refusal: &Refusal) -> Vec<u8> {
    let (status, body) = (refusal.status(), refusal.body());
    let code = match refusal {
        Refusal::Malformed(_) => code::PROTOCOL_ERROR,
        _ => close_code(status),
    };
    last_words(status, &body, code, refusal.code())
}

/// What the last region said, as an event, and the end.
async fn refused_by_region(mut reply: Box<Reply>) -> Vec<u8> {
    let status = reply.response.status();
    let body = reply.response.body_mut().peek_whole(ERROR_BODY_LIMIT).await.unwrap_or_default();
    last_words(status, &body, close_code(status), REFUSED)
}

fn last_words(status: StatusCode, body: &[u8], code: u16, reason: &str) -> Vec<u8> {
    let said = error_event(status.as_u16(), body).or_else(|| {
        let message = format!("The region refused the session: {status}.");
        let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        error_event(status.as_u16(), &openai_error(&message, kind, REFUSED, None))
    });
    [text(&said.unwrap_or_default()), close(code, reason, None)].concat()
}

/// Whoever is told 1011 or 1013 may connect again (API fact sheet 7).
fn close_code(status: StatusCode) -> u16 {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => code::TRY_AGAIN_LATER,
        status if status.is_client_error() => code::POLICY_VIOLATION,
        _ => code::INTERNAL_ERROR,
    }
}

/// The code where the region gives none, and the reason of the close.
const REFUSED: &str = "nearway_session_refused";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_operation_itself_is_a_session() {
        for (target, expected) in [
            ("/v1/responses", true),
            ("/openai/v1/responses?api-version=v1/x", true),
            ("/openai/responses/?api-version=1", true),
            ("/responses", true),
            ("/v1/responses/resp_1", false),
        ] {
            assert_eq!(names_no_object(target), expected, "{target}");
        }
    }

    #[test]
    fn the_close_says_whether_to_come_again() {
        for (status, code) in
            [(502, 1011), (504, 1011), (429, 1013), (503, 1013), (404, 1008), (200, 1011)]
        {
            assert_eq!(close_code(StatusCode::from_u16(status).unwrap()), code, "{status}");
        }
    }
}
