//! `affinity`: which requests stay together.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::{Choice as _, Word};
use crate::defaults;
use crate::model::AffinityMode;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAffinity {
    /// Who belongs together: `prefix`, requests whose prompts begin alike, and those with the same
    /// `x-nearway-session`, `prompt_cache_key` or `user`, from `from_tokens` on; `session`, only the latter,
    /// of any size.
    #[schemars(extend("default" = defaults::AFFINITY.shown()))]
    pub(crate) mode: Option<Text<Word<AffinityMode>>>,
    /// Shorter prompts go where they are best, with `mode: prefix`. Estimated from the size of the body.
    #[schemars(transform = defaults::AFFINITY_FROM.in_schema())]
    pub(crate) from_tokens: Option<Text<u32>>,
    /// By how much the region may be slower than the best, for each 1,000 tokens of the prompt; at least
    /// 20ms, however short.
    #[schemars(transform = defaults::AFFINITY_BOUND.in_schema())]
    pub(crate) bound_per_1k_tokens: Option<Text<Duration>>,
    /// And at most by this much, however long.
    #[schemars(transform = defaults::AFFINITY_BOUND_MAX.in_schema())]
    pub(crate) bound_max: Option<Text<Duration>>,
    /// For how long after the last answer the region is taken to have the prompt.
    #[schemars(transform = defaults::AFFINITY_TTL.in_schema())]
    pub(crate) ttl: Option<Text<Duration>>,
}
