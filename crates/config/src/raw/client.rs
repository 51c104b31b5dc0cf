//! One of `clients`: who it is, and the fence around it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::Word;
use crate::fence::DeploymentType;
use crate::names::{DeploymentName, Name};
use crate::schema::filled;
use crate::source::ClientKey;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "keys"]))]
pub(crate) struct RawClient {
    /// Unique; it appears in metrics and logs.
    #[schemars(transform = filled)]
    pub(crate) name: Option<Text<Name>>,
    /// Its keys, at least one, and no other client's: `${NAME}`, `file:/path`, or `sha256:` and the
    /// digest of the key in hexadecimal.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) keys: Option<Vec<Text<ClientKey>>>,
    /// The zones that it may use. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) zones: Option<Vec<Text<Name>>>,
    /// The regions that it may use. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) regions: Option<Vec<Text<Name>>>,
    /// The types of deployments that it may use. Left out: all, but with `zones` none that is global.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) types: Option<Vec<Text<Word<DeploymentType>>>>,
    /// The deployments that it may use, by the names that clients write. Left out: all.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true), transform = filled)]
    pub(crate) deployments: Option<Vec<Text<DeploymentName>>>,
}
