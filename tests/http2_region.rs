//! A region that speaks nothing but HTTP/2, as badly as a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use nearway_sim::SimTls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Default)]
struct State {
    connections: AtomicU32,
    requests: AtomicUsize,
    refused: AtomicBool,
    released: Notify,
}

/// A running region; ends when dropped.
pub(crate) struct Http2Region {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    state: Arc<State>,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Http2Region {
    /// One that takes so many requests at a time on a connection. It answers 200 with the number of
    /// the connection, from 1, and knows `/v1/refuse` (the first such request is not taken), `/v1/goodbye`
    /// (answers, and says GOAWAY), `/v1/cut` and `/v1/end` (resets the stream in the middle of a
    /// body, once `/v1/release` was asked), `/v1/hold` (answers then).
    pub(crate) fn start(streams_max: u32) -> Self {
        let SimTls { ca_pem, server } = SimTls::generate().unwrap();
        let (state, end) = (Arc::new(State::default()), CancellationToken::new());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (shared, stop) = (state.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let (tls, tasks) = (TlsAcceptor::from(server), TaskTracker::new());
                while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                    let (stream, tls) = (accepted.unwrap().0, tls.clone());
                    let shared = shared.clone();
                    tasks.spawn(connection(stream, tls, streams_max, shared));
                }
            });
        });
        Self { url, ca_pem, state, end, thread: Some(thread) }
    }

    /// Requests that were looked at, probes left out.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Http2Region {
    fn drop(&mut self) {
        self.end.cancel();
        let _ = self.thread.take().unwrap().join();
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, streams_max: u32, state: Arc<State>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let mut builder = h2::server::Builder::new();
    let Ok(mut connection) =
        builder.max_concurrent_streams(streams_max).handshake::<_, Bytes>(stream).await
    else {
        return;
    };
    let number = state.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let tasks = TaskTracker::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path().to_owned();
        if path == "/v1/refuse" && !state.refused.swap(true, Ordering::Relaxed) {
            respond.send_reset(Reason::REFUSED_STREAM);
            continue;
        }
        if request.uri().scheme_str() != Some("https") {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            continue;
        }
        if !path.ends_with("/models") {
            state.requests.fetch_add(1, Ordering::Relaxed);
        }
        if path == "/v1/goodbye" {
            connection.graceful_shutdown();
        }
        let state = state.clone();
        tasks.spawn(async move { answer(request, respond, &path, number, &state).await });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    path: &str,
    number: u32,
    state: &State,
) {
    let mut body = request.into_body();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    match path {
        "/v1/hold" => state.released.notified().await,
        "/v1/release" => state.released.notify_one(),
        _ => {}
    }
    // a proxy that has given up is what the test looks at
    let Ok(mut body) = respond.send_response(Response::new(()), false) else { return };
    let cut = match path {
        "/v1/cut" => Some(Reason::INTERNAL_ERROR),
        "/v1/end" => Some(Reason::NO_ERROR),
        _ => None,
    };
    body.send_data(number.to_string().into(), cut.is_none()).unwrap();
    if let Some(reason) = cut {
        state.released.notified().await;
        body.send_reset(reason);
    }
}
