//! `cooldown`: how long what refused is left alone.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::text::Text;

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
