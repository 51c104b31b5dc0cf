//! `routing`: how measurements become an order of regions.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::{Choice as _, Word};
use crate::defaults;
use crate::model::{RankBy, Strategy};
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRouting {
    /// How a score is made of samples.
    #[schemars(extend("default" = defaults::STRATEGY.shown()))]
    pub(crate) strategy: Option<Text<Word<Strategy>>>,
    /// What is compared: the time to the first content token, or to the last byte.
    #[schemars(extend("default" = defaults::RANK_BY.shown()))]
    pub(crate) rank_by: Option<Text<Word<RankBy>>>,
    /// How far back samples count; at least `probe.interval`. Left out, one and a half of it.
    #[schemars(transform = defaults::WINDOW.in_schema())]
    pub(crate) window: Option<Text<Duration>>,
    /// When another region takes the lead: all three must hold. A leader that fails is left at once.
    pub(crate) switch: Option<RawSwitch>,
    /// A file that keeps what strategy `adaptive` has learned over a restart. Written every few seconds
    /// and at the end, read at the start if it is younger than `window`. Left out, nothing is kept.
    pub(crate) snapshot: Option<Text<PathBuf>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawSwitch {
    /// Better by this share of the leader's score.
    #[schemars(transform = defaults::SWITCH_PERCENT.in_schema())]
    pub(crate) percent: Option<Text<f64>>,
    /// Better by this much.
    #[schemars(transform = defaults::SWITCH_AT_LEAST.in_schema())]
    pub(crate) at_least: Option<Text<Duration>>,
    /// The leader has led for this long.
    #[schemars(transform = defaults::SWITCH_HOLD.in_schema())]
    pub(crate) hold: Option<Text<Duration>>,
}
