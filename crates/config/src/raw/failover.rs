//! `failover`: what happens when the chosen region fails, or is late.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::Switched;
use crate::defaults;
use crate::text::Text;
use crate::units::Bytes;

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
