//! One of `deployments`: the fence around it, whoever asks.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::Word;
use crate::fence::DeploymentType;
use crate::names::Name;
use crate::schema::filled;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
pub(crate) struct RawFence {
    /// The zones that its requests may go to. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) zones: Option<Vec<Text<Name>>>,
    /// The regions that they may go to. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) regions: Option<Vec<Text<Name>>>,
    /// The types of deployments. Left out: all, but with `zones` none that is global.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) types: Option<Vec<Text<Word<DeploymentType>>>>,
}
