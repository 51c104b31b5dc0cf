//! Every metric name and every log format of the product.
//!
//! [`Metrics`] owns one registry; the typed handles of [`handles`] are made from it at start and at
//! reload and are what the other crates hold. Logs go through [`logs`]. Nothing here opens a
//! socket, starts a task or reads a clock: the binary calls [`Metrics::upkeep`] on a timer and the
//! admin listener calls [`Metrics::render`].

mod exposition;
pub mod handles;
mod labels;
pub mod logs;
pub mod names;
mod reasons;
mod registry;

pub use handles::{
    BreakerMetrics, ClientMetrics, FailoverMetrics, FitnessMetrics, InFlight, PoolMetrics,
    ProbeMetrics, ProxyMetrics, RankMetrics, ReplayMetrics, RouteMetrics, StateMetrics,
};
pub use labels::{
    ALL_DEPLOYMENTS, AffinityResult, HedgeEvent, Learning, Lookup, NO_CLIENT, NO_REGION, NotKept,
    OTHER, ProbeSkip, ReloadResult, RequestOutcome, RouteBreaker, RouteCondition, RouteState,
    Search, TokenKind, TunnelEnd,
};
pub use logs::{
    BreakerOpened, Failover, LeaderChange, LogFormat, LogsError, REQUEST_TARGET, Reload,
    RequestLine, breaker_closed, breaker_opened, breaker_returning, credential_refused, failover,
    install_logs, leader_change, log_subscriber, reload_applied, reload_rejected, request_line,
    request_lines_enabled, without_request_lines,
};
pub use registry::{Build, CONTENT_TYPE, InvalidBuckets, Metrics, UPKEEP_EVERY};
