//! `log`: what is logged, and how.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::{Choice as _, Switched, Word};
use crate::defaults;
use crate::model::LogFormat;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLog {
    /// For people or for machines. A change needs a restart.
    #[schemars(extend("default" = defaults::LOG_FORMAT.shown()))]
    pub(crate) format: Option<Text<Word<LogFormat>>>,
    /// One line a request.
    #[schemars(extend("default" = defaults::LOG_REQUESTS))]
    pub(crate) requests: Option<Text<Switched>>,
}
