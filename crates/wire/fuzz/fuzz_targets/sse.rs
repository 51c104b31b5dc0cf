//! Any stream gives the same events, the same first token and the same ids, whole or byte by byte.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nearway_wire::endpoint::Operation;
use nearway_wire::fields::{AnswerScan, Fields};
use nearway_wire::first_token::{FirstToken, Progress};
use nearway_wire::sse::EventSplitter;
use nearway_wire::usage::usage_in;

fuzz_target!(|stream: &[u8]| {
    let whole: Vec<_> = EventSplitter::new().feed(stream).collect();
    let mut splitter = EventSplitter::new();
    let cut: Vec<_> = stream.chunks(1).flat_map(|byte| splitter.feed(byte)).collect();
    assert_eq!(cut, whole);
    for data in whole {
        let _ = usage_in(&data);
    }
    for operation in [Operation::ChatCompletions, Operation::Completions, Operation::Responses] {
        let whole = FirstToken::new(operation).feed(stream);
        let mut bytewise = FirstToken::new(operation);
        let mut answers = stream.chunks(1).map(|byte| bytewise.feed(byte));
        let cut = answers.find(|progress| *progress != Progress::Waiting);
        assert_eq!(cut.unwrap_or(Progress::Waiting), whole);
    }
    let fields = Arc::new(Fields::new(&["id", "data[].id", "response.id"]));
    let found = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut scan, mut found) = (AnswerScan::events(Arc::clone(&fields)), Vec::new());
        pieces.for_each(|piece| scan.feed(piece, &mut |id| found.push(id)));
        found
    };
    assert_eq!(found(&mut stream.chunks(1)), found(&mut std::iter::once(stream)));
});
