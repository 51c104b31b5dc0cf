//! After a 101 in both directions: bytes, as they come, until both sides have ended (RFC 9110 7.8).
//!
//! `pass` moves them; this answers the client, and settles the account when it is over.

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use nearway_telemetry::TunnelEnd;
use nearway_upstream::{RegionBody, Reply};
use nearway_wire::headers::{ATTEMPTS_HEADER, REGION_HEADER, strip_hop_by_hop};
use nearway_wire::websocket::is_websocket;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;

use crate::ClientBody;
use crate::pass::{Ahead, Bounds, Content, pass};
use crate::settle::Settle;

/// Answers the client's upgrade with the region's and joins the two in a task.
///
/// Both hand over the bytes that came right behind the handshake, so none is lost.
pub(crate) fn tunnel(
    reply: Box<Reply>,
    client: OnUpgrade,
    mut settle: Box<Settle>,
    tasks: &TaskTracker,
) -> Response<ClientBody> {
    let (parts, region) = reply.response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    let content = match protocol.as_ref().is_some_and(is_websocket) {
        true => Content::Frames,
        false => Content::Opaque,
    };
    let mut headers = parts.headers;
    strip_hop_by_hop(&mut headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
    if let Some(name) = settle.region_header() {
        headers.insert(REGION_HEADER, name.clone());
    }
    headers.insert(ATTEMPTS_HEADER, settle.attempts_header());
    settle.answered(StatusCode::SWITCHING_PROTOCOLS);
    tasks.spawn_local(async move {
        let mut tunnel = Tunnel::begin(settle);
        match client.await {
            Ok(client) => {
                tunnel.join(TokioIo::new(client), region, Ahead::default(), content).await;
            }
            Err(_left) => tunnel.end = TunnelEnd::ClientLost,
        }
    });
    switching(headers)
}

/// A 101 with these headers.
pub(crate) fn switching(mut headers: HeaderMap) -> Response<ClientBody> {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    let mut response = Response::new(ClientBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}

/// A session; counts as in flight until dropped, and then tells how it ended.
pub(crate) struct Tunnel {
    settle: Box<Settle>,
    // as long as nothing else is known, it is dropped because the time to drain is over
    end: TunnelEnd,
}

impl Tunnel {
    /// The region has answered, and the account says so.
    pub(crate) fn begin(mut settle: Box<Settle>) -> Self {
        settle.tunnels();
        Self { settle, end: TunnelEnd::Drain }
    }

    /// Joins the client with the region behind its 101.
    pub(crate) async fn join(
        &mut self,
        client: impl AsyncRead + AsyncWrite,
        region: RegionBody,
        ahead: Ahead,
        content: Content,
    ) {
        let timeouts = &self.settle.prepared().settings.timeouts;
        let (idle, total, linger) = (timeouts.tunnel_idle, timeouts.tunnel, timeouts.idle);
        let bounds = Bounds { idle, total, linger };
        let Some(region) = region.upgraded() else {
            self.end = TunnelEnd::RegionLost;
            return;
        };
        let (end, to_client) = pass(client, region, ahead, content, bounds).await;
        self.settle.passed(usize::try_from(to_client).unwrap_or(usize::MAX));
        self.end = end;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.settle.tunnel_ended(self.end);
    }
}
