//! Errors in a stream that has begun with 200 (API fact sheet 5.4): told apart, and written.
//!
//! The proxy looks at the first event before it passes a stream on, at the last ones when it has ended,
//! and writes an event of its own where a region's stream breaks off.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::endpoint::Operation;
use crate::error_body::{ErrorFacts, openai_error, read_error};
use crate::first_token::LINE_LIMIT;
use crate::sse::Lines;

/// What a stream's first event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Not all of it is here: feed the next chunk.
    Waiting,
    /// The stream has begun, be it with an error that the client earned.
    Begun,
    /// It is an error of the region's, or the end.
    Failed,
}

/// Looks for the first event of a stream.
#[derive(Debug)]
pub struct FirstEvent {
    lines: Lines,
    says: Says,
}

impl FirstEvent {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Lines::new(LINE_LIMIT), says: Says::default() }
    }

    /// Looks at the next chunk, until the answer is not [`Opening::Waiting`].
    pub fn feed(&mut self, chunk: &[u8]) -> Opening {
        let mut rest = chunk;
        while let Some(line) = self.lines.next(&mut rest) {
            if let Some(data) = line.field(b"data") {
                let failed = data == DONE || self.says.failure(data);
                return if failed { Opening::Failed } else { Opening::Begun };
            }
            self.says.name(line.field(b"event"), line.text);
        }
        Opening::Waiting
    }
}

impl Default for FirstEvent {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a stream that ended with these chunks failed in the region, though its status was 200.
#[must_use]
pub fn ends_in_failure(chunks: &[Bytes]) -> bool {
    let mut lines = Lines::new(LINE_LIMIT);
    let mut says = Says::default();
    chunks.iter().any(|chunk| {
        let mut rest = chunk.as_ref();
        while let Some(line) = lines.next(&mut rest) {
            if line.field(b"data").is_some_and(|data| says.failure(data)) {
                return true;
            }
            says.name(line.field(b"event"), line.text);
        }
        false
    })
}

/// An event that tells a client that its stream has failed, in the form of the API.
#[must_use]
pub fn error_event(operation: Operation, message: &str, code: &str) -> Bytes {
    let error = openai_error(message, "server_error", code, None);
    let error = String::from_utf8_lossy(&error);
    match operation {
        Operation::ChatCompletions | Operation::Completions => format!("data: {error}\n\n"),
        Operation::Responses => {
            let members = ResponsesError { kind: "error", code, message, param: None };
            let data = serde_json::to_string(&members).unwrap_or_default();
            format!("event: error\ndata: {data}\n\n")
        }
        _ => format!("event: error\ndata: {error}\n\n"),
    }
    .into()
}

#[derive(serde::Serialize)]
struct ResponsesError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

/// Where a stream stands between two events, so that another may follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boundary {
    last: [u8; 4],
    begun: bool,
}

impl Boundary {
    /// These bytes have passed.
    pub fn passed(&mut self, chunk: &[u8]) {
        self.begun |= !chunk.is_empty();
        if let Some(last) = chunk.last_chunk() {
            self.last = *last;
        } else {
            for byte in chunk {
                self.last.rotate_left(1);
                let [.., last] = &mut self.last;
                *last = *byte;
            }
        }
    }

    /// Whether the last event is complete.
    #[must_use]
    pub fn is_between(&self) -> bool {
        let ends = |end: &[u8]| self.last.ends_with(end);
        !self.begun || ends(b"\n\n") || ends(b"\r\n\r\n") || ends(b"\r\r")
    }
}

/// The name of the event under way, as far as it tells of a failure.
#[derive(Debug, Default)]
struct Says {
    error: bool,
}

impl Says {
    fn name(&mut self, name: Option<&[u8]>, line: &[u8]) {
        match name {
            Some(name) => self.error = FAILURES.contains(&name),
            // the name holds for its own event only
            None if line.is_empty() => self.error = false,
            None => {}
        }
    }

    /// Whether this is the data of a failure that the client did not earn.
    fn failure(&self, data: &[u8]) -> bool {
        let said: Said<'_> = serde_json::from_slice(data).unwrap_or_default();
        let typed = said.kind.is_some_and(|kind| FAILURES.contains(&kind.as_bytes()));
        if !(self.error || typed || said.error.is_some()) {
            return false;
        }
        let facts = match said.response.and_then(|response| response.error) {
            Some(ResponseError { code: Some(code) }) => {
                ErrorFacts { code: Some(code.into_owned()), ..ErrorFacts::default() }
            }
            _ => read_error(data),
        };
        !is_the_clients(&facts)
    }
}

/// What another region would say too.
fn is_the_clients(facts: &ErrorFacts) -> bool {
    let kind = facts.kind.as_deref();
    let code = facts.code.as_deref().unwrap_or_default();
    kind == Some("invalid_request_error")
        || code.starts_with("invalid_")
        || matches!(code, "content_filter" | "context_length_exceeded" | "content_policy_violation")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    error: Option<IgnoredAny>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    error: Option<ResponseError<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseError<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
}

/// Names and types of the events that end a stream in an error (API fact sheet 5.2, 5.4).
const FAILURES: [&[u8]; 2] = [b"error", b"response.failed"];
/// The end of a chat stream (API fact sheet 5.1).
const DONE: &[u8] = b"[DONE]";

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT_ERROR: &str = "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n";
    const FILTERED: &str = "data: {\"error\":{\"message\":\"x\",\"code\":\"content_filter\"}}\n\n";
    const RESPONSE_FAILED: &str = "event: response.failed\ndata: {\"type\":\"response.failed\",\
         \"response\":{\"id\":\"r\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n";
    const BAD_PROMPT: &str = "data: {\"type\":\"response.failed\",\
         \"response\":{\"error\":{\"code\":\"invalid_prompt\",\"message\":\"x\"}}}\n\n";
    const CHUNK: &str = "data: {\"choices\":[],\"error\":null}\n\n";
    const CREATED: &str = "event: response.created\n\
         data: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n";

    #[test]
    fn the_first_event_tells_however_it_is_cut() {
        use Opening::{Begun, Failed, Waiting};
        for (text, expected) in [
            (CHUNK, Begun),
            (CREATED, Begun),
            (FILTERED, Begun),
            (BAD_PROMPT, Begun),
            ("data: text\n\n", Begun),
            ("data: [1]\n\n", Begun),
            (CHAT_ERROR, Failed),
            (RESPONSE_FAILED, Failed),
            ("event: error\ndata: whatever\n\n", Failed),
            ("data: {\"type\":\"error\",\"code\":\"x\"}\n\n", Failed),
            ("data: [DONE]\n\n", Failed),
            (": wait\n\n", Waiting),
            ("event: error\n\ndata: x\n", Begun),
        ] {
            for size in [1, 7, text.len()] {
                let mut first = FirstEvent::new();
                let mut chunks = text.as_bytes().chunks(size).map(|chunk| first.feed(chunk));
                let found = chunks.find(|opening| *opening != Waiting).unwrap_or(Waiting);
                assert_eq!(found, expected, "{text:?} {size}");
            }
        }
    }

    #[test]
    fn a_failure_among_the_last_chunks_is_found() {
        let ends = |chunks: &[&str]| {
            let chunks: Vec<_> = chunks.iter().map(|text| Bytes::from(text.to_string())).collect();
            ends_in_failure(&chunks)
        };
        assert!(ends(&[CHUNK, CHAT_ERROR]) && ends(&["x}\n\n", RESPONSE_FAILED]));
        assert!(
            ends(&[CHAT_ERROR, "data: [DONE]\n\n"]) && ends(&["event: error\n", "data: x\n\n"])
        );
        assert!(!ends(&[CHUNK, "data: [DONE]\n\n"]) && !ends(&[FILTERED]) && !ends(&[]));
        assert!(!ends(&["data: {\"choices\":[{\"delta\":{\"content\":\"error\"}}]}\n\n"]));
    }

    #[test]
    fn what_is_written_is_read_as_a_failure() {
        for operation in [Operation::ChatCompletions, Operation::Responses, Operation::Other] {
            let event = error_event(operation, "it \"broke\"\nhere", "nearway_stream_broken");
            assert!(ends_in_failure(std::slice::from_ref(&event)), "{event:?}");
            assert!(
                event.ends_with(b"\n\n") && event.windows(2).filter(|w| w == b"\n\n").count() == 1
            );
        }
    }

    #[test]
    fn an_event_can_follow_only_a_complete_one() {
        for (chunks, expected) in [
            (&[][..], true),
            (&["data: x\n\n"], true),
            (&["data: x\r\n\r\n"], true),
            (&["data: x\n", "\n"], true),
            (&["data: x\r\n\r", "\n"], true),
            (&["data: x\n"], false),
            (&["data: x\n\n", "d"], false),
            (&["data: x\r\n"], false),
        ] {
            let mut boundary = Boundary::default();
            chunks.iter().for_each(|chunk| boundary.passed(chunk.as_bytes()));
            assert_eq!(boundary.is_between(), expected, "{chunks:?}");
        }
    }
}
