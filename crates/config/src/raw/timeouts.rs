//! `timeouts`: the longest wait at each step.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::text::Text;

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
    /// A WebSocket, or whatever else a connection was switched to, in which no byte passes in either
    /// direction.
    #[schemars(transform = defaults::TUNNEL_IDLE.in_schema())]
    pub(crate) tunnel_idle: Option<Text<Duration>>,
    /// The whole of such a session.
    #[schemars(transform = defaults::TUNNEL.in_schema())]
    pub(crate) tunnel: Option<Text<Duration>>,
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
