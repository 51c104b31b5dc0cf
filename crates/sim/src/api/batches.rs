//! Batches: a file of requests in, a file of answers out.
//!
//! Called by `api.rs` (API fact sheet section 6). A batch is done when somebody looks at it. The
//! file that it reads must be here, and the one that it writes is.

use std::fmt::Write as _;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::files;
use super::objects::{Collection, all_here, given, required, text, with};
use super::references::Places;
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/batches` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let batches = Collection::of(Kind::Batch);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => create(exchange, &posted(head, body)?)?,
        (&Method::GET, []) => batches.list(exchange)?,
        (&Method::GET, [id]) => batches.look(exchange, id)?,
        (&Method::POST, [id, "cancel"]) => batches.cancel(exchange, id, "cancelled")?,
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

fn create(exchange: &mut Exchange, request: &Value) -> Result<Value, ApiError> {
    let input = required(request, "input_file_id")?;
    let endpoint = required(request, "endpoint")?;
    required(request, "completion_window")?;
    all_here(exchange, request, INPUT)?;
    let lines = requests(&Collection::of(Kind::File).content(exchange, input)?)?;
    let output = answers(exchange, endpoint, &lines);
    let output = files::make(exchange, "output.jsonl", "batch_output", output.into());
    let now = exchange.created();
    let counts = |done| json!({"total": lines.len(), "completed": done, "failed": 0});
    let members = json!({
        "endpoint": endpoint, "input_file_id": input, "status": "validating", "metadata": {},
        "errors": null, "output_file_id": null, "error_file_id": null, "expires_at": now + DAY,
        "in_progress_at": null, "completed_at": null, "request_counts": counts(0),
    });
    let done = json!({
        "status": "completed", "output_file_id": text(&output, "id"), "in_progress_at": now,
        "finalizing_at": now, "completed_at": now, "request_counts": counts(lines.len()),
    });
    let members = with(members, given(request, &["completion_window", "metadata"]));
    Ok(Collection::of(Kind::Batch).begin(exchange, members, done))
}

/// The lines of the input that say something.
fn requests(input: &[u8]) -> Result<Vec<Value>, ApiError> {
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut requests = Vec::new();
    for line in lines {
        if requests.len() == LINES_MOST {
            let expected = "a file of at most 50,000 lines";
            return Err(ApiError::Invalid { param: "input_file_id", expected });
        }
        requests.push(serde_json::from_slice(line).unwrap_or(Value::Null));
    }
    Ok(requests)
}

/// One line for each request, with its `custom_id`.
fn answers(exchange: &mut Exchange, endpoint: &str, requests: &[Value]) -> String {
    let mut output = String::new();
    let said = format!("Hello from {}.", exchange.world.display());
    for request in requests {
        let body = match endpoint.ends_with("/responses") {
            true => json!({
                "id": exchange.id("resp_"), "object": "response", "status": "completed",
                "output": [{
                    "type": "message", "role": "assistant", "id": exchange.id("msg_"),
                    "content": [{"type": "output_text", "text": said, "annotations": []}],
                }],
            }),
            false => json!({
                "id": exchange.id("chatcmpl-"), "object": "chat.completion",
                "choices": [{
                    "index": 0, "finish_reason": "stop",
                    "message": {"role": "assistant", "content": said},
                }],
            }),
        };
        let line = json!({
            "id": exchange.id("batch_req_"), "custom_id": request.get("custom_id"),
            "response": {"status_code": 200, "request_id": exchange.id("req_"), "body": body},
            "error": null,
        });
        // writing to a string cannot fail
        let _ = writeln!(output, "{line}");
    }
    output
}

const INPUT: Places = &[("input_file_id", Kind::File)];
const LINES_MOST: usize = 50_000;
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_that_says_something_is_a_request() {
        let lines =
            requests(b"{\"custom_id\": \"a\"}\r\n\n  \nno json\n{\"custom_id\": \"b\"}").unwrap();
        assert_eq!(lines, [json!({"custom_id": "a"}), Value::Null, json!({"custom_id": "b"})]);
        assert!(requests(&b"1\n".repeat(LINES_MOST)).is_ok());
        assert!(requests(&b"1\n".repeat(LINES_MOST + 1)).is_err());
    }
}
