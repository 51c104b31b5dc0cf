//! The ids in a region's answer, as it passes.

use std::sync::Arc;

use super::events::Events;
use super::{Fields, Found, Node};
use crate::json::walk::Walk;

/// The search in one answer that is not compressed: nothing is held back, and nothing is allocated but once,
/// when something is found.
///
/// What it finds is known as soon as the string ends, whether or not the answer is whole.
#[derive(Debug)]
pub struct AnswerScan {
    fields: Arc<Fields>,
    document: Document,
    /// Where the answer is a stream.
    events: Option<Events>,
}

impl AnswerScan {
    /// In a body that is one JSON value.
    #[must_use]
    pub fn json(fields: Arc<Fields>) -> Self {
        Self { fields, document: Document::new(), events: None }
    }

    /// In a stream of events (API fact sheet 5), whose data are a JSON value each. Those whose names end in
    /// `.delta` are skipped: they repeat what others have told, and are nearly all there is.
    #[must_use]
    pub fn events(fields: Arc<Fields>) -> Self {
        Self { fields, document: Document::new(), events: Some(Events::new()) }
    }

    /// Looks at the next chunk of the answer.
    pub fn feed(&mut self, chunk: &[u8], found: &mut impl FnMut(Found)) {
        match &mut self.events {
            None => self.document.feed(chunk, &self.fields, found),
            Some(events) => events.feed(chunk, &mut self.document, &self.fields, found),
        }
    }
}

/// One JSON value, with white space around it.
#[derive(Debug)]
pub(super) struct Document {
    stage: Stage,
    walk: Walk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Within,
    /// The value has ended, or holds nothing that is looked for.
    Over,
}

impl Document {
    fn new() -> Self {
        Self { stage: Stage::Before, walk: Walk::new(false) }
    }

    /// The next value begins anew, however the last one ended.
    pub(super) fn begin_anew(&mut self) {
        if self.stage != Stage::Before {
            self.stage = Stage::Before;
            self.walk.mend();
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], fields: &Fields, found: &mut impl FnMut(Found)) {
        let mut rest = bytes;
        if self.stage == Stage::Before {
            let Some((byte, after)) = rest.trim_ascii_start().split_first() else { return };
            rest = after;
            self.stage = match byte {
                b'{' | b'[' | b'"' => {
                    self.walk.begin(*byte, Some((fields, Node::ROOT)));
                    Stage::Within
                }
                _ => Stage::Over,
            };
        }
        if self.stage == Stage::Within {
            let (_, is_over) = self.walk.feed(rest, Some(fields), 0, found);
            if is_over || self.walk.is_broken() {
                self.stage = Stage::Over;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdDigest;

    /// The numbers of the places and the texts of the ids in an answer, which are the same however it
    /// arrives.
    fn found(scan: impl Fn() -> AnswerScan, answer: &str, ids: &[(u16, &str)]) {
        let expected: Vec<_> =
            ids.iter().map(|(place, id)| (*place, IdDigest::of(id.as_bytes()))).collect();
        for size in [1, 2, 3, 7, answer.len().max(1)] {
            let (mut scan, mut found) = (scan(), Vec::new());
            for piece in answer.as_bytes().chunks(size) {
                scan.feed(piece, &mut |id: Found| {
                    assert_eq!(id.text, None);
                    found.push((id.place, id.digest));
                });
            }
            assert_eq!(found, expected, "{answer} in pieces of {size}");
        }
    }

    fn fields() -> Arc<Fields> {
        Arc::new(Fields::new(&[
            "id",
            "data[].id",
            "output[].encrypted_content",
            "response.id",
            "[].id",
        ]))
    }

    #[test]
    fn ids_are_found_where_they_are_looked_for_and_nowhere_else() {
        for (answer, ids) in [
            (r#"{"id":"a"}"#, &[(0, "a")][..]),
            (" {\n\"id\" : \"a\" , \"x\" : 1 }\n", &[(0, "a")]),
            (
                r#"{"object":"list","data":[{"id":"a","x":{"id":"b"}},{"x":["id"],"id":"c"}]}"#,
                &[(1, "a"), (1, "c")],
            ),
            (r#"{"data":{"id":"a"},"id":"b"}"#, &[(0, "b")]),
            (r#"{"data":[[{"id":"a"}],"id",{"id":["b"]},{"id":{"id":"c"}}]}"#, &[]),
            (r#"{"metadata":{"id":"a"},"Id":"b","id ":"c","i":"d","output":[{"id":"e"}]}"#, &[]),
            (r#"{"id":null,"data":[{"id":7},{"id":true}],"response":{"id":""}}"#, &[]),
            (r#"{"id":"a","id":"b"}"#, &[(0, "a"), (0, "b")]),
            (r#"{"\u0069d":"\u0061\"\ud83d\ude00\n"}"#, &[(0, "a\"😀\n")]),
            (r#"{"x":"\\","y":"\"","z":[1,-2.5e3,true,null,{}],"w":{},"id":"a"}"#, &[(0, "a")]),
            (r#"{"metadata":{"a":"} \"id\":\"b\"","c":["]","{"]},"id":"a"}"#, &[(0, "a")]),
            (r#"[{"id":"a"},{"id":"b"}]"#, &[(4, "a"), (4, "b")]),
            (r#"{"id":"a""#, &[(0, "a")]),
            (r#"{"id":"a"#, &[]),
            (r#"{"id":"a"}{"id":"b"}"#, &[(0, "a")]),
            (r#""id""#, &[]),
            ("7", &[]),
            ("", &[]),
            ("<html>{\"id\":\"a\"}", &[]),
        ] {
            found(|| AnswerScan::json(fields()), answer, ids);
        }
    }

    #[test]
    fn what_is_broken_ends_the_search() {
        for broken in [
            r#"{"id" "x","id":"b"}"#,
            r#"{"data":[}],"id":"b"}"#,
            r#"{"data":[{"id":"\x"}],"id":"b"}"#,
            r#"{"id":"\ud800","id":"b"}"#,
            r#"{"id":"\u12","id":"b"}"#,
            "{\"id\":\"x\ny\",\"id\":\"b\"}",
            r#"{"i\d":"x","id":"b"}"#,
            r#"{"a":"x" "id":"b"}"#,
            r#"{"id",:"b"}"#,
            r#"{{"id":"b"}}"#,
            r#"{:"id":"b"}"#,
            r#"{"a":],"id":"b"}"#,
        ] {
            found(|| AnswerScan::json(fields()), broken, &[]);
            let stream = format!("data: {broken}\n\ndata: {{\"id\":\"a\"}}\n\n");
            if !broken.contains('\n') {
                found(|| AnswerScan::events(fields()), &stream, &[(0, "a")]);
            }
        }
    }

    #[test]
    fn a_long_id_is_found_whole_and_what_lies_too_deep_is_not() {
        let long = "gAAA+/".repeat(20_000);
        let answer = format!(r#"{{"output":[{{"encrypted_content":"{long}"}}]}}"#);
        found(|| AnswerScan::json(fields()), &answer, &[(2, &long)]);

        let nested = |levels: usize| {
            let place = format!("{}.id", vec!["a"; levels - 1].join("."));
            let answer = format!(
                "{}{{\"id\":\"x\"}}{}",
                "{\"a\":".repeat(levels - 1),
                "}".repeat(levels - 1)
            );
            (Arc::new(Fields::new(&[&place])), answer)
        };
        let (fields, answer) = nested(16);
        found(|| AnswerScan::json(Arc::clone(&fields)), &answer, &[(0, "x")]);
        let (fields, answer) = nested(17);
        found(|| AnswerScan::json(Arc::clone(&fields)), &answer, &[]);
    }

    #[test]
    fn each_event_is_a_value_of_its_own() {
        for (stream, ids) in [
            (
                "data: {\"id\":\"a\"}\n\ndata: {\"id\":\"b\"}\n\ndata: [DONE]\n\n",
                &[(0, "a"), (0, "b")][..],
            ),
            (
                "data:{\"id\":\"a\"}\r\n\r\ndata: {\"id\":\"b\"}\r\rdata:\t{\"id\":\"c\"}\r\n\n",
                &[(0, "a"), (0, "b"), (0, "c")],
            ),
            ("event: response.created\ndata: {\"response\":{\"id\":\"a\"}}\n\n", &[(3, "a")]),
            ("event: x.delta\ndata: {\"id\":\"a\"}\n\ndata: {\"id\":\"b\"}\n\n", &[(0, "b")]),
            ("event: x.delta\nevent: .deltas\nevent: delta\ndata: {\"id\":\"a\"}\n\n", &[(0, "a")]),
            (
                "event: .delta\r\ndata: {\"id\":\r\ndata: \"a\"}\r\n\r\nevent:delta\ndata:{\"id\":\"b\"}",
                &[(0, "b")],
            ),
            (
                "data: {\"id\"\ndata: :\n: comment {\ndata: \"a\",\nid: 7\ndata\ndata: \"x\":1}\n\n",
                &[(0, "a")],
            ),
            ("data: {\"id\":\"a\ndata: \"}\n\ndata: {\"id\":\"b\"}\n\n", &[(0, "b")]),
            ("data: {\"data\":[{\"id\":\"a\"\n\ndata: {\"id\":\"b\"}\n\n", &[(1, "a"), (0, "b")]),
            ("data: {\"id\":\"a\"}\ndata: {\"id\":\"b\"}\n\n", &[(0, "a")]),
            (
                "retry: {\"id\":\"a\"}\nx{\"id\":\"a\"}\n{\"id\":\"a\"}\ndatas: {\"id\":\"a\"}\n data: {\"id\":\"a\"}\n\n",
                &[],
            ),
            ("\n\n\r\r\n\ndata: {\"id\":\"a\"}", &[(0, "a")]),
        ] {
            found(|| AnswerScan::events(fields()), stream, ids);
        }
    }
}
