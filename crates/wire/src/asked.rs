//! Whether a request's JSON leaves something behind.
//!
//! Looked at only when an attempt has failed or is late: nothing is read twice for a request that goes
//! well.

use serde::Deserialize;

/// Whether a Responses request leaves nothing behind in its region, so that it may go again: `store` is false and `background` is not true (API fact sheet 4.3, 6). `store` defaults to true, and
/// what can't be read is taken to leave something behind.
#[must_use]
pub fn leaves_nothing(body: &[u8]) -> bool {
    let asked: Asked = serde_json::from_slice(body).unwrap_or_default();
    asked.store == Some(false) && asked.background != Some(true)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    store: Option<bool>,
    background: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_so_leaves_nothing() {
        for (body, expected) in [
            (r#"{"model":"m","input":[{"store":true}],"store":false}"#, true),
            (r#"{"store":false,"background":false}"#, true),
            (r#"{"store":false,"background":null}"#, true),
            (r#"{"store":false,"background":true}"#, false),
            (r#"{"store":true}"#, false),
            (r#"{"model":"m"}"#, false),
            (r#"{"store":"false"}"#, false),
            (r#"{"store":false,"store":true}"#, false),
            (r#"{"store":false"#, false),
            ("", false),
        ] {
            assert_eq!(leaves_nothing(body.as_bytes()), expected, "{body}");
        }
    }
}
