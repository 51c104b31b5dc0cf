//! The file as people write it: every key that exists, nothing required, nothing checked. One file a
//! section.
//!
//! From these shapes come the parsing (through [`crate::reader`]) and the JSON schema, whose texts are the
//! comments here; what a value may say and what it is when left out stands in [`crate::defaults`].

mod affinity;
mod breaker;
mod client;
mod cooldown;
mod failover;
mod fence;
mod limits;
mod listen;
mod log;
mod probe;
mod region;
mod routing;
mod state;
mod timeouts;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::open::OrAuto;
use crate::schema::filled;
use crate::text::Text;

pub(crate) use affinity::RawAffinity;
pub(crate) use breaker::RawBreaker;
pub(crate) use client::RawClient;
pub(crate) use cooldown::RawCooldown;
pub(crate) use failover::RawFailover;
pub(crate) use fence::RawFence;
pub(crate) use limits::RawLimits;
pub(crate) use listen::{RawAdmin, RawListen};
pub(crate) use log::RawLog;
pub(crate) use probe::{RawPrice, RawProbe};
pub(crate) use region::RawRegion;
pub(crate) use routing::RawRouting;
pub(crate) use state::RawState;
pub(crate) use timeouts::RawTimeouts;

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
    /// Which requests stay in the region that has their prompt in its cache.
    pub(crate) affinity: Option<RawAffinity>,
    /// What is remembered of objects that live in the region that made them: files, threads, responses.
    pub(crate) state: Option<RawState>,
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
