//! `limits`: what clients may ask of this process.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::open::OrNone;
use crate::text::Text;
use crate::units::Bytes;

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
