//! A steady load and what its clients saw: requests start by the clock, whether or not the ones
//! before have ended (open loop), so a region that hangs cannot slow its own measurement.
//!
//! Half of the completions are streams; now and then one is an upload, which leaves an object
//! behind. Clients have no retries of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

/// How long a client waits for the end of an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Something done to the world at a time of the load's clock.
pub(crate) type Event<'a> = (Duration, Box<dyn FnOnce() + 'a>);

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Stream,
    Upload,
}

/// What the client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// No answer, one with an error status, or one that is not a stream and not whole.
    Failed(String),
    /// A stream that had begun broke off visibly.
    Broken(String),
    /// A stream ended as if it were whole, and was not.
    SilentEnd,
}

/// One request, with times since the load began.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) started: Duration,
    pub(crate) ended: Duration,
    pub(crate) kind: Kind,
    pub(crate) region: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) outcome: Outcome,
}

/// Sends `rate` requests a second for so long, does the events in between, and waits until the last
/// client has its answer or no patience left.
pub(crate) fn run(
    proxy: SocketAddr,
    rate: u32,
    length: Duration,
    events: Vec<Event<'_>>,
) -> Vec<Seen> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clients = Clients { proxy, idle: Arc::default(), tasks: TaskTracker::new() };
        let (mut load, mut events) = (JoinSet::new(), events.into_iter().peekable());
        let began = Instant::now();
        for number in 0.. {
            let due = Duration::from_secs(1) / rate * number;
            sleep_until(began + due).await;
            while events.peek().is_some_and(|(at, _)| *at <= due) {
                events.next().unwrap().1();
            }
            if due >= length {
                break;
            }
            let clients = clients.clone();
            load.spawn(async move { clients.request(number, began).await });
        }
        load.join_all().await
    })
}

/// Connections that wait for their next request.
#[derive(Clone)]
struct Clients {
    proxy: SocketAddr,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
    tasks: TaskTracker,
}

impl Clients {
    async fn request(&self, number: u32, began: Instant) -> Seen {
        let kind = match number {
            _ if number % UPLOAD_EVERY == UPLOAD_EVERY - 1 => Kind::Upload,
            _ if number.is_multiple_of(2) => Kind::Stream,
            _ => Kind::Whole,
        };
        let started = Instant::now();
        let mut seen = Seen {
            started: started - began,
            ended: Duration::ZERO,
            kind,
            region: None,
            attempts: 0,
            outcome: Outcome::Failed("no answer in time".to_owned()),
        };
        let _ = timeout(PATIENCE, self.exchange(request(kind, number), &mut seen)).await;
        seen.ended = Instant::now() - began;
        seen
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, seen: &mut Seen) {
        let mut connection = self.connection().await;
        let answer = match connection.send_request(request).await {
            Ok(answer) => answer,
            Err(error) => {
                seen.outcome = Outcome::Failed(format!("connection: {error}"));
                return;
            }
        };
        let header = |headers: &HeaderMap, name| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        seen.region = header(answer.headers(), "x-nearway-region");
        let attempts = header(answer.headers(), "x-nearway-attempts");
        seen.attempts = attempts.and_then(|number| number.parse().ok()).unwrap_or(0);
        let status = answer.status().as_u16();
        let began = status == 200 && seen.kind == Kind::Stream;
        seen.outcome = match began {
            true => Outcome::Broken("stream stalled".to_owned()),
            false => Outcome::Failed("answer stalled".to_owned()),
        };
        let body = read(answer.into_body()).await;
        seen.outcome = match body {
            Err(()) if began => Outcome::Broken("stream broke off".to_owned()),
            Err(()) => Outcome::Failed("answer broke off".to_owned()),
            Ok(body) => {
                self.idle.lock().unwrap().push(connection);
                judge(status, began, &body)
            }
        };
    }

    async fn connection(&self) -> SendRequest<Full<Bytes>> {
        loop {
            let idle = self.idle.lock().unwrap().pop();
            let Some(mut idle) = idle else { break };
            if idle.ready().await.is_ok() {
                return idle;
            }
        }
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn(connection);
        sender
    }
}

fn request(kind: Kind, number: u32) -> Request<Full<Bytes>> {
    let chat = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";
    let (target, content, body) = match kind {
        Kind::Whole => (chat, "application/json", format!("{MESSAGES}}}")),
        Kind::Stream => (chat, "application/json", format!("{MESSAGES},\"stream\":true}}")),
        Kind::Upload => (FILES, "multipart/form-data; boundary=cut", form(number)),
    };
    let request = Request::post(target).header(HOST, "a").header(CONTENT_TYPE, content);
    request.body(Full::from(body)).unwrap()
}

/// An upload with a name of its own, by which a second one of it can be told.
fn form(number: u32) -> String {
    format!(
        "--cut\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"once-{number}\"\r\n\r\n\
         x\r\n--cut--\r\n"
    )
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, ()> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(drop)?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

fn judge(status: u16, stream: bool, body: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    match json {
        _ if stream && text.ends_with("data: [DONE]\n\n") => Outcome::Answered,
        _ if stream && text.contains("\"error\"") => Outcome::Broken("error event".to_owned()),
        _ if stream => Outcome::SilentEnd,
        Some(_) if status == 200 => Outcome::Answered,
        Some(json) => {
            let code = json["error"]["code"].as_str().unwrap_or("without a code");
            Outcome::Failed(format!("{status} {code}"))
        }
        None => Outcome::Failed(format!("{status} without JSON")),
    }
}

/// How often each name was uploaded to one of these regions (URL and key), beyond once.
pub(crate) fn duplicates(regions: &[(String, String, String)]) -> usize {
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for (_, url, key) in regions {
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let mut client = crate::raw::Client::connect(address);
        client.send(format!("GET {FILES} HTTP/1.1\r\nhost: a\r\napi-key: {key}\r\n\r\n"));
        let list: serde_json::Value = serde_json::from_slice(&client.response().body).unwrap();
        for file in list["data"].as_array().unwrap() {
            *held.entry(file["filename"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(!held.is_empty(), "no upload arrived anywhere");
    held.values().map(|times| times - 1).sum()
}

const FILES: &str = "/openai/files?api-version=2024-10-21";
const MESSAGES: &str = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";
const UPLOAD_EVERY: u32 = 25;
