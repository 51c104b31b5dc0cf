//! The checked configuration: plain data that cannot hold a wrong value. Made by [`crate::load`] alone;
//! the binary hands each part to the crate that needs it, and nobody checks anything again.
//! It reads no file and no environment: secrets and certificates are already here.

mod affinity;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::fence::{Client, DeploymentType, Fence};

pub use affinity::{Affinity, AffinityMode};
pub use state::{Lists, State};

/// The whole file, resolved: defaults filled in, variables replaced, secrets read.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients connect.
    pub listen: Listen,
    /// Where operators connect: health, metrics, status.
    pub admin: Admin,
    /// Worker threads, 1 to 1024. `None`: one a core.
    pub workers: Option<usize>,
    /// In the order of the file, at least one, names unique.
    pub regions: Vec<Region>,
    /// In the order of the file, at least one, names and keys unique. `None`: anybody. `Some`: each
    /// region has an `api_key`.
    pub clients: Option<Vec<Client>>,
    /// Client's name of a deployment -> where its requests may go. One that is not here: anywhere.
    pub deployments: BTreeMap<String, Fence>,
    /// How regions are measured.
    pub probe: Probe,
    /// How measurements become an order of regions.
    pub routing: Routing,
    /// Which requests stay in one region.
    pub affinity: Affinity,
    /// Which region owns which object.
    pub state: State,
    /// What happens when the chosen region fails.
    pub failover: Failover,
    /// The longest wait at each step of a request.
    pub timeouts: Timeouts,
    /// What one client may ask of this process.
    pub limits: Limits,
    /// How long a region that refused is left alone.
    pub cooldown: Cooldown,
    /// When failures keep requests away, and how they return.
    pub breaker: Breaker,
    /// What is logged, and how.
    pub log: Log,
}

/// The client listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Any address; a port of 0 lets the system choose one.
    pub address: SocketAddr,
}

/// The admin listener, never the client's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// Any address other than the client listener's.
    pub address: SocketAddr,
}

/// One region: an endpoint that speaks the OpenAI or Azure OpenAI API.
#[derive(Debug, Clone)]
pub struct Region {
    /// Unique; 1 to 64 of `A-Z a-z 0-9 . _ -`: it goes into headers and metric labels as it is.
    pub name: String,
    /// Where it is.
    pub url: RegionUrl,
    /// What it is sent instead of the client's credential: visible ASCII, not empty. `None`: the
    /// client's own credential passes.
    pub api_key: Option<SecretString>,
    /// Which header carries `api_key`.
    pub auth_header: AuthHeader,
    /// Client's name of a deployment -> this region's name. Empty: any name, unchanged.
    pub deployments: BTreeMap<String, String>,
    /// A fence that clients can be held to; the same characters as `name`.
    pub zone: Option<String>,
    /// What all its deployments are.
    pub kind: DeploymentType,
    /// Lower tiers are used first.
    pub tier: u32,
    /// The path as the file gives it, for people; `ca_pem` is what was read there.
    pub ca_file: Option<PathBuf>,
    /// PEM certificates trusted for this region instead of the system's. `Some` with `ca_file`.
    pub ca_pem: Option<String>,
    /// Offer HTTP/2 by ALPN.
    pub http2: bool,
}

/// A region's URL, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionUrl {
    /// `https://` rather than `http://`.
    pub https: bool,
    /// DNS name in lower case, or an IP address (IPv6 without brackets).
    pub host: String,
    /// 443 or 80 when the file names none.
    pub port: u16,
    /// Put before the path of each request: empty, or `/` and no slash at the end.
    pub prefix: String,
    /// What the `Host` header says: the port only when it is not the scheme's own.
    pub authority: String,
}

/// The header that carries a region's key (API fact sheet section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthHeader {
    /// `api-key: KEY`
    ApiKey,
    /// `Authorization: Bearer KEY`
    Bearer,
}

/// Tiny completions on a timetable.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Names as clients write them, without repeats, each served by a region. Empty: reachability
    /// is measured instead, without tokens.
    pub deployments: Vec<String>,
    /// Which URL form a probe uses.
    pub style: ProbeStyle,
    /// The `api-version` of an `azure` probe.
    pub api_version: String,
    /// From the start of one round to the start of the next.
    pub interval: Duration,
    /// How far a round may move from its time, as a fraction of `interval`: 0 to 0.5.
    pub jitter: f64,
    /// For one sample, from its start to its last byte.
    pub timeout: Duration,
    /// Completions per round, one after the other: 1 to 20. The strategy decides where the file does
    /// not say.
    pub samples: u32,
    /// The user message, 1 to 1000 characters.
    pub prompt: String,
    /// The most tokens that one sample may generate: 1 to 256. The strategy decides where the file
    /// does not say.
    pub max_tokens: u32,
    /// Tokens a day for each (region, deployment), at least 100. `None`: no budget, as always with
    /// [`Strategy::Average`].
    pub tokens_per_day: Option<u32>,
    /// Token-free requests between the completions look whether a region can be reached.
    pub reachability: bool,
    /// How the name of a model begins -> what it costs; before what is known here.
    pub prices: BTreeMap<String, Price>,
}

/// What a model costs, in dollars for a million tokens, 0 to 100 000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of questions.
    pub input: f64,
    /// Of answers.
    pub output: f64,
}

/// Which form of the API probes speak (API fact sheet section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStyle {
    /// `/openai/deployments/{name}/…?api-version=…`
    Azure,
    /// `/openai/v1/…`
    V1,
    /// `/v1/…`
    OpenAi,
}

/// From samples to an order of regions.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// How a score is made.
    pub strategy: Strategy,
    /// What is compared.
    pub rank_by: RankBy,
    /// How far back samples count, at least one probe interval.
    pub window: Duration,
    /// When a better region takes the lead.
    pub switch: Switch,
    /// Where what was learned outlives the process. `None`: nowhere.
    pub snapshot: Option<PathBuf>,
}

/// How a score is made of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The mean over the window.
    Average,
    /// What requests would cost, learned from probes and clients' requests.
    Adaptive,
}

/// The time that regions are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankBy {
    /// Until the first content token.
    FirstToken,
    /// Until the last byte.
    Total,
}

/// What another region must show before it takes the lead: all three.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Switch {
    /// Better by this share of the leader's score: 0 to 100.
    pub percent: f64,
    /// Better by this much.
    pub at_least: Duration,
    /// The leader has led for this long.
    pub hold: Duration,
}

/// What happens when the chosen region fails before a response byte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failover {
    /// Regions tried for one request, the first included: 1 to 10.
    pub attempts: u32,
    /// Bytes of a request body kept for another attempt; a longer body gets one attempt. 0: none.
    pub hold_body: u64,
    /// The shortest pause before the same regions are asked again.
    pub backoff_min: Duration,
    /// The longest.
    pub backoff_max: Duration,
    /// Retries for each hundred requests.
    pub retry_percent: f64,
    /// A stream whose first content is late is asked for in the next region too.
    pub hedge: bool,
    /// At most so many of a hundred requests.
    pub hedge_percent: f64,
    /// A request that is stuck is sent to the next region too, where costs decide.
    pub rescue: bool,
    /// A stream's head waits for its first event.
    pub hold_first_event: bool,
    /// Bytes of all request bodies together that are kept; a body beyond them gets one attempt. 0:
    /// none.
    pub hold_total: u64,
    /// The least bad region is asked when every one is out.
    pub last_resort: bool,
}

/// The longest wait at each step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Name lookup and TCP to a region.
    pub connect: Duration,
    /// The TLS handshake with a region.
    pub tls: Duration,
    /// While bytes of a request lie ready and the region takes none of them.
    pub write: Duration,
    /// From the request's last byte to the region's response head.
    pub head: Duration,
    /// From a stream's head to its first event, at most; less where the region's probes are fast.
    pub first_token: Duration,
    /// Client's name of a deployment -> the same for it, whatever `first_token` and probes say.
    pub first_token_of: BTreeMap<String, Duration>,
    /// Between two pieces of a region's response body.
    pub idle: Duration,
    /// One request with all its attempts.
    pub total: Duration,
    /// A WebSocket, or whatever else a connection was switched to, in which no byte passes.
    pub tunnel_idle: Duration,
    /// The whole of such a session.
    pub tunnel: Duration,
    /// What is in flight when the process is told to stop.
    pub drain: Duration,
    /// A client's request head, from its first byte.
    pub client_header: Duration,
    /// Between two pieces of a client's request body.
    pub client_body: Duration,
    /// A client's connection between two requests.
    pub client_idle: Duration,
}

/// What clients may ask of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at once, all workers together.
    pub connections: usize,
    /// Bytes of one request head.
    pub header: usize,
    /// Bytes of one request body. `None`: no limit.
    pub body: Option<u64>,
    /// Bytes that all requests together read ahead, while they look for a deployment that is named
    /// behind the rest; beyond `failover.hold_total`.
    pub read_ahead: usize,
}

/// How long a region that refused is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown {
    /// After a 429 without a hint.
    pub default: Duration,
    /// The longest hint that is believed; at least `default`.
    pub cap: Duration,
    /// After it refused its own key, unless a probe is answered before.
    pub unauthorized: Duration,
    /// After it lacked a deployment or an operation.
    pub lacking: Duration,
}

/// When failures keep requests away from a region or a deployment of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Failures of a hundred requests in the window from which it opens: 1 to 100.
    pub percent: f64,
    /// Requests in the window before `percent` says anything: 1 to 10 000.
    pub minimum: u32,
    /// Failures in a row from which it opens whatever `percent` says: 1 to 1000.
    pub in_a_row: u32,
    /// How far back requests count, 1 s to an hour.
    pub window: Duration,
    /// How long it stays open at first.
    pub pause_min: Duration,
    /// How long it stays open at most; at least `pause_min`.
    pub pause_max: Duration,
    /// From the first good answer until the traffic has returned in full, at most an hour.
    pub ramp: Duration,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// One line a request.
    pub requests: bool,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Region {
    /// What this region calls the deployment that a client calls `name`; `None` when it serves no
    /// such deployment.
    #[must_use]
    pub fn deployment<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.deployments.is_empty() {
            return Some(name);
        }
        self.deployments.get(name).map(String::as_str)
    }
}

impl Region {
    /// Whether two regions of the file are one resource under two names, for the sake of its deployments'
    /// types. With two keys they may be two accounts behind one host.
    #[must_use]
    pub fn is_same_resource(&self, other: &Self) -> bool {
        let [one, two] = [self, other].map(|region| region.api_key.as_ref());
        let key = ExposeSecret::expose_secret;
        self.url == other.url && one.map(key) == two.map(key)
    }
}

impl PartialEq for Region {
    /// Secrets included: reload must see a rotated key.
    fn eq(&self, other: &Self) -> bool {
        // taken apart, so that a new field cannot be forgotten here
        let Self {
            name,
            url,
            api_key,
            auth_header,
            deployments,
            zone,
            kind,
            tier,
            ca_file,
            ca_pem,
            http2,
        } = self;
        let key = api_key.as_ref().map(ExposeSecret::expose_secret);
        *name == other.name
            && *url == other.url
            && key == other.api_key.as_ref().map(ExposeSecret::expose_secret)
            && *auth_header == other.auth_header
            && *deployments == other.deployments
            && *zone == other.zone
            && *kind == other.kind
            && *tier == other.tier
            && *ca_file == other.ca_file
            && *ca_pem == other.ca_pem
            && *http2 == other.http2
    }
}
