//! Event streams: what is found, and after which byte, does not depend on how they arrive.

use nearway_wire::endpoint::Operation;
use nearway_wire::first_token::{FirstToken, Progress};
use nearway_wire::sse::EventSplitter;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pieces::{cuts, pieces};

/// Streams of lines that matter, with every kind of line end, or of anything.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(r#"data: {"choices":[],"prompt_filter_results":[]}"#),
        Just(r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#),
        Just(r#"data: {"choices":[{"delta":{"content":"a"}}]}"#),
        Just(r#"data:{"choices":[{"text":"a"}]}"#),
        Just(r#"data: {"type":"response.output_text.delta"}"#),
        Just(r#"data: {"error":{"message":"m"}}"#),
        Just("event: response.created"),
        Just("event: response.output_text.delta"),
        Just("event: response.completed"),
        Just("data: [DONE]"),
        Just(": ping"),
        Just("data"),
        Just(""),
        Just(""),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let lines = vec((line, end), 0..12).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end]).collect::<String>().into_bytes()
    });
    let like = "(data|event|:| |\r|\n|a|\\{|\"){0,40}".prop_map(String::into_bytes);
    prop_oneof![4 => lines, 1 => like, 1 => vec(any::<u8>(), 0..120)]
}

/// The first answer other than waiting, and how many bytes had been fed before its piece.
fn answer(operation: Operation, stream: &[u8], cuts: &[usize]) -> Option<(Progress, usize, usize)> {
    let mut first = FirstToken::new(operation);
    let mut start = 0;
    for piece in pieces(stream, cuts) {
        let progress = first.feed(piece);
        if progress != Progress::Waiting {
            assert_eq!(first.feed(stream), Progress::Done);
            return Some((progress, start, start + piece.len()));
        }
        start += piece.len();
    }
    None
}

fn events(stream: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut splitter = EventSplitter::new();
    let pieces = pieces(stream, cuts).into_iter();
    pieces.flat_map(|piece| splitter.feed(piece)).map(|data| data.to_vec()).collect()
}

proptest! {
    #[test]
    fn the_first_token_is_in_the_piece_that_ends_its_line(stream in streams(), cuts in cuts()) {
        let bytewise: Vec<usize> = (1..stream.len()).collect();
        for operation in [Operation::ChatCompletions, Operation::Completions, Operation::Responses] {
            let exact = answer(operation, &stream, &bytewise);
            let cut = answer(operation, &stream, &cuts);
            prop_assert_eq!(exact.map(|(progress, ..)| progress), cut.map(|(progress, ..)| progress));
            if let (Some((_, at, _)), Some((_, start, end))) = (exact, cut) {
                prop_assert!((start..end).contains(&at), "byte {at} is not in {start}..{end}");
            }
        }
    }

    #[test]
    fn events_do_not_depend_on_the_pieces(stream in streams(), cuts in cuts()) {
        let bytewise: Vec<usize> = (1..stream.len()).collect();
        let whole = events(&stream, &[]);
        prop_assert_eq!(&events(&stream, &cuts), &whole);
        prop_assert_eq!(&events(&stream, &bytewise), &whole);
    }

    #[test]
    fn events_come_out_as_they_were_sent(
        sent in vec("[^\r\n]{0,20}(\n[^\r\n]{0,20}){0,2}", 0..6),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cuts in cuts(),
    ) {
        let event = |data: &String| {
            let lines = data.split('\n').map(|line| format!("data: {line}{end}"));
            format!("{}{end}", lines.collect::<String>())
        };
        let stream: String = sent.iter().map(event).collect();
        let expected: Vec<Vec<u8>> = sent.iter().map(|data| data.clone().into_bytes()).collect();
        prop_assert_eq!(events(stream.as_bytes(), &cuts), expected);
    }
}
