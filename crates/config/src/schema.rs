//! The JSON schema of the file, for editors that complete and check keys.

use schemars::Schema;
use serde_json::Value as Json;

use crate::raw::RawConfig;

/// The schema, as indented JSON. `deploy/config.schema.json` is a copy, kept current by a test.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawConfig);
    format!("{:#}\n", schema.as_value())
}

/// For a key that must hold something once it is written: no `null`.
pub(crate) fn filled(schema: &mut Schema) {
    if let Some(kinds) = schema.get_mut("type")
        && let Some(kind) = kinds.as_array().and_then(|kinds| kinds.iter().find(|k| *k != "null"))
    {
        *kinds = Json::clone(kind);
    }
}
