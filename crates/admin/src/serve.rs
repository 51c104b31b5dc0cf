//! The admin listener: few connections, short requests, nothing that can be made to wait.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
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
/// A connection without a complete head, idle ones included. So short that connections on which
/// nobody asks keep no liveness check out for long, even if they take all places.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is used again. Idle ones are then closed, and clients open another.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// For reading what is under way at the end of a connection's life; a slower reader is cut.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// What is under way when the process ends; answers are made at once, so only slow readers need it.
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

/// Serves one connection until it ends, and at most for [`CONNECTION_LIFE`] and
/// [`LAST_ANSWER`]: a reader that takes its time, or takes nothing, gives its place back.
async fn connection<S>(stream: S, app: App, cancel: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request: http::Request<Incoming>| {
        let response = answer(request.method(), request.uri(), &app);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        _ = timeout(CONNECTION_LIFE, cancel.cancelled()) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an operator's connection ended"),
        Err(_) => tracing::debug!("an operator did not read its answer in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearway_route::{
        Live, Moment, RankBy, Ranker, RegionId, RoutingSettings, Strategy, Switch,
    };
    use nearway_telemetry::{Build, Metrics};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use crate::{Fenced, Fences, Requests, Status, Target, UnknownClient};

    /// Less than any answer, so that an answer that nobody reads stays under way.
    const PIPE: usize = 64;
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    struct Nothing;

    impl Requests for Nothing {
        fn read(&self, _method: &http::Method, _path: &str) -> Result<Target, String> {
            Err(String::new())
        }

        fn fences(&self, _request: &Fenced<'_>) -> Result<Fences, UnknownClient> {
            Ok(Fences::default())
        }

        fn serves(&self, _region: RegionId, _deployment: &str) -> bool {
            false
        }

        fn last_resort(&self) -> bool {
            false
        }
    }

    fn app() -> App {
        let routing = RoutingSettings {
            strategy: Strategy::Average,
            rank_by: RankBy::FirstToken,
            window: Duration::from_secs(300),
            switch: Switch { percent: 15.0, at_least: Duration::ZERO, hold: Duration::ZERO },
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(10),
            stale_after: Duration::from_secs(90),
        };
        let status = Status {
            generation: 1,
            loaded_at_unix_ms: 1,
            last_reload_error: None,
            restart_needed: Vec::new(),
            operations: Vec::new(),
            version: "0.0.0".into(),
            started_unix_ms: 1,
            first_round_deadline: Moment::ZERO,
            first_round_done: true,
            draining: false,
        };
        let table = Ranker::new(routing, 1, Vec::new(), Vec::new()).rank(Moment::ZERO).table;
        App {
            table: Arc::new(Live::new(table)),
            metrics: Metrics::new(Build { version: "0.0.0", commit: None }).unwrap(),
            clock: Arc::new(|| Moment::ZERO),
            status: Arc::new(Live::new(Arc::new(status))),
            requests: Arc::new(Nothing),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_gives_its_place_back() {
        let (mut client, server) = duplex(PIPE);
        client.write_all(GET).await.unwrap();
        let begun = Instant::now();
        timeout(Duration::from_secs(3600), connection(server, app(), CancellationToken::new()))
            .await
            .expect("the connection ends by itself");
        assert_eq!(Instant::now() - begun, CONNECTION_LIFE + LAST_ANSWER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_again_and_again_is_closed_between_two_answers() {
        let (mut client, server) = duplex(64 * 1024);
        let asks = ask_until_closed(&mut client);
        let serves = connection(server, app(), CancellationToken::new());
        let (answers, ()) = tokio::join!(asks, serves);
        assert!(answers >= 8, "{answers} answers within {CONNECTION_LIFE:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_gives_its_place_back_before_a_supervisor_gives_up() {
        let (_client, server) = duplex(PIPE);
        let begun = Instant::now();
        connection(server, app(), CancellationToken::new()).await;
        // Kubernetes asks every ten seconds and restarts after the third silence
        assert!(Instant::now() - begun <= Duration::from_secs(10));
    }

    /// How many answers came, a question every few seconds.
    async fn ask_until_closed(client: &mut DuplexStream) -> usize {
        let mut answers = 0;
        let mut buffer = vec![0; 64 * 1024];
        while client.write_all(GET).await.is_ok() && client.read(&mut buffer).await.unwrap() > 0 {
            assert!(buffer.starts_with(b"HTTP/1.1 200"));
            answers += 1;
            sleep(Duration::from_secs(3)).await;
        }
        answers
    }
}
