//! After a 101 in both directions: bytes, unseen, until both sides have ended (RFC 9110 7.8).

use std::io;
use std::pin::pin;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use nearway_telemetry::RequestOutcome;
use nearway_upstream::Reply;
use nearway_wire::headers::{ATTEMPTS_HEADER, REGION_HEADER, strip_hop_by_hop};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::ClientBody;
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
    settle.tunnels();
    let linger = settle.prepared().settings.timeouts.idle;
    tasks.spawn_local(async move {
        let (Ok(client), Some(region)) = (client.await, region.upgraded()) else {
            return settle.finish(RequestOutcome::Truncated);
        };
        match pass(TokioIo::new(client), region, linger).await {
            Ok(to_client) => {
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

/// Passes everything on in both directions; tells how many bytes went to the client. When one side
/// has ended, the other is given `linger` to do so: it may not know that it speaks to nobody.
async fn pass(
    client: impl AsyncRead + AsyncWrite,
    region: impl AsyncRead + AsyncWrite,
    linger: Duration,
) -> io::Result<u64> {
    let (from_client, to_client) = split(client);
    let (from_region, to_region) = split(region);
    let mut up = pin!(one_way(from_client, to_region));
    let mut down = pin!(one_way(from_region, to_client));
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the other side has ended long ago");
    tokio::select! {
        ended = &mut up => {
            ended?;
            timeout(linger, down).await.map_err(|_elapsed| late())?
        }
        ended = &mut down => {
            let bytes = ended?;
            timeout(linger, up).await.map_err(|_elapsed| late())??;
            Ok(bytes)
        }
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> io::Result<u64> {
    let bytes = copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(bytes)
}
