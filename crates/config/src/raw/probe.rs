//! `probe`: how regions are measured, and what that costs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::{Choice as _, Switched, Word};
use crate::defaults;
use crate::model::ProbeStyle;
use crate::names::{ApiVersion, DeploymentName, Prompt};
use crate::open::OrNone;
use crate::text::Text;

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
