//! When the first content token of a stream has come.
//!
//! The proxy's relay and the prober feed a copy of the stream here, chunk by chunk, until the answer is
//! known; the ranking uses that moment, not the first byte, which on Azure is the report of the content
//! filter (API fact sheet 5.1, 5.3). Reads plain text only: a compressed stream never has a first token.

mod chunk;

use crate::endpoint::Operation;
use crate::sse::Lines;
use chunk::Content;

/// How much of one line is looked at. A longer one counts as no token; deltas are far shorter.
pub const LINE_LIMIT: usize = 64 * 1024;

/// What the data of a Responses event is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// The server has named no event yet: its type.
    Unknown,
    /// Nothing: the name has told.
    Told,
    /// Whether it begins to reason.
    NewItem,
}

/// What a chunk told about the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet: feed the next chunk.
    Waiting,
    /// It is in this chunk.
    First,
    /// It came before, or it cannot come any more: the stream has failed or ended, or has none.
    Done,
}

/// Looks for the first content token of one response.
#[derive(Debug)]
pub struct FirstToken {
    search: Search,
    thinks: bool,
}

#[derive(Debug)]
enum Search {
    /// Chat and legacy completions: the data tells.
    Choices(Lines),
    /// Responses: the event's name tells; the data is asked where a server sends no names.
    Events {
        lines: Lines,
        name: Name,
    },
    Over,
}

impl FirstToken {
    /// A search at the beginning of a response to `operation`; over at once where
    /// [`Operation::streams_tokens`] says so.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        let lines = Lines::new(LINE_LIMIT);
        let search = match operation {
            Operation::ChatCompletions | Operation::Completions => Search::Choices(lines),
            Operation::Responses => Search::Events { lines, name: Name::Unknown },
            _ => Search::Over,
        };
        Self { search, thinks: false }
    }

    /// Whether the model thinks before its first content: the silence until then is not its region's.
    /// Known of Responses only, which announce it.
    #[must_use]
    pub const fn thinks(&self) -> bool {
        self.thinks
    }

    /// Looks at the next chunk of the body. Free once the answer is known.
    pub fn feed(&mut self, chunk: &[u8]) -> Progress {
        let progress = match &mut self.search {
            Search::Choices(lines) => in_choices(lines, chunk),
            Search::Events { lines, name } => in_events(lines, name, &mut self.thinks, chunk),
            Search::Over => Progress::Done,
        };
        if progress != Progress::Waiting {
            self.search = Search::Over;
        }
        progress
    }
}

fn in_choices(lines: &mut Lines, mut rest: &[u8]) -> Progress {
    while let Some(line) = lines.next(&mut rest) {
        let content = line.field(b"data").map_or(Content::Nothing, chunk::content);
        if let Some(progress) = told(content) {
            return progress;
        }
    }
    Progress::Waiting
}

fn in_events(lines: &mut Lines, name: &mut Name, thinks: &mut bool, mut rest: &[u8]) -> Progress {
    while let Some(line) = lines.next(&mut rest) {
        let content = if let Some(event) = line.field(b"event") {
            *name = if event == NEW_ITEM { Name::NewItem } else { Name::Told };
            chunk::event(event)
        } else if let Some(data) = line.field(b"data") {
            *thinks |= *name != Name::Told && chunk::reasons(data);
            if *name == Name::Unknown { chunk::typed(data) } else { Content::Nothing }
        } else {
            // the name holds for its own event only
            if line.text.is_empty() {
                *name = Name::Unknown;
            }
            Content::Nothing
        };
        if let Some(progress) = told(content) {
            return progress;
        }
    }
    Progress::Waiting
}

/// The event that announces what comes next; its data tells what that is.
const NEW_ITEM: &[u8] = b"response.output_item.added";

fn told(content: Content) -> Option<Progress> {
    match content {
        Content::Nothing => None,
        Content::Token => Some(Progress::First),
        Content::End => Some(Progress::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::Progress::{Done, First, Waiting};
    use super::*;

    const FILTER: &str = concat!(
        r#"data: {"id":"","model":"","prompt_filter_results":[{"prompt_index":0,"#,
        r#""content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}],"choices":[]}"#,
        "\n\n"
    );
    const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";

    fn fed(operation: Operation, chunks: &[&str]) -> Vec<Progress> {
        let mut first = FirstToken::new(operation);
        chunks.iter().map(|chunk| first.feed(chunk.as_bytes())).collect()
    }

    #[test]
    fn chat_waits_past_the_filter_and_the_role() {
        let chat = Operation::ChatCompletions;
        assert_eq!(fed(chat, &[FILTER, ROLE, TOKEN, TOKEN]), [Waiting, Waiting, First, Done]);
        let together = [FILTER, ROLE, TOKEN].concat();
        assert_eq!(fed(chat, &[&together]), [First]);
        let (start, end) = TOKEN.split_at(30);
        assert_eq!(fed(chat, &[ROLE, start, end]), [Waiting, Waiting, First]);
        assert_eq!(fed(chat, &[ROLE, "data: [DONE]\n\n", TOKEN]), [Waiting, Done, Done]);
        let error = "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n";
        assert_eq!(fed(chat, &[ROLE, error, TOKEN]), [Waiting, Done, Done]);
        assert_eq!(
            fed(chat, &[": ping\n\n", "\n", "data\n\n", TOKEN]),
            [Waiting, Waiting, Waiting, First]
        );
    }

    #[test]
    fn legacy_completions_have_text() {
        let stream = [
            "data: {\"choices\":[{\"text\":\"\"}]}\n\n",
            "data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
        ];
        assert_eq!(fed(Operation::Completions, &stream), [Waiting, First]);
    }

    #[test]
    fn responses_go_by_the_name_of_the_event() {
        let responses = Operation::Responses;
        let created =
            "event: response.created\ndata: {\"type\":\"response.output_text.delta\"}\n\n";
        let delta = "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n";
        assert_eq!(fed(responses, &[created, delta, delta]), [Waiting, First, Done]);
        let failed = "event: response.failed\ndata: {}\n\n";
        assert_eq!(fed(responses, &[created, failed, delta]), [Waiting, Done, Done]);
        assert_eq!(fed(responses, &["event: error\n", delta]), [Done, Done]);
        let unnamed = "data: {\"type\":\"response.refusal.delta\",\"delta\":\"a\"}\n\n";
        assert_eq!(
            fed(responses, &["data: {\"type\":\"response.created\"}\n\n", unnamed]),
            [Waiting, First]
        );
        assert_eq!(fed(responses, &[created, unnamed]), [Waiting, First]);
    }

    #[test]
    fn a_model_that_thinks_before_its_first_content_is_known() {
        let item = |kind: &str| {
            format!(
                "event: response.output_item.added\ndata: {{\"type\":\"response.output_item.added\",\"item\":{{\"type\":\"{kind}\"}}}}\n\n"
            )
        };
        let unnamed = item("reasoning").replace("event: response.output_item.added\n", "");
        let other = "event: response.created\ndata: {\"item\":{\"type\":\"reasoning\"}}\n\n";
        for (event, thinks) in [
            (item("reasoning"), true),
            (item("message"), false),
            (unnamed, true),
            (other.into(), false),
        ] {
            let mut first = FirstToken::new(Operation::Responses);
            assert_eq!(first.feed(event.as_bytes()), Waiting);
            assert_eq!(first.thinks(), thinks, "{event}");
        }
    }

    #[test]
    fn other_operations_have_no_first_token() {
        for operation in [Operation::Embeddings, Operation::Realtime, Operation::Other] {
            assert_eq!(fed(operation, &[TOKEN]), [Done]);
        }
    }

    #[test]
    fn a_line_beyond_the_bound_is_no_token_and_ends_no_search() {
        let long =
            format!("data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n\n", "x".repeat(LINE_LIMIT));
        assert_eq!(fed(Operation::Completions, &[&long]), [Waiting]);
        let (start, end) = long.split_at(9);
        let token = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
        assert_eq!(fed(Operation::Completions, &[start, end, token]), [Waiting, Waiting, First]);
    }
}
