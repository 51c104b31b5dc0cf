//! The scripted world: which regions there are and how each behaves, as plain data for YAML and JSON.
//!
//! Read once by [`crate::Sim::start`]; each region then owns its [`RegionWorld`], which
//! [`crate::Control`] changes while it runs. Nothing here computes: times come from
//! `latency.rs` and `script.rs`. Unknown keys are errors, so a typo in a script is noticed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::deployment::Deployment;
use crate::script::{Brownout, Drift, Step};

/// The whole script: a seed and the regions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Same seed, same request numbers: same delays, same failures, same ids.
    #[serde(default)]
    pub seed: u64,
    /// After this many seconds steps and brown-outs begin again; left out, they happen once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_every_s: Option<f64>,
    /// In the order of the listeners given to [`crate::Sim::start`].
    pub regions: Vec<RegionWorld>,
}

/// One region: its credential, what it serves, how fast, and how it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionWorld {
    /// Short name, unique in the world, such as `eastus`.
    pub name: String,
    /// What `x-ms-region` says, such as `East US`; left out, the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The only credential this region accepts.
    pub key: String,
    /// What this region calls its deployments; all others answer 404 `DeploymentNotFound`.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// Milliseconds to the response head of every answer, the status path included.
    #[serde(default)]
    pub network_ms: f64,
    /// Milliseconds from the request to the first content token, `network_ms` included.
    #[serde(default)]
    pub base_ms: f64,
    /// The first token comes up to this many milliseconds earlier or later, evenly spread.
    #[serde(default)]
    pub jitter_ms: f64,
    /// Milliseconds from one token to the next.
    #[serde(default)]
    pub per_token_ms: f64,
    /// Tokens of an answer that no limit of the request cuts short.
    #[serde(default = "default_tokens")]
    pub tokens: u32,
    /// Milliseconds that each request already in flight adds to the first token.
    #[serde(default)]
    pub per_in_flight_ms: f64,
    /// A slow swing around `base_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// New values of `base_ms` from given times on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Spells in which the region is slower and may fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brownouts: Vec<Brownout>,
    /// Some of the requests fail with a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// A limit of requests per minute and deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// Every API request is answered with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How the region treats connections and streams.
    #[serde(default)]
    pub mode: Mode,
    /// For [`Mode::CutBody`], [`Mode::Stall`] and [`Mode::ErrorEvent`]: events that still pass.
    #[serde(default = "default_mode_after")]
    pub mode_after: u32,
}

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

/// Why a world cannot be simulated. Always the fault of who wrote it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The text is not YAML or does not have this shape.
    #[error("the world cannot be read: {0}")]
    Shape(#[from] serde_yaml::Error),
    /// Two regions share a name.
    #[error("two regions are named `{0}`")]
    DuplicateRegion(String),
    /// A number is out of its range.
    #[error("region `{region}`: `{field}` must be {expected}")]
    OutOfRange {
        /// The region that holds it.
        region: String,
        /// The key as written in the file.
        field: &'static str,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl World {
    /// Reads YAML (and so JSON) and checks it.
    ///
    /// # Errors
    /// [`WorldError`] for text of another shape, repeated names and numbers out of range.
    pub fn from_yaml(text: &str) -> Result<Self, WorldError> {
        let world: Self = serde_yaml::from_str(text)?;
        world.check()?;
        Ok(world)
    }

    /// Checks what the types cannot say: unique names, finite and sensible numbers.
    ///
    /// # Errors
    /// The first problem found.
    pub fn check(&self) -> Result<(), WorldError> {
        let mut names = BTreeSet::new();
        for region in &self.regions {
            if !names.insert(&region.name) {
                return Err(WorldError::DuplicateRegion(region.name.clone()));
            }
            region.check()?;
            if self.repeat_every_s.is_some_and(|s| !(s.is_finite() && s > 0.0)) {
                return Err(region.out_of_range("repeat_every_s", "more than 0 seconds"));
            }
        }
        Ok(())
    }
}

impl RegionWorld {
    /// A region that answers at once, with ten tokens and no deployments.
    #[must_use]
    pub fn new(name: &str, key: &str) -> Self {
        Self {
            name: name.to_owned(),
            display: None,
            key: key.to_owned(),
            deployments: Vec::new(),
            network_ms: 0.0,
            base_ms: 0.0,
            jitter_ms: 0.0,
            per_token_ms: 0.0,
            tokens: default_tokens(),
            per_in_flight_ms: 0.0,
            drift: None,
            steps: Vec::new(),
            brownouts: Vec::new(),
            failures: None,
            throttle: None,
            status: None,
            mode: Mode::Up,
            mode_after: default_mode_after(),
        }
    }

    /// The same region with these deployments.
    #[must_use]
    pub fn with_deployments(mut self, names: &[&str]) -> Self {
        self.deployments = names.iter().map(|name| Deployment::new(name)).collect();
        self
    }

    /// The same region with this time to the first token, in milliseconds.
    #[must_use]
    pub fn with_base_ms(mut self, base_ms: f64) -> Self {
        self.base_ms = base_ms;
        self
    }

    /// What `x-ms-region` says.
    #[must_use]
    pub fn display(&self) -> &str {
        self.display.as_deref().unwrap_or(&self.name)
    }

    /// The deployment of this name, if the region has it.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.name == name)
    }

    /// Checks the numbers of this region.
    ///
    /// # Errors
    /// [`WorldError::OutOfRange`] with the first key that is wrong.
    pub fn check(&self) -> Result<(), WorldError> {
        let times = [
            ("network_ms", self.network_ms),
            ("base_ms", self.base_ms),
            ("jitter_ms", self.jitter_ms),
            ("per_token_ms", self.per_token_ms),
            ("per_in_flight_ms", self.per_in_flight_ms),
        ];
        let steps = self.steps.iter().flat_map(|s| [("steps.at_s", s.at_s), ("steps.base_ms", s.base_ms)]);
        let brownouts = self.brownouts.iter().flat_map(|b| {
            [("brownouts.from_s", b.from_s), ("brownouts.for_s", b.for_s), ("brownouts.factor", b.factor)]
        });
        let drift = self.drift.iter().flat_map(|d| [("drift.amount_ms", d.amount_ms), ("drift.period_s", d.period_s)]);
        let deployments = self.deployments.iter().filter_map(|d| Some(("deployments.base_ms", d.base_ms?)));
        for (field, value) in times.into_iter().chain(steps).chain(brownouts).chain(drift).chain(deployments) {
            if !(0.0..=MOST).contains(&value) {
                return Err(self.out_of_range(field, "from 0 to 100000000"));
            }
        }
        let rates = self.failures.iter().map(|f| f.rate).chain(self.brownouts.iter().map(|b| b.failure_rate));
        if rates.into_iter().any(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err(self.out_of_range("failure rate", "from 0 to 1"));
        }
        let statuses = self.failures.iter().map(|f| f.status).chain(self.status);
        if statuses.into_iter().any(|status| !(400..=599).contains(&status)) {
            return Err(self.out_of_range("status", "from 400 to 599"));
        }
        Ok(())
    }

    fn out_of_range(&self, field: &'static str, expected: &'static str) -> WorldError {
        WorldError::OutOfRange { region: self.name.clone(), field, expected }
    }
}

/// The largest time or factor; keeps every sum of them a valid `Duration`.
const MOST: f64 = 1e8;

fn default_tokens() -> u32 {
    10
}

fn default_mode_after() -> u32 {
    3
}

fn default_failure_status() -> u16 {
    503
}
