//! After a 101 in both directions: bytes, unseen, until either side ends (RFC 9110 7.8).

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use nearway_telemetry::RequestOutcome;
use nearway_upstream::Reply;
use nearway_wire::headers::{ATTEMPTS_HEADER, REGION_HEADER, strip_hop_by_hop};
use tokio_util::task::TaskTracker;

use crate::ClientBody;
use crate::settle::Settle;

/// Answers the client's upgrade with the region's and joins the two in a task.
///
/// hyper hands over the bytes that either side sent right behind its handshake, so none is lost.
pub(crate) fn tunnel(
    mut reply: Reply,
    client: OnUpgrade,
    mut settle: Box<Settle>,
    tasks: &TaskTracker,
) -> Response<ClientBody> {
    let region = hyper::upgrade::on(&mut reply.response);
    let protocol = reply.response.headers().get(UPGRADE).cloned();
    let (parts, _) = reply.response.into_parts();
    let mut headers = parts.headers;
    strip_hop_by_hop(&mut headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(name) = settle.region_header() {
        headers.insert(REGION_HEADER, name.clone());
    }
    headers.insert(ATTEMPTS_HEADER, settle.attempts_header());
    settle.answered(StatusCode::SWITCHING_PROTOCOLS);
    tasks.spawn_local(async move {
        let (Ok(client), Ok(region)) = tokio::join!(client, region) else {
            return settle.finish(RequestOutcome::Truncated);
        };
        let (mut client, mut region) = (TokioIo::new(client), TokioIo::new(region));
        match tokio::io::copy_bidirectional(&mut client, &mut region).await {
            Ok((_, to_client)) => {
                settle.passed(usize::try_from(to_client).unwrap_or(usize::MAX));
                settle.finish(RequestOutcome::Ok);
            }
            Err(error) => {
                tracing::debug!(%error, "tunnel broke off");
                settle.finish(RequestOutcome::Truncated);
            }
        }
    });
    let mut response = Response::new(ClientBody::whole(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}
