//! The JSON schema of the file, for editors that complete and check keys.

use crate::raw::RawConfig;

/// The schema, as indented JSON. `deploy/config.schema.json` is a copy, kept current by a test.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawConfig);
    format!("{:#}\n", schema.as_value())
}
