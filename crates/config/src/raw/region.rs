//! One of `regions`: where it is, how it is asked, what it serves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::choice::{Choice as _, Switched, Word};
use crate::defaults;
use crate::fence::DeploymentType;
use crate::model::{AuthHeader, RegionUrl};
use crate::names::{DeploymentName, Name};
use crate::schema::filled;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "url"]))]
pub(crate) struct RawRegion {
    /// Unique; it appears in headers, metrics and logs.
    #[schemars(transform = filled)]
    pub(crate) name: Option<Text<Name>>,
    /// `https://HOST[:PORT][/PREFIX]`; the prefix is put before the path of each request, which brings
    /// `/openai/…` or `/v1/…` along.
    #[schemars(transform = filled)]
    pub(crate) url: Option<Text<RegionUrl>>,
    /// The key, `${NAME}` or `file:/path`. Left out: the client's own credential passes.
    #[schemars(transform = filled)]
    pub(crate) api_key: Option<Text<SecretString>>,
    /// Which header carries the key.
    #[schemars(extend("default" = defaults::AUTH_HEADER.shown()))]
    pub(crate) auth_header: Option<Text<Word<AuthHeader>>>,
    /// Client's name of a deployment -> this region's name. The region serves these and no others;
    /// left out, it serves any name unchanged.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"minLength": 1}))]
    pub(crate) deployments: Option<BTreeMap<String, Text<DeploymentName>>>,
    /// Where it is, such as `us` or `eu`: what `zones` of clients and deployments name.
    #[schemars(transform = filled)]
    pub(crate) zone: Option<Text<Name>>,
    /// Where its deployments process what they are asked: a `global` one anywhere, whatever `zone` says.
    #[serde(rename = "type")]
    #[schemars(extend("default" = defaults::DEPLOYMENT_TYPE.shown()), transform = filled)]
    pub(crate) kind: Option<Text<Word<DeploymentType>>>,
    /// Regions of a lower tier are used first; those of the next one while none of them is fit.
    #[schemars(transform = defaults::TIER.in_schema())]
    pub(crate) tier: Option<Text<u32>>,
    /// PEM file of the certificates trusted for this region, instead of the system's.
    pub(crate) ca_file: Option<Text<PathBuf>>,
    /// Offer HTTP/2 to this region.
    #[schemars(extend("default" = defaults::HTTP2))]
    pub(crate) http2: Option<Text<Switched>>,
}
