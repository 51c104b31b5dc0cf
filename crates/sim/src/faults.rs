//! The ways in which a region fails by script: at random, by a limit, in how it treats connections.
//!
//! Plain data of the world file; who obeys it is `latency.rs` (failures), `throttle.rs` (limits),
//! `serve.rs`, `handle.rs` and `exchange.rs` (modes).

use serde::{Deserialize, Serialize};

/// Random failures of a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// Share of the requests, 0 to 1.
    pub rate: f64,
    /// Their status, 400 to 599.
    #[serde(default = "default_failure_status")]
    pub status: u16,
}

/// 429 after so many requests in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Requests per minute and deployment that are let through.
    pub per_minute: u32,
    /// How a refusal says when to come back.
    #[serde(default)]
    pub hint: Hint,
    /// What the hint says, in milliseconds; left out, the rest of the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Where a 429 carries its hint (API fact sheet sections 3 and 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// `retry-after-ms` and `retry-after`, as Azure does.
    #[default]
    Both,
    /// `retry-after-ms` alone.
    Millis,
    /// `retry-after` in whole seconds.
    Seconds,
    /// `retry-after` as an HTTP date.
    Date,
    /// Only the sentence in the body.
    Text,
    /// Nothing at all.
    None,
}

/// How a region treats connections and streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It works.
    #[default]
    Up,
    /// New connections are reset after the accept, existing ones are cut.
    Refuse,
    /// Requests are read and never answered.
    Blackhole,
    /// The connection is closed after the request, before any answer.
    CutHead,
    /// The connection is closed in the middle of the answer.
    CutBody,
    /// The answer stops in the middle and the connection stays open.
    Stall,
    /// A stream ends with an error event instead of its end (API fact sheet section 5.4).
    ErrorEvent,
}

fn default_failure_status() -> u16 {
    503
}
