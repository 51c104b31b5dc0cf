//! Error bodies: Nearway's own, and what a region's says.
//!
//! The proxy writes its refusals with [`openai_error`]; failover, cool-downs and probes read a region's
//! with [`read_error`]. A region's body is only read here: the client gets its bytes unchanged.

mod unknown;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// How many bytes of an error body are worth reading; a longer one says nothing.
pub const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// An error in `OpenAI`'s shape, which the SDKs turn into their usual exceptions (API fact sheet 4.1).
#[must_use]
pub fn openai_error(message: &str, kind: &str, code: &str, param: Option<&str>) -> Bytes {
    let body = Body { error: Object { message, kind, param, code } };
    // strings alone: there is nothing in it that could fail
    serde_json::to_vec(&body).unwrap_or_default().into()
}

#[derive(Serialize)]
struct Body<'a> {
    error: Object<'a>,
}

#[derive(Serialize)]
struct Object<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

/// What an error body says, as far as it says anything. Text of a region: never a label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFacts {
    /// `code`, a number written out; where there is none, `statusCode`.
    pub code: Option<String>,
    /// `message`, or the error itself where it is a text.
    pub message: Option<String>,
    /// `type`.
    pub kind: Option<String>,
    /// `param`: the request field that is to blame.
    pub param: Option<String>,
}

impl ErrorFacts {
    /// Whether a 400 or 404 says that this region lacks the deployment, the operation or the API
    /// version, which another one may have (API fact sheet 4.1, 4.3).
    #[must_use]
    pub fn is_lacking(&self, status: u16) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        match status {
            404 => code == "DeploymentNotFound" || message == "Resource not found",
            400 => code == "OperationNotSupported" || message.starts_with("Model not supported"),
            _ => false,
        }
    }

    /// Whether a 400 says that the input is longer than this deployment takes. A provisioned one may take
    /// less than others of its model (API fact sheet 4.1).
    #[must_use]
    pub fn is_too_long(&self, status: u16) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        status == 400
            && (self.code.as_deref() == Some("context_length_exceeded")
                || message.starts_with("Input tokens exceed the configured limit"))
    }
}

/// Reads an error body by the tolerant rule of API fact sheet 4.1 (and 12 for other servers): an error
/// object, an error text, the bare members, or nothing that can be read, which gives no facts.
#[must_use]
pub fn read_error(body: &[u8]) -> ErrorFacts {
    if body.len() > ERROR_BODY_LIMIT {
        return ErrorFacts::default();
    }
    let Ok(Value::Object(outer)) = serde_json::from_slice(body) else {
        return ErrorFacts::default();
    };
    let (object, message) = match outer.get("error") {
        Some(Value::Object(inner)) => (inner, None),
        Some(Value::String(text)) => (&outer, Some(text.clone())),
        _ => (&outer, None),
    };
    let member = |name| object.get(name).and_then(written);
    ErrorFacts {
        code: member("code").or_else(|| member("statusCode")),
        message: message.or_else(|| member("message")),
        kind: member("type").or_else(|| member("error_type")),
        param: member("param"),
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fields: [&str; 4]) -> ErrorFacts {
        let [code, message, kind, param] =
            fields.map(|field| Some(field.to_owned()).filter(|text| !text.is_empty()));
        ErrorFacts { code, message, kind, param }
    }

    #[test]
    fn our_own_errors_have_the_shape_and_read_back() {
        let body = openai_error("no \"region\"", "server_error", "nearway_no_region", None);
        let expected = r#"{"error":{"message":"no \"region\"","type":"server_error","param":null,"code":"nearway_no_region"}}"#;
        assert_eq!(body, expected);
        let read = facts(["nearway_no_region", "no \"region\"", "server_error", ""]);
        assert_eq!(read_error(&body), read);
    }

    #[test]
    fn every_shape_of_the_fact_sheet_is_read() {
        for (body, code, message, kind, param) in [
            (
                r#"{"error":{"code":"401","message":"Access denied"}}"#,
                "401",
                "Access denied",
                "",
                "",
            ),
            (
                r#"{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"x"}}}"#,
                "content_filter",
                "m",
                "",
                "prompt",
            ),
            (
                r#"{"error":"no such model","error_type":"validation"}"#,
                "",
                "no such model",
                "validation",
                "",
            ),
            (r#"{"statusCode":401,"message":"Unauthorized."}"#, "401", "Unauthorized.", "", ""),
            (r#"{"code":"InternalServerError","message":"m"}"#, "InternalServerError", "m", "", ""),
            (r#"{"object":"error","message":"m","type":"t","code":40001}"#, "40001", "m", "t", ""),
            (r#"{"error":{"code":404,"param":null}}"#, "404", "", "", ""),
            (r#"{"error":null,"message":"m"}"#, "", "m", "", ""),
            (r#"{"error":{"code":["x"],"message":{}}}"#, "", "", "", ""),
            ("<html><body>502</body></html>", "", "", "", ""),
            (r#"["error"]"#, "", "", "", ""),
            (r#"{"error":{"code":"40"#, "", "", "", ""),
            ("", "", "", "", ""),
        ] {
            assert_eq!(read_error(body.as_bytes()), facts([code, message, kind, param]), "{body}");
        }
    }

    #[test]
    fn an_input_that_is_too_long_is_told_by_code_or_text() {
        let by_code = facts(["context_length_exceeded", "", "", ""]);
        let by_text =
            facts(["", "Input tokens exceed the configured limit of 272000 tokens.", "", ""]);
        assert!(by_code.is_too_long(400) && by_text.is_too_long(400));
        assert!(!by_code.is_too_long(404));
        assert!(!facts(["content_filter", "too long", "", ""]).is_too_long(400));
    }

    #[test]
    fn a_body_beyond_the_bound_says_nothing() {
        let long = "x".repeat(ERROR_BODY_LIMIT);
        let body = openai_error(&long, "t", "c", None);
        assert_eq!(read_error(&body), ErrorFacts::default());
    }
}
