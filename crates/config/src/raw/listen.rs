//! `listen` and `admin`: the two listeners.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::defaults;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawListen {
    /// IP address and port; `0.0.0.0:8080` for every interface. A change needs a restart.
    #[schemars(extend("default" = defaults::LISTEN.to_string()))]
    pub(crate) address: Option<Text<SocketAddr>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// IP address and port, not the clients' one. A change needs a restart.
    #[schemars(extend("default" = defaults::ADMIN.to_string()))]
    pub(crate) address: Option<Text<SocketAddr>>,
}
