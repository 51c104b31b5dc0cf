//! The model scan: one answer however a body arrives, and the one that a JSON parser gives.

use nearway_wire::model::{BodyKind, MODEL_NAME_LIMIT, ModelField, ModelScan, Scan, renamed};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::pieces::{cuts, pieces};

/// Any JSON value, with strings that look like structure.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(keys(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"{}\\[\\],:a\n]{0,12}", "gpt-[0-9a-z.-]{1,8}"]
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![Just("model".to_owned()), "mode?l?s?", texts()]
}

/// An object whose top level names a model, of whatever type, two times out of three.
fn objects() -> impl Strategy<Value = Map<String, Value>> {
    let model = prop_oneof![texts().prop_map(Value::from), texts().prop_map(Value::from), values()];
    let members = vec((keys(), values()), 0..6);
    (members, model, any::<proptest::sample::Index>(), 0..3).prop_map(
        |(mut members, model, at, chance)| {
            if chance > 0 {
                members.retain(|(key, _)| key != "model");
                members.insert(at.index(members.len() + 1), ("model".to_owned(), model));
            }
            members.into_iter().collect()
        },
    )
}

/// Three spellings of the same JSON text: short, indented, and with every character escaped.
pub(crate) fn spelled(object: &Map<String, Value>, spelling: u8) -> String {
    match spelling {
        0 => serde_json::to_string(object).unwrap(),
        1 => serde_json::to_string_pretty(object).unwrap(),
        _ => escaped(&Value::Object(object.clone())),
    }
}

fn escaped(value: &Value) -> String {
    let quoted = |text: &str| -> String {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(" , "))
        }
        Value::Object(members) => {
            let members =
                members.iter().map(|(key, value)| format!("{}:{}", quoted(key), escaped(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn fed(kind: &BodyKind, body: &[u8], cuts: &[usize]) -> Scan {
    let mut scan = ModelScan::new(kind.clone());
    let answers = pieces(body, cuts).into_iter().map(|piece| scan.feed(piece));
    answers.into_iter().find(|answer| *answer != Scan::Searching).unwrap_or(Scan::Searching)
}

fn spliced(body: &[u8], field: &ModelField, to: &str) -> Vec<u8> {
    let (start, end) = (usize::try_from(field.start).unwrap(), usize::try_from(field.end).unwrap());
    [&body[..start], &renamed(field, to), &body[end..]].concat()
}

proptest! {
    #[test]
    fn the_scan_agrees_with_a_parser_however_a_body_is_cut(
        object in objects(), spelling in 0_u8..3, cuts in cuts()
    ) {
        let body = spelled(&object, spelling);
        let expected = object.get("model").and_then(Value::as_str).filter(|name| name.len() <= MODEL_NAME_LIMIT);
        match fed(&BodyKind::Json, body.as_bytes(), &cuts) {
            Scan::Found(field) => prop_assert_eq!(Some(field.name.as_str()), expected),
            Scan::Absent => prop_assert_eq!(None, expected),
            Scan::Searching => prop_assert!(false, "a whole object leaves nothing to search: {body}"),
        }
        prop_assert_eq!(fed(&BodyKind::Json, body.as_bytes(), &cuts), fed(&BodyKind::Json, body.as_bytes(), &[]));
    }

    #[test]
    fn renaming_changes_the_model_and_nothing_else(object in objects(), spelling in 0_u8..3, to in any::<String>()) {
        let body = spelled(&object, spelling);
        let Scan::Found(field) = fed(&BodyKind::Json, body.as_bytes(), &[]) else { return Ok(()) };
        let renamed: Value = serde_json::from_slice(&spliced(body.as_bytes(), &field, &to)).unwrap();
        let mut expected: Map<String, Value> = serde_json::from_str(&body).unwrap();
        expected.insert("model".to_owned(), to.into());
        prop_assert_eq!(renamed, Value::Object(expected));
    }

    #[test]
    fn no_bytes_panic_and_cuts_do_not_matter(
        body in prop_oneof![
            vec(any::<u8>(), 0..80),
            "[{}\\[\\]\",:\\\\ umodel0-9a]{0,60}".prop_map(String::into_bytes),
            "\\{\"model\":\"[a\\\\\"ud8-9]{0,20}\"\\}".prop_map(String::into_bytes),
            "(--b|\r|\n|\r\n|-|b|content-disposition:form-data;|name=model|\r\n\r\n|x){0,24}".prop_map(String::into_bytes),
        ],
        cuts in cuts(),
    ) {
        for kind in [BodyKind::Json, BodyKind::Multipart(b"b".as_slice().into()), BodyKind::Opaque] {
            let whole = fed(&kind, &body, &[]);
            prop_assert_eq!(&fed(&kind, &body, &cuts), &whole);
            if let Scan::Found(field) = whole {
                let end = u64::try_from(body.len()).unwrap();
                prop_assert!(field.start <= field.end && field.end <= end);
                prop_assert_eq!(fed(&kind, &spliced(&body, &field, "x"), &cuts),
                    Scan::Found(ModelField { name: "x".to_owned(), end: field.start + 1, ..field }));
            }
        }
    }

    #[test]
    fn a_multipart_field_is_found_behind_any_file(
        file in prop_oneof![vec(any::<u8>(), 0..200), "(\r|\n|-|\r\n--b|\r\n--){0,40}".prop_map(String::into_bytes)],
        name in "[a-z0-9.-]{0,20}",
        first in any::<bool>(),
        cuts in cuts(),
    ) {
        let boundary = b"bcdefghijklmnop";
        let part = |disposition: &str, content: &[u8]| {
            let head = format!("Content-Disposition: form-data; {disposition}\r\n\r\n");
            [b"--", &boundary[..], b"\r\n", head.as_bytes(), content, b"\r\n"].concat()
        };
        let mut parts = [part("name=\"file\"; filename=\"a\"", &file), part("name=\"model\"", name.as_bytes())];
        if first {
            parts.reverse();
        }
        let body = [&parts.concat()[..], b"--", boundary, b"--\r\n"].concat();
        let kind = BodyKind::Multipart(boundary.as_slice().into());
        let Scan::Found(field) = fed(&kind, &body, &cuts) else { panic!("not found") };
        prop_assert_eq!(&field.name, &name);
        prop_assert_eq!(spliced(&body, &field, &name), body);
    }
}

proptest! {
    #[test]
    fn a_stream_is_asked_for_as_a_json_parser_reads_it(
        members in vec((prop_oneof![Just("stream".to_owned()), keys()], values()), 0..6), spelling in 0..3_u8,
        cuts in cuts(),
    ) {
        let object: Map<_, _> = members.into_iter().collect();
        let body = spelled(&object, spelling);
        let mut scan = ModelScan::without_model(&BodyKind::Json);
        for piece in pieces(body.as_bytes(), &cuts) {
            scan.feed(piece);
        }
        let streams = object.get("stream").map(|value| value == &Value::Bool(true));
        prop_assert_eq!(scan.asked().streams, Some(streams.unwrap_or(false)), "{}", body);
    }
}
