//! The file as people write it: every key that exists, nothing required, nothing checked. From
//! these shapes come the parsing (through [`crate::reader`]) and the JSON schema, whose texts are the
//! comments here; what a value may say and what it is when left out stands in [`crate::defaults`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::choice::{Choice as _, Switched, Word};
use crate::defaults;
use crate::fence::DeploymentType;
use crate::model::{AuthHeader, LogFormat, ProbeStyle, RankBy, RegionUrl, Strategy};
use crate::names::{ApiVersion, DeploymentName, Name, Prompt};
use crate::open::{OrAuto, OrNone};
use crate::schema::filled;
use crate::source::ClientKey;
use crate::text::Text;
use crate::units::Bytes;

/// The configuration of Nearway. Any value may be `${NAME}` or `${NAME:-default}`, read from the
/// environment; `$$` stands for `$`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, title = "Nearway", extend("required" = ["regions"]))]
pub(crate) struct RawConfig {
    /// Where clients connect.
    pub(crate) listen: Option<RawListen>,
    /// Where operators connect: health, metrics, status.
    pub(crate) admin: Option<RawAdmin>,
    /// Worker threads; `auto`: one a core. A change needs a restart.
    #[schemars(extend("default" = "auto"), transform = defaults::WORKERS.in_schema())]
    pub(crate) workers: Option<Text<OrAuto<u32>>>,
    /// The regions, at least one. Before anything is measured they are tried in this order.
    #[schemars(extend("minItems" = 1), transform = filled)]
    pub(crate) regions: Option<Vec<RawRegion>>,
    /// Who may use this gateway, at least one: each request must then carry a key of one of them, and
    /// each region must have an `api_key`. Left out: whoever reaches the listener is let in.
    #[schemars(extend("minItems" = 1), transform = filled)]
    pub(crate) clients: Option<Vec<RawClient>>,
    /// Client's name of a deployment -> where its requests may go, whoever sends them.
    #[schemars(
        extend("default" = {}, "propertyNames" = {"minLength": 1}),
        transform = filled
    )]
    pub(crate) deployments: Option<BTreeMap<String, RawFence>>,
    /// How regions are measured.
    pub(crate) probe: Option<RawProbe>,
    /// How measurements become an order of regions.
    pub(crate) routing: Option<RawRouting>,
    /// What happens when the chosen region fails before it has answered.
    pub(crate) failover: Option<RawFailover>,
    /// The longest wait at each step of a request.
    pub(crate) timeouts: Option<RawTimeouts>,
    /// What clients may ask of this process.
    pub(crate) limits: Option<RawLimits>,
    /// How long a region that refused (429, its own key, a deployment) is left alone.
    pub(crate) cooldown: Option<RawCooldown>,
    /// When failures keep requests away from a region or a deployment of it, and how they return.
    pub(crate) breaker: Option<RawBreaker>,
    /// What is logged, and how.
    pub(crate) log: Option<RawLog>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawListen {
    /// IP address and port; `0.0.0.0:8080` for every interface. A change needs a restart.
    #[schemars(extend("default" = defaults::LISTEN.to_string()))]
    pub(crate) address: Option<Text<SocketAddr>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// IP address and port, not the clients' one. A change needs a restart.
    #[schemars(extend("default" = defaults::ADMIN.to_string()))]
    pub(crate) address: Option<Text<SocketAddr>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "url"]))]
pub(crate) struct RawRegion {
    /// Unique; it appears in headers, metrics and logs.
    #[schemars(transform = filled)]
    pub(crate) name: Option<Text<Name>>,
    /// `https://HOST[:PORT][/PREFIX]`; the prefix is put before the path of each request, which brings
    /// `/openai/…` or `/v1/…` along.
    #[schemars(transform = filled)]
    pub(crate) url: Option<Text<RegionUrl>>,
    /// The key, `${NAME}` or `file:/path`. Left out: the client's own credential passes.
    #[schemars(transform = filled)]
    pub(crate) api_key: Option<Text<SecretString>>,
    /// Which header carries the key.
    #[schemars(extend("default" = defaults::AUTH_HEADER.shown()))]
    pub(crate) auth_header: Option<Text<Word<AuthHeader>>>,
    /// Client's name of a deployment -> this region's name. The region serves these and no others;
    /// left out, it serves any name unchanged.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"minLength": 1}))]
    pub(crate) deployments: Option<BTreeMap<String, Text<DeploymentName>>>,
    /// Where it is, such as `us` or `eu`: what `zones` of clients and deployments name.
    #[schemars(transform = filled)]
    pub(crate) zone: Option<Text<Name>>,
    /// Where its deployments process what they are asked: a `global` one anywhere, whatever `zone` says.
    #[serde(rename = "type")]
    #[schemars(extend("default" = defaults::DEPLOYMENT_TYPE.shown()), transform = filled)]
    pub(crate) kind: Option<Text<Word<DeploymentType>>>,
    /// Regions of a lower tier are used first; those of the next one while none of them is fit.
    #[schemars(transform = defaults::TIER.in_schema())]
    pub(crate) tier: Option<Text<u32>>,
    /// PEM file of the certificates trusted for this region, instead of the system's.
    pub(crate) ca_file: Option<Text<PathBuf>>,
    /// Offer HTTP/2 to this region.
    #[schemars(extend("default" = defaults::HTTP2))]
    pub(crate) http2: Option<Text<Switched>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "keys"]))]
pub(crate) struct RawClient {
    /// Unique; it appears in metrics and logs.
    #[schemars(transform = filled)]
    pub(crate) name: Option<Text<Name>>,
    /// Its keys, at least one, and no other client's: `${NAME}`, `file:/path`, or `sha256:` and the
    /// digest of the key in hexadecimal.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) keys: Option<Vec<Text<ClientKey>>>,
    /// The zones that it may use. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) zones: Option<Vec<Text<Name>>>,
    /// The regions that it may use. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) regions: Option<Vec<Text<Name>>>,
    /// The types of deployments that it may use. Left out: all, but with `zones` none that is global.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) types: Option<Vec<Text<Word<DeploymentType>>>>,
    /// The deployments that it may use, by the names that clients write. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) deployments: Option<Vec<Text<DeploymentName>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
pub(crate) struct RawFence {
    /// The zones that its requests may go to. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) zones: Option<Vec<Text<Name>>>,
    /// The regions that they may go to. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) regions: Option<Vec<Text<Name>>>,
    /// The types of deployments. Left out: all, but with `zones` none that is global.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) types: Option<Vec<Text<Word<DeploymentType>>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawProbe {
    /// Deployments to measure, by the names that clients use. Left empty, reachability is measured
    /// instead, which costs no tokens and says less.
    #[schemars(extend("default" = [], "uniqueItems" = true))]
    pub(crate) deployments: Option<Vec<Text<DeploymentName>>>,
    /// Which form of URL a probe uses.
    #[schemars(extend("default" = defaults::PROBE_STYLE.shown()))]
    pub(crate) style: Option<Text<Word<ProbeStyle>>>,
    /// The `api-version` of an `azure` probe.
    #[schemars(extend("default" = defaults::API_VERSION))]
    pub(crate) api_version: Option<Text<ApiVersion>>,
    /// From one round to the next.
    #[schemars(transform = defaults::INTERVAL.in_schema())]
    pub(crate) interval: Option<Text<Duration>>,
    /// How far a round may move from its time, as a fraction of the interval.
    #[schemars(transform = defaults::JITTER.in_schema())]
    pub(crate) jitter: Option<Text<f64>>,
    /// The longest that one sample may take.
    #[schemars(transform = defaults::PROBE_TIMEOUT.in_schema())]
    pub(crate) timeout: Option<Text<Duration>>,
    /// Completions in a round, one after the other. Left out, 1 with `routing.strategy: adaptive`.
    #[schemars(transform = defaults::SAMPLES.in_schema())]
    pub(crate) samples: Option<Text<u32>>,
    /// The user message.
    #[schemars(extend("default" = defaults::PROMPT))]
    pub(crate) prompt: Option<Text<Prompt>>,
    /// The most tokens that one sample may generate. Left out, 1 with `routing.strategy: adaptive`.
    #[schemars(transform = defaults::MAX_TOKENS.in_schema())]
    pub(crate) max_tokens: Option<Text<u32>>,
    /// Tokens that the probes of one deployment in one region may use a day, spread over it: at the
    /// bound they get rarer. `none`: the interval alone decides. With `routing.strategy: adaptive`.
    #[schemars(extend("default" = "none"), transform = defaults::TOKENS_PER_DAY.in_schema())]
    pub(crate) tokens_per_day: Option<Text<OrNone<u32>>>,
    /// Whether token-free requests between the completions look whether a region can be reached: only
    /// that, never how fast it is.
    #[schemars(extend("default" = defaults::REACHABILITY))]
    pub(crate) reachability: Option<Text<Switched>>,
    /// Name of a model, or how it begins -> its price, for `nearway probe --cost`.
    #[schemars(extend("default" = {}, "propertyNames" = {"minLength": 1}))]
    pub(crate) prices: Option<BTreeMap<String, RawPrice>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["input", "output"]))]
pub(crate) struct RawPrice {
    /// Dollars for a million tokens of questions.
    #[schemars(transform = defaults::PRICE.required_in_schema())]
    pub(crate) input: Option<Text<f64>>,
    /// Dollars for a million tokens of answers.
    #[schemars(transform = defaults::PRICE.required_in_schema())]
    pub(crate) output: Option<Text<f64>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRouting {
    /// How a score is made of samples.
    #[schemars(extend("default" = defaults::STRATEGY.shown()))]
    pub(crate) strategy: Option<Text<Word<Strategy>>>,
    /// What is compared: the time to the first content token, or to the last byte.
    #[schemars(extend("default" = defaults::RANK_BY.shown()))]
    pub(crate) rank_by: Option<Text<Word<RankBy>>>,
    /// How far back samples count; at least `probe.interval`. Left out, one and a half of it.
    #[schemars(transform = defaults::WINDOW.in_schema())]
    pub(crate) window: Option<Text<Duration>>,
    /// When another region takes the lead: all three must hold. A leader that fails is left at once.
    pub(crate) switch: Option<RawSwitch>,
    /// A file that keeps what strategy `adaptive` has learned over a restart. Written every few seconds
    /// and at the end, read at the start if it is younger than `window`. Left out, nothing is kept.
    pub(crate) snapshot: Option<Text<PathBuf>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawSwitch {
    /// Better by this share of the leader's score.
    #[schemars(transform = defaults::SWITCH_PERCENT.in_schema())]
    pub(crate) percent: Option<Text<f64>>,
    /// Better by this much.
    #[schemars(transform = defaults::SWITCH_AT_LEAST.in_schema())]
    pub(crate) at_least: Option<Text<Duration>>,
    /// The leader has led for this long.
    #[schemars(transform = defaults::SWITCH_HOLD.in_schema())]
    pub(crate) hold: Option<Text<Duration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawFailover {
    /// Regions tried for one request, the first included.
    #[schemars(transform = defaults::ATTEMPTS.in_schema())]
    pub(crate) attempts: Option<Text<u32>>,
    /// How much of a request's body is kept for another attempt; a longer one gets a single attempt.
    #[schemars(transform = defaults::HOLD_BODY.in_schema())]
    pub(crate) hold_body: Option<Text<Bytes>>,
    /// The shortest pause before the same regions are asked again, when no other is left; each further
    /// one may be twice as long.
    #[schemars(transform = defaults::BACKOFF_MIN.in_schema())]
    pub(crate) backoff_min: Option<Text<Duration>>,
    /// The longest such pause.
    #[schemars(transform = defaults::BACKOFF_MAX.in_schema())]
    pub(crate) backoff_max: Option<Text<Duration>>,
    /// Retries for each hundred requests of late; twenty a second and worker are always allowed.
    #[schemars(transform = defaults::RETRY_PERCENT.in_schema())]
    pub(crate) retry_percent: Option<Text<f64>>,
    /// Whether a stream whose first content is late is asked for in the next region too.
    #[schemars(extend("default" = defaults::HEDGE))]
    pub(crate) hedge: Option<Text<Switched>>,
    /// The same for at most so many of a hundred requests; one a second and worker is always allowed.
    #[schemars(transform = defaults::HEDGE_PERCENT.in_schema())]
    pub(crate) hedge_percent: Option<Text<f64>>,
    /// Whether a request that is stuck, takes much longer than its region is known to, is sent to the next
    /// region too if it may be repeated; under `routing.strategy: adaptive`, for at most 3 of a hundred
    /// requests, and one a second and worker.
    #[schemars(extend("default" = defaults::RESCUE))]
    pub(crate) rescue: Option<Text<Switched>>,
    /// Whether a stream's head waits for its first event, so that another region is asked when that
    /// is an error or does not come.
    #[schemars(extend("default" = defaults::HOLD_FIRST_EVENT))]
    pub(crate) hold_first_event: Option<Text<Switched>>,
    /// How much of all bodies together is kept for that; one that finds no room gets a single attempt.
    #[schemars(transform = defaults::HOLD_TOTAL.in_schema())]
    pub(crate) hold_total: Option<Text<Bytes>>,
    /// Whether the least bad region is asked when every one is out, so that a wrong verdict heals by
    /// itself; else the client gets a 503 that says when to come back.
    #[schemars(extend("default" = defaults::LAST_RESORT))]
    pub(crate) last_resort: Option<Text<Switched>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTimeouts {
    /// Name lookup and TCP to a region.
    #[schemars(transform = defaults::CONNECT.in_schema())]
    pub(crate) connect: Option<Text<Duration>>,
    /// The TLS handshake with a region.
    #[schemars(transform = defaults::TLS.in_schema())]
    pub(crate) tls: Option<Text<Duration>>,
    /// While bytes of a request lie ready and the region takes none of them (over HTTP/2, bytes of its
    /// body).
    #[schemars(transform = defaults::WRITE.in_schema())]
    pub(crate) write: Option<Text<Duration>>,
    /// From the request's last byte to the head of the region's response.
    #[schemars(transform = defaults::HEAD.in_schema())]
    pub(crate) head: Option<Text<Duration>>,
    /// From a stream's head to its first event, at most: ten times the slowest first token of the
    /// region's probes in `routing.window`, at least 15s, where that is less.
    #[schemars(transform = defaults::FIRST_TOKEN.in_schema())]
    pub(crate) first_token: Option<Text<Duration>>,
    /// Client's name of a deployment -> its time from a stream's head to the first event, in place of
    /// what `first_token` says. For models that think for longer than their probes tell.
    #[schemars(
        extend("default" = {}, "propertyNames" = {"minLength": 1}),
        transform = defaults::FIRST_TOKEN_OF.of_each_in_schema()
    )]
    pub(crate) first_token_of: Option<BTreeMap<String, Text<Duration>>>,
    /// Between two pieces of a region's response.
    #[schemars(transform = defaults::IDLE.in_schema())]
    pub(crate) idle: Option<Text<Duration>>,
    /// One request with all its attempts.
    #[schemars(transform = defaults::TOTAL.in_schema())]
    pub(crate) total: Option<Text<Duration>>,
    /// For what is in flight when the process is told to stop. A change needs a restart.
    #[schemars(transform = defaults::DRAIN.in_schema())]
    pub(crate) drain: Option<Text<Duration>>,
    /// For a client's request head.
    #[schemars(transform = defaults::CLIENT_HEADER.in_schema())]
    pub(crate) client_header: Option<Text<Duration>>,
    /// Between two pieces of a client's request body.
    #[schemars(transform = defaults::CLIENT_BODY.in_schema())]
    pub(crate) client_body: Option<Text<Duration>>,
    /// For a client's connection between two requests.
    #[schemars(transform = defaults::CLIENT_IDLE.in_schema())]
    pub(crate) client_idle: Option<Text<Duration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// Client connections at once.
    #[schemars(transform = defaults::CONNECTIONS.in_schema())]
    pub(crate) connections: Option<Text<u32>>,
    /// One request head.
    #[schemars(transform = defaults::HEADER.in_schema())]
    pub(crate) header: Option<Text<Bytes>>,
    /// One request body; `none`: no limit, since bodies are streamed.
    #[schemars(extend("default" = "none"), transform = defaults::BODY.in_schema())]
    pub(crate) body: Option<Text<OrNone<Bytes>>>,
    /// All bodies together that are read in search of a `model` behind the rest; more wait, at most
    /// `timeouts.client_body`.
    #[schemars(transform = defaults::READ_AHEAD.in_schema())]
    pub(crate) read_ahead: Option<Text<Bytes>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCooldown {
    /// After a 429 that does not say how long.
    #[schemars(transform = defaults::COOLDOWN.in_schema())]
    pub(crate) default: Option<Text<Duration>>,
    /// The longest hint that is believed; at least `default`.
    #[schemars(transform = defaults::COOLDOWN_CAP.in_schema())]
    pub(crate) cap: Option<Text<Duration>>,
    /// A region that refuses its own `api_key`, unless a probe is answered there before.
    #[schemars(transform = defaults::UNAUTHORIZED.in_schema())]
    pub(crate) unauthorized: Option<Text<Duration>>,
    /// A region that lacks a deployment, or an operation of it, which another one has.
    #[schemars(transform = defaults::LACKING.in_schema())]
    pub(crate) lacking: Option<Text<Duration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// Failures of a hundred requests in `window` from which it opens.
    #[schemars(transform = defaults::BREAKER_PERCENT.in_schema())]
    pub(crate) percent: Option<Text<f64>>,
    /// Requests in `window` before `percent` says anything.
    #[schemars(transform = defaults::BREAKER_MINIMUM.in_schema())]
    pub(crate) minimum: Option<Text<u32>>,
    /// Failures in `window`, one after the other, from which it opens whatever `percent` says.
    #[schemars(transform = defaults::BREAKER_IN_A_ROW.in_schema())]
    pub(crate) in_a_row: Option<Text<u32>>,
    /// How far back requests count.
    #[schemars(transform = defaults::BREAKER_WINDOW.in_schema())]
    pub(crate) window: Option<Text<Duration>>,
    /// How long it stays open before one request at a time tries; twice as long after each that fails.
    #[schemars(transform = defaults::PAUSE_MIN.in_schema())]
    pub(crate) pause_min: Option<Text<Duration>>,
    /// The longest such pause; at least `pause_min`.
    #[schemars(transform = defaults::PAUSE_MAX.in_schema())]
    pub(crate) pause_max: Option<Text<Duration>>,
    /// From the first good answer until the traffic has returned in full; `0s`: at once.
    #[schemars(transform = defaults::RAMP.in_schema())]
    pub(crate) ramp: Option<Text<Duration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLog {
    /// For people or for machines. A change needs a restart.
    #[schemars(extend("default" = defaults::LOG_FORMAT.shown()))]
    pub(crate) format: Option<Text<Word<LogFormat>>>,
    /// One line a request.
    #[schemars(extend("default" = defaults::LOG_REQUESTS))]
    pub(crate) requests: Option<Text<Switched>>,
}
