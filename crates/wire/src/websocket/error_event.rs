//! An error body as the event that says the same over a WebSocket (API fact sheet 5.2).

use serde_json::{Map, Value};

/// `{"type":"error","status":…,` and the members of the body as they came; `None` where that is no object
/// with an `error`, or says one of those itself.
#[must_use]
pub fn error_event(status: u16, body: &[u8]) -> Option<Vec<u8>> {
    let said: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let is_error = said.get("error").is_some_and(Value::is_object);
    if !is_error || said.contains_key("type") || said.contains_key("status") {
        return None;
    }
    let members = body.trim_ascii().strip_prefix(b"{")?;
    let front = format!(r#"{{"type":"error","status":{status},"#);
    Some([front.as_bytes(), members].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_stay_as_they_came() {
        let event = |body: &str| error_event(404, body.as_bytes());
        assert_eq!(
            event(" {\"error\": {\"code\":\"DeploymentNotFound\"} }\n").unwrap(),
            br#"{"type":"error","status":404,"error": {"code":"DeploymentNotFound"} }"#
        );
        for none in
            ["", "{}", "[]", "Not found", r#"{"error":"text"}"#, r#"{"type":"x","error":{}}"#]
        {
            assert_eq!(event(none), None, "{none}");
        }
    }
}
