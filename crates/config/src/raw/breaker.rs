//! `breaker`: when failures keep requests away, and how they return.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::text::Text;

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
