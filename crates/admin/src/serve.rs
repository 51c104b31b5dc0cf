//! The admin listener: few connections, short requests, nothing that can be made to wait.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::App;
use crate::answer::answer;

/// Connections at once; further ones wait in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 64;

/// Bytes of a request head; the least that hyper accepts as a buffer.
const HEAD_MAX: usize = 8 * 1024;
/// A connection without a complete head, idle ones included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// What is under way at the end; every answer is made at once, so this is for slow readers.
const DRAIN: Duration = Duration::from_secs(1);
/// After a failed accept, until descriptors may be free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves operators on `listener` until `cancel`. Runs inside a local runtime.
pub async fn serve(listener: TcpListener, app: App, cancel: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, app.clone(), cancel.clone());
                connections.spawn_local(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an operator could not be accepted; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    // a reader slower than this is cut
    let _ = timeout(DRAIN, connections.wait()).await;
}

async fn connection(stream: TcpStream, app: App, cancel: CancellationToken) {
    let service = service_fn(|request: http::Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &app);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an operator's connection ended");
    }
}
