//! Reads the answer to a probe, with the clocks of DESIGN "Clocks" kept apart.
//!
//! `attempt.rs` hands over a response whose status is a success. The body is read to its end, so
//! that its connection stays warm for the next probe, and never beyond a bound.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Body;
use nearway_route::Outcome;
use nearway_upstream::{Clock, Fault, FaultKind, Returned, Sent};
use nearway_wire::endpoint::Operation;
use nearway_wire::error_body::read_error;
use nearway_wire::first_token::{FirstToken, Progress};
use nearway_wire::headers::is_event_stream;
use nearway_wire::sse::EventSplitter;
use nearway_wire::usage::{Usage, usage_in};

/// A measured answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Option<Usage>,
}

/// Measures a completion whose head just came, `head` after its request was written.
///
/// Times count from the request, connecting left out. A stream that ends in order without any
/// content is a reasoning model that spent its tokens on thinking: alive, and the end counts as its
/// first token (API fact sheet 5.3, 8.1), as it does where a server ignores `stream`.
pub(crate) async fn measure<B>(
    headers: &HeaderMap,
    body: B,
    operation: Operation,
    head: Duration,
    clock: Clock,
) -> Result<Answered, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let began = clock.now().saturating_sub(head);
    let since = || clock.now().saturating_sub(began);
    let answer = if is_event_stream(headers) {
        read_stream(body, operation, since).await?
    } else {
        read_completion(body).await?
    };
    let total = since();
    let first_token = Some(answer.first_token.unwrap_or(total));
    let tokens = answer.usage.map_or(0, |usage| usage.completion);
    Ok(Answered { outcome: Outcome::Answer { first_token, total, tokens }, usage: answer.usage })
}

/// The whole of a small body; what is beyond `limit` is not read, which closes the connection.
pub(crate) async fn read_whole<B>(mut body: B, limit: usize) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(fault(FaultKind::Truncated, "the body broke off"));
        };
        let Some(data) = frame.data_ref() else { continue };
        if whole.len() + data.len() > limit {
            break;
        }
        whole.extend_from_slice(data);
    }
    Ok(whole.freeze())
}

#[derive(Default)]
struct Read {
    first_token: Option<Duration>,
    usage: Option<Usage>,
    /// An event had a choice in it, with content or without.
    answered: bool,
    ended: bool,
}

async fn read_stream<B>(
    mut body: B,
    operation: Operation,
    since: impl Fn() -> Duration,
) -> Result<Read, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first_token = FirstToken::new(operation);
    let mut events = EventSplitter::new();
    let mut read = Read::default();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(fault(FaultKind::Truncated, "the stream broke off"));
        };
        let Some(data) = frame.data_ref() else { continue };
        length = length.saturating_add(data.len());
        if length > ANSWER_LIMIT {
            return Err(fault(FaultKind::Malformed, "the stream has no end"));
        }
        if first_token.feed(data) == Progress::First {
            read.first_token = Some(since());
        }
        for event in events.feed(data) {
            read.event(&event)?;
        }
    }
    // an end alone is the fastest answer there is, and none
    let is_spent = read.answered && read.ended;
    if read.first_token.is_none() && !is_spent && read.usage.is_none() {
        return Err(fault(FaultKind::Malformed, "the stream holds no completion"));
    }
    Ok(read)
}

impl Read {
    fn event(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.ended |= data == DONE;
        self.answered |= holds(data, DELTA);
        self.usage = usage_in(data).or(self.usage);
        let error = read_error(data);
        let failed = error.kind.as_deref() == Some(FAILED);
        if failed || error.message.is_some() || error.code.is_some() {
            return Err(fault(FaultKind::ServerError, "an error came in the stream"));
        }
        Ok(())
    }
}

/// A completion that is not a stream; anything else that answers 200 (a login page, say) is none.
async fn read_completion<B>(body: B) -> Result<Read, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = read_whole(body, ANSWER_LIMIT).await?;
    let usage = usage_in(&body);
    // not every server counts tokens
    if usage.is_none() && !holds(&body, CHOICES) {
        return Err(fault(FaultKind::Malformed, "the answer is no completion"));
    }
    Ok(Read { usage, ..Read::default() })
}

fn holds(data: &[u8], name: &[u8]) -> bool {
    data.windows(name.len()).any(|part| part == name)
}

/// A fault of an answer that had begun.
fn fault(kind: FaultKind, detail: &str) -> Fault {
    Fault { sent: Sent::All, returned: Returned::Body, ..Fault::unsent(kind, detail) }
}

/// Far more than a tiny completion needs.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// The end of a chat stream (API fact sheet 5.1). A Responses stream ends with its usage (5.2).
const DONE: &[u8] = b"[DONE]";

/// What every choice of a chat stream holds, the last one too (API fact sheet 5.1).
const DELTA: &[u8] = b"\"delta\"";

/// What every whole chat completion holds, and no page and no error.
const CHOICES: &[u8] = b"\"choices\"";

/// The event in which a response fails half-way; chat and others send an error (5.4).
const FAILED: &str = "response.failed";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::fakes::Slowly;

    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    const FILTER: &str = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const USAGE: &str =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\n";
    const END: &str = "data: [DONE]\n\n";
    const OUTPUT: &str = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    const SPENT: &str = concat!(
        "data: {\"type\":\"response.incomplete\",\"response\":",
        "{\"usage\":{\"input_tokens\":8,\"output_tokens\":16}}}\n\n"
    );
    const STREAM: &str = "text/event-stream; charset=utf-8";

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    async fn measured(
        content_type: &'static str,
        chunks: &[(u64, &str)],
    ) -> Result<Answered, Fault> {
        let clock = Clock::start();
        tokio::time::advance(ms(70)).await;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let responses = chunks.iter().any(|(_, chunk)| chunk.contains("response."));
        let operation = if responses { Operation::Responses } else { Operation::ChatCompletions };
        measure(&headers, Slowly::new(chunks), operation, ms(50), clock).await
    }

    fn answer(first_token: u64, total: u64, tokens: u32) -> Outcome {
        Outcome::Answer { first_token: Some(ms(first_token)), total: ms(total), tokens }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_content_and_the_end_have_clocks_of_their_own() {
        let chunks = [(10, ROLE), (20, TOKEN), (30, TOKEN), (40, USAGE), (0, END)];
        let answered = measured(STREAM, &chunks).await.unwrap();
        // the 20 ms before the request was written are not the region's
        assert_eq!(answered.outcome, answer(80, 150, 2));
        assert_eq!(answered.usage, Some(Usage { prompt: 8, completion: 2 }));
    }

    #[tokio::test(start_paused = true)]
    async fn thinking_until_the_limit_is_alive() {
        let answered = measured(STREAM, &[(10, ROLE), (90, USAGE), (0, END)]).await.unwrap();
        assert_eq!(answered.outcome, answer(150, 150, 2));
        let answered = measured(STREAM, &[(100, ROLE), (0, END)]).await.unwrap();
        assert_eq!(answered.outcome, answer(150, 150, 0), "not every server tells the usage");
        let answered = measured(STREAM, &[(100, SPENT)]).await.unwrap();
        assert_eq!(answered.outcome, answer(150, 150, 16));
        let answered = measured(STREAM, &[(10, OUTPUT), (90, SPENT)]).await.unwrap();
        assert_eq!(answered.outcome, answer(60, 150, 16));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_one_piece_is_measured_at_its_end() {
        let whole = r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2}}"#;
        let answered = measured("application/json", &[(100, whole)]).await.unwrap();
        assert_eq!(answered.outcome, answer(150, 150, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_counts_no_tokens_is_alive() {
        let whole = r#"{"choices":[{"message":{"role":"assistant","content":"Hi"}}]}"#;
        let answered = measured("application/json", &[(100, whole)]).await.unwrap();
        assert_eq!(answered.outcome, answer(150, 150, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_media_type_is_read_in_any_case() {
        let chunks = [(10, ROLE), (20, TOKEN), (30, END)];
        let answered = measured("Text/Event-Stream", &chunks).await.unwrap();
        assert_eq!(answered.outcome, answer(80, 110, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_completion_is_a_fault() {
        let failed = "data: {\"type\":\"response.failed\",\"response\":{\"usage\":null}}\n\n";
        let error = "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n";
        for (content_type, chunks, kind) in [
            (STREAM, &[(0, ROLE)][..], FaultKind::Malformed),
            (STREAM, &[], FaultKind::Malformed),
            (STREAM, &[(0, END)], FaultKind::Malformed),
            (STREAM, &[(0, FILTER), (0, END)], FaultKind::Malformed),
            (STREAM, &[(0, TOKEN), (0, error)], FaultKind::ServerError),
            (STREAM, &[(0, OUTPUT), (0, failed)], FaultKind::ServerError),
            (STREAM, &[(0, TOKEN), (0, Slowly::BREAK)], FaultKind::Truncated),
            ("text/html", &[(0, "<html>sign in</html>")], FaultKind::Malformed),
            ("application/json", &[(0, "{"), (0, Slowly::BREAK)], FaultKind::Truncated),
            ("application/json", &[(0, "{\"error\":{\"message\":\"m\"}}")], FaultKind::Malformed),
        ] {
            let fault = measured(content_type, chunks).await.unwrap_err();
            assert_eq!(fault.kind, kind, "{chunks:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_answer_is_cut_off() {
        let long = ": ".repeat(ANSWER_LIMIT / 4);
        let chunks = [(0, TOKEN), (0, &*long), (0, &*long), (0, &*long)];
        assert_eq!(measured(STREAM, &chunks).await.unwrap_err().kind, FaultKind::Malformed);
    }
}
