//! One worker on ports of the system's choice, regions that speak raw bytes, and a raw client.
//!
//! Regions and clients are plain blocking sockets on purpose: a test sees exactly the bytes that
//! crossed the wire. Every wait has a deadline, so a broken proxy fails a test instead of hanging it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nearway_proxy::{Settings, Target, Timeouts, Worker};
use nearway_route::{
    Cooldown, DeploymentSet, Live, Moment, RankBy, Ranker, RegionId, RegionSpec, RoutingSettings,
    Strategy, Switch, Table,
};
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::{Clock, Credential, Origin, RegionSettings, TlsTrust};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Tries until it holds; panics with `what` when patience ends.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// A region of a proxy under test.
pub(crate) struct Region {
    name: &'static str,
    url: String,
    key: Option<&'static str>,
    renames: Option<(&'static str, &'static str)>,
}

/// A region that takes every deployment and the client's own credential.
pub(crate) fn region(name: &'static str, url: &str) -> Region {
    Region { name, url: url.to_owned(), key: None, renames: None }
}

impl Region {
    /// With a key of its own.
    pub(crate) fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Serves one deployment only, under another name.
    pub(crate) fn renames(self, from: &'static str, to: &'static str) -> Self {
        Self { renames: Some((from, to)), ..self }
    }

    fn target(&self, id: u32) -> Target {
        let (host, path) = self.url.strip_prefix("http://").unwrap().split_once(':').unwrap();
        let (port, prefix) = path.split_at(path.find('/').unwrap_or(path.len()));
        let region = nearway_upstream::Region::new(RegionSettings {
            id,
            name: self.name.into(),
            origin: Origin {
                https: false,
                host: host.into(),
                port: port.parse().unwrap(),
                prefix: prefix.into(),
            },
            credential: self.key.and_then(|key| Credential::api_key(&key.into())),
            trust: TlsTrust::System,
            http2: false,
        });
        Target {
            region: region.unwrap(),
            id: RegionId(id),
            zone: None,
            tier: 0,
            deployments: self.renames.map(|(from, to)| HashMap::from([(from.into(), to.into())])),
        }
    }
}

/// A running proxy of one worker; stops and is awaited when dropped.
pub(crate) struct Proxy {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics: Metrics,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one that has measured nothing, so regions are asked in this order.
    pub(crate) fn start(regions: &[Region]) -> Self {
        Self::holding(regions, 8 * 1024 * 1024)
    }

    /// The same, keeping at most `hold_body` bytes of a request for a second attempt.
    pub(crate) fn holding(regions: &[Region], hold_body: usize) -> Self {
        let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listen = listener.local_addr().unwrap();
        let settings =
            settings((1..).zip(regions).map(|(id, region)| region.target(id)), hold_body);
        let (stop, registry) = (shutdown.clone(), metrics.clone());
        let thread = std::thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            runtime.unwrap().block_on(async move {
                let (reports, _ranking) = mpsc::channel(64);
                let worker = Worker {
                    table: Arc::new(Live::new(table(&settings))),
                    settings: Arc::new(Live::new(Arc::new(settings))),
                    metrics: registry,
                    clock: Clock::start(),
                    reports,
                };
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                nearway_proxy::serve(worker, listener, stop, PATIENCE).await;
            });
        });
        Self { listen, metrics, shutdown, thread: Some(thread) }
    }

    /// A client connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits for the end of the drain.
    pub(crate) fn wait(&mut self) {
        self.thread.take().unwrap().join().expect("the proxy ends well");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(std::thread::panicking(), "the proxy panicked");
        }
    }
}

/// A request head of a region or an answer's head of a client, and the body behind it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// What came behind the last chunk.
    pub(crate) trailers: String,
    /// The body came to the end that its framing promised.
    pub(crate) complete: bool,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A raw connection, from either side.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// At least one more byte, or false at the end or a reset.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// Up to and with the delimiter; `None` if the other side ends first.
    pub(crate) fn until(&mut self, delimiter: &str) -> Option<String> {
        loop {
            let found = self
                .unread
                .windows(delimiter.len())
                .position(|window| window == delimiter.as_bytes());
            if let Some(at) = found {
                let rest = self.unread.split_off(at + delimiter.len());
                let taken = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&taken).into_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Exactly so many bytes, or fewer if the other side ends first.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.fill() {}
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    /// Whether the other side has ended; reads away what it still sends.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.fill() {}
        true
    }

    /// A whole message; the request's method decides whether an answer has a body.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.until("\r\n\r\n").expect("an answer");
        self.body_behind(head)
    }

    fn body_behind(&mut self, head: String) -> Response {
        let mut response =
            Response { head, body: Vec::new(), trailers: String::new(), complete: true };
        let is_answer = response.head.starts_with("HTTP/");
        if is_answer && matches!(response.status(), 100..200 | 204 | 304) {
            return response;
        }
        if response.header("transfer-encoding").is_some() {
            loop {
                let Some(line) = self.until("\r\n") else {
                    response.complete = false;
                    return response;
                };
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                let chunk = self.exactly(size);
                response.complete &= chunk.len() == size;
                response.body.extend(chunk);
                self.until("\r\n");
            }
            while let Some(line) = self.until("\r\n") {
                if line == "\r\n" {
                    return response;
                }
                response.trailers.push_str(&line);
            }
            response.complete = false;
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().unwrap();
            response.body = self.exactly(length);
            response.complete = response.body.len() == length;
        } else if is_answer {
            while self.fill() {}
            response.body = std::mem::take(&mut self.unread);
        }
        response
    }
}

/// What a region does with a request that it has read.
type Handler = dyn Fn(&Response, &mut Client) + Send + Sync;

/// A region that answers with raw bytes; the proxy's own reachability probes are answered for it.
pub(crate) struct RawRegion {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Response>>>,
}

impl RawRegion {
    /// `handler` gets each request and its connection, which stays open until the proxy ends it
    /// or the handler shuts it down.
    pub(crate) fn start(handler: impl Fn(&Response, &mut Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, log) = (handler.clone(), log.clone());
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(stream, &*handler, &log));
            }
        });
        Self { address, seen }
    }

    /// One that always gives this answer.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::start(move |_, connection| connection.send(answer))
    }

    /// One that says 200 and its name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::start(move |_, connection| {
            connection
                .send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()));
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, probes left out.
    pub(crate) fn seen(&self) -> Vec<Response> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, handler: &Handler, log: &Mutex<Vec<Response>>) {
    // an idle connection of the pool may wait for longer than a test is patient
    stream.set_nodelay(true).unwrap();
    let mut connection = Client { stream, unread: Vec::new() };
    while let Some(head) = connection.until("\r\n\r\n") {
        let probe =
            ["GET /status-", "GET /openai/models", "GET /openai/v1/models", "GET /v1/models"];
        if probe.iter().any(|start| head.starts_with(start)) {
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        if head.to_ascii_lowercase().contains("expect: 100-continue") {
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        let request = connection.body_behind(head);
        log.lock().unwrap().push(request.clone());
        handler(&request, &mut connection);
    }
}

/// An address where nobody listens.
pub(crate) fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn settings(regions: impl Iterator<Item = Target>, hold_body: usize) -> Settings {
    Settings {
        generation: 1,
        regions: regions.collect(),
        metric_deployments: Vec::new(),
        attempts: 3,
        hold_body,
        timeouts: Timeouts {
            connect: PATIENCE,
            head: PATIENCE,
            idle: PATIENCE,
            total: PATIENCE,
            client_header: Duration::from_millis(300),
            client_body: PATIENCE,
            client_idle: PATIENCE,
        },
        body_max: None,
        header_max: 64 * 1024,
        connections_max: 64,
        cooldown: Cooldown { default: Duration::from_secs(5), cap: Duration::from_secs(60) },
        log_requests: false,
    }
}

fn table(settings: &Settings) -> Arc<Table> {
    let routing = RoutingSettings {
        strategy: Strategy::Average,
        rank_by: RankBy::FirstToken,
        window: Duration::from_secs(300),
        switch: Switch { percent: 15.0, at_least: Duration::from_millis(10), hold: PATIENCE },
        probe_interval: Duration::from_secs(30),
        probe_timeout: PATIENCE,
        stale_after: Duration::from_secs(90),
    };
    let spec = |target: &Target| RegionSpec {
        id: target.id,
        name: target.region.name().clone(),
        tier: target.tier,
        zone: None,
        deployments: match &target.deployments {
            None => DeploymentSet::All,
            Some(map) => DeploymentSet::Only(map.keys().map(|name| (&**name).into()).collect()),
        },
    };
    let regions = settings.regions.iter().map(spec).collect();
    Ranker::new(routing, settings.generation, regions, Vec::new()).rank(Moment::ZERO).table
}
