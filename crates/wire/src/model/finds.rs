//! What was found of the fields that are looked for beside a model.

use std::sync::Arc;

use super::FOUND_MOST;
use crate::fields::{Fields, Found, Node, TEXT_BYTES, text};
use crate::id::IdDigest;
use crate::json::key::Key;
use crate::json::walk::Walk;

/// The fields, and those strings of one body that stand there.
#[derive(Debug)]
pub(super) struct Finds {
    fields: Arc<Fields>,
    found: Vec<Found>,
    /// More was found than is kept.
    is_full: bool,
}

impl Finds {
    pub(super) const fn new(fields: Arc<Fields>) -> Self {
        Self { fields, found: Vec::new(), is_full: false }
    }

    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// What is looked for in the value of this member of the outermost object.
    pub(super) fn member(&self, key: &Key) -> Option<(&Fields, Node)> {
        let node = self.fields.member(Node::ROOT, key.whole()?)?;
        Some((&self.fields, node))
    }

    /// The number of the place that is this field of a form, or this member of the outermost object.
    pub(super) fn place(&self, name: &[u8]) -> Option<u16> {
        self.fields.named(name)
    }

    /// Walks on through a value in which something is looked for.
    pub(super) fn walk(&mut self, walk: &mut Walk, bytes: &[u8]) -> (usize, bool) {
        let Self { fields, found, is_full } = self;
        walk.feed(bytes, Some(fields), 1, &mut |id| keep(found, is_full, id))
    }

    /// The model, which is read apart, in case that it is looked for here as well.
    pub(super) fn keep_model(&mut self, name: &str) {
        if let Some(place) = self.place(b"model") {
            self.keep(place, name.as_bytes());
        }
    }

    /// A string at a place, read as a whole.
    pub(super) fn keep(&mut self, place: u16, string: &[u8]) {
        if string.is_empty() {
            return;
        }
        let begin = string.get(..TEXT_BYTES).unwrap_or(string);
        let id = Found { place, digest: IdDigest::of(string), text: text(begin) };
        keep(&mut self.found, &mut self.is_full, id);
    }
}

fn keep(found: &mut Vec<Found>, is_full: &mut bool, id: Found) {
    if found.len() < FOUND_MOST {
        found.push(id);
    } else {
        *is_full = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BodyKind, MODEL_NAME_LIMIT, ModelScan, Scan};

    fn fields() -> Arc<Fields> {
        let places =
            ["previous_response_id", "input[].id", "input[].file_ids[]", "file_id", "model"];
        Arc::new(Fields::new(&places))
    }

    /// What is found in a body, however it is cut and whoever asks, as places and texts.
    fn found(kind: &BodyKind, body: &str) -> Vec<(u16, String)> {
        let read = |scan: ModelScan, size: usize| {
            let mut scan = scan.seeking_fields(fields());
            body.as_bytes().chunks(size).for_each(|chunk| {
                scan.feed(chunk);
            });
            assert!(scan.found_all());
            let found = scan.found().iter().map(|id| {
                let text = id.text.as_deref().unwrap();
                assert!(id.digest == IdDigest::of(text.as_bytes()), "{body}");
                (id.place, text.to_owned())
            });
            found.collect::<Vec<_>>()
        };
        let whole = read(ModelScan::new(kind.clone()), body.len());
        for size in [1, 2, 5, body.len()] {
            for scan in [
                ModelScan::new(kind.clone()),
                ModelScan::without_model(kind),
                ModelScan::of_the_only(kind.clone()),
            ] {
                assert_eq!(read(scan, size), whole, "{body}");
            }
        }
        whole
    }

    #[test]
    fn ids_are_found_beside_the_model_and_behind_it() {
        for (body, expected) in [
            (
                r#"{"previous_response_id":"resp_1","model":"m","input":[{"id":"rs_1"},{"file_ids":["a","b"]}],"stream":true}"#,
                &[(0, "resp_1"), (4, "m"), (1, "rs_1"), (2, "a"), (2, "b")][..],
            ),
            (r#"{"input":"id","metadata":{"file_id":"x"},"file_id" : "f"}"#, &[(3, "f")]),
            (
                r#"{"tools":[{"parameters":{"input":[{"id":"x"}]}}],"previous_response_id":null}"#,
                &[],
            ),
            (r#"{"file_id":"","input":[{"id":7},{"id":{"id":"x"}},[{"id":"x"}]]}"#, &[]),
            (r#"{"input":[{"content":"{\"id\":\"x\"}","id":"a"}]}"#, &[(1, "a")]),
            (r#"{"input":[{"id":"a" "id":"b"}],"file_id":"c"}"#, &[(1, "a")]),
            (r#"{"file_id":"a","x":],"previous_response_id":"b"}"#, &[(3, "a")]),
            ("[]", &[]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(place, text)| (*place, (*text).to_owned())).collect();
            assert_eq!(found(&BodyKind::Json, body), expected, "{body}");
        }
    }

    #[test]
    fn the_fields_of_a_form_are_found_and_its_files_are_not() {
        let kind = BodyKind::Multipart((*b"B").into());
        let part = |disposition: &str, value: &str| {
            format!("--B\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
        };
        let body = [
            part("name=\"file\"; filename=\"a\"", "--B\r\r\n"),
            part("name=file_id; filename=\"b\"", "x"),
            part("name=file_id; filename*=utf-8''b", "x"),
            part("name=\"file_id\"", ""),
            part("name=\"file_id\"", &"x".repeat(MODEL_NAME_LIMIT + 1)),
            part("name=\"file_id\"", "file-1"),
            part("name=model", "m"),
            part("name=\"input[].id\"", "x"),
            part("name=previous_response_id", "resp_1\r\n--"),
            "--B--\r\n".to_owned(),
            part("name=file_id", "x"),
        ];
        let expected = [(3, "file-1"), (4, "m"), (0, "resp_1\r\n--")];
        assert_eq!(
            found(&kind, &body.concat()),
            expected.map(|(place, text)| (place, text.to_owned()))
        );
    }

    #[test]
    fn who_may_find_more_says_so_and_the_answer_stays_the_same() {
        let body = br#"{"model":"m","input":[{"id":"a"},"#;
        let mut scan = ModelScan::new(BodyKind::Json).seeking_fields(fields());
        let Scan::Found(field) = scan.feed(body) else { panic!("there is a model") };
        assert_eq!(ModelScan::new(BodyKind::Json).feed(body), Scan::Found(field));
        assert!(scan.seeks_fields() && scan.found().len() == 2);
        assert_eq!(scan.feed(br#"{"id":"b"}],"store":fals"#), Scan::Absent);
        assert_eq!((scan.found().len(), scan.asked().stores), (3, Some(false)));
        assert_eq!(scan.feed(b"e}"), Scan::Absent);
        assert!(!scan.seeks_fields(), "the object has ended");

        assert!(!ModelScan::new(BodyKind::Json).seeks_fields(), "nobody has asked");
        assert!(!ModelScan::new(BodyKind::Opaque).seeking_fields(fields()).seeks_fields());
        let mut scan = ModelScan::new(BodyKind::Json).seeking_fields(fields());
        scan.feed(b"\0");
        assert!(!scan.seeks_fields(), "it is no JSON");
        let mut scan = ModelScan::new(BodyKind::Json).seeking_fields(fields());
        scan.feed(br#"{"input":["a" "b"],"#);
        assert!(!scan.seeks_fields(), "what was walked is no JSON");
    }

    #[test]
    fn a_body_with_more_ids_than_are_kept_says_so() {
        let ids = |count: usize| vec![r#"{"id":"a"}"#; count].join(",");
        for (count, all) in [(FOUND_MOST, true), (FOUND_MOST + 1, false)] {
            let body = format!(r#"{{"input":[{}],"store":true}}"#, ids(count));
            let mut scan = ModelScan::new(BodyKind::Json).seeking_fields(fields());
            assert!(scan.found_all());
            let (begin, end) = body.as_bytes().split_at(body.len() - 15);
            scan.feed(begin);
            assert_eq!((scan.found().len(), scan.found_all()), (FOUND_MOST, all));
            assert_eq!(scan.seeks_fields(), all);
            scan.feed(end);
            assert_eq!(scan.asked().stores, Some(true));
        }
    }

    #[test]
    fn the_text_of_a_long_id_is_its_beginning() {
        let long = "gAAA\u{e4}".repeat(1_000);
        let body = format!(r#"{{"input":[{{"id":"{long}"}}]}}"#);
        let mut scan = ModelScan::new(BodyKind::Json).seeking_fields(fields());
        scan.feed(body.as_bytes());
        let [id] = scan.found() else { panic!("it is one") };
        assert_eq!(id.digest, IdDigest::of(long.as_bytes()));
        let begin: String = long.chars().take(crate::fields::TEXT_LIMIT).collect();
        assert_eq!(id.text.as_deref(), Some(&*begin));
    }
}
