//! The ids in bodies: those that a JSON parser sees at the same places, however a body is spelled and cut.

use std::sync::Arc;

use nearway_wire::fields::{AnswerScan, Fields, Found};
use nearway_wire::id::IdDigest;
use nearway_wire::model::{BodyKind, ModelScan, Scan};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use crate::model::spelled;
use crate::pieces::{cuts, pieces};

const KEYS: [&str; 6] = ["id", "data", "response", "content", "i", "data[]"];
const PLACES: [&str; 8] = [
    "id",
    "data[].id",
    "response.id",
    "data[].content[].id",
    "response.data[].content",
    "content",
    "data[][]",
    "response.response.response.data[].id",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"{}\\[\\],:a\n]{0,12}", "id|data|resp_[0-9]{1,4}"]
}

/// Documents of which many have something at the places.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, |inner| {
        let key = prop_oneof![4 => select(&KEYS[..]).prop_map(str::to_owned), 1 => texts()];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..5).prop_map(object).prop_map(Value::Object),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(select(&KEYS[..]).prop_map(str::to_owned), values(), 0..6).prop_map(object)
}

fn object(members: std::collections::BTreeMap<String, Value>) -> Map<String, Value> {
    members.into_iter().collect()
}

/// An id as it is found.
type Seen = (u16, IdDigest);

/// What stands at the places of a document, in its order. A path names a member with a point before it.
fn expected(value: &Value, path: &str, seen: &mut Vec<(u16, String)>) {
    match value {
        Value::String(text) => {
            let is_it = |place: &&str| format!(".{place}").replace(".[]", "[]") == path;
            if let Some(place) = PLACES.iter().position(is_it)
                && !text.is_empty()
            {
                seen.push((u16::try_from(place).unwrap(), text.clone()));
            }
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            items.iter().for_each(|item| expected(item, &path, seen));
        }
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            // such a key can't be written in a place, and is no step of one
            let key = if key.contains(['.', '[']) { "?" } else { key };
            expected(member, &format!("{path}.{key}"), seen);
        }),
        _ => {}
    }
}

fn ids(value: &Value) -> Vec<(u16, String)> {
    let mut seen = Vec::new();
    expected(value, "", &mut seen);
    seen
}

fn digests(ids: &[(u16, String)]) -> Vec<Seen> {
    ids.iter().map(|(place, text)| (*place, IdDigest::of(text.as_bytes()))).collect()
}

fn fields() -> Arc<Fields> {
    Arc::new(Fields::new(&PLACES))
}

fn answered(mut scan: AnswerScan, answer: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for piece in pieces(answer, cuts) {
        scan.feed(piece, &mut |found: Found| seen.push((found.place, found.digest)));
    }
    seen
}

fn scanned(scan: ModelScan, body: &[u8], cuts: &[usize]) -> (Vec<Found>, Option<Scan>) {
    let mut scan = scan.seeking_fields(fields());
    let answers: Vec<_> = pieces(body, cuts).into_iter().map(|piece| scan.feed(piece)).collect();
    let answer = answers.into_iter().find(|answer| *answer != Scan::Searching);
    (scan.found().to_vec(), answer)
}

/// Lines of an event stream, some of which hold ids.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("data: {\"id\":\"a\"}"),
        Just("data:{\"data\":[{\"id\":"),
        Just("data: \"b\"}]}"),
        Just("data: {\"id\":\"c"),
        Just("event: response.created"),
        Just("event: response.output_text.delta"),
        Just("data: [DONE]"),
        Just(": {\"id\":\"x\"}"),
        Just("data"),
        Just(""),
        Just(""),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let lines = vec((line, end), 0..12).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end]).collect::<String>().into_bytes()
    });
    let like =
        "(data:|event:|.delta| |\r|\n|\\{\"id\":|\"a\"|\\}){0,40}".prop_map(String::into_bytes);
    prop_oneof![4 => lines, 2 => like, 1 => vec(any::<u8>(), 0..120)]
}

/// Bytes that are like JSON with something at the places.
fn like_json() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..80),
        "(\\{|\\}|\\[|\\]|\"|\"id\"|:|,|\"data\"|\"model\"|\"m\"|\\\\|u00|6|1| |\\{\"id\":\"a\"){0,40}"
            .prop_map(String::into_bytes),
        "\\{\"(id|model|data)\":[\\[{]{0,2}\"[a\\\\\"ud8-9]{0,20}\"[\\]}]{0,2},\"id\":\"a\"\\}"
            .prop_map(String::into_bytes),
    ]
}

fn like_forms() -> impl Strategy<Value = Vec<u8>> {
    let like = "(--b|\r\n--b\r\ncontent-disposition:form-data;|name=model|name=id|\r\n\r\n|\r\n|-|x){0,24}";
    like.prop_map(String::into_bytes)
}

proptest! {
    #[test]
    fn an_answer_has_the_ids_that_a_parser_sees(
        object in objects(), spelling in 0..3_u8, cuts in cuts(),
    ) {
        let answer = spelled(&object, spelling);
        let expected = digests(&ids(&Value::Object(object)));
        let found = answered(AnswerScan::json(fields()), answer.as_bytes(), &cuts);
        prop_assert_eq!(found, expected, "{}", answer);
    }

    #[test]
    fn a_request_has_the_ids_that_a_parser_sees(
        object in objects(), spelling in 0..3_u8, cuts in cuts(),
    ) {
        let body = spelled(&object, spelling);
        let expected: Vec<_> = ids(&Value::Object(object)).into_iter().map(|(place, text)| Found {
            place,
            digest: IdDigest::of(text.as_bytes()),
            text: Some(text.chars().take(128).collect::<String>().into()),
        }).collect();
        for scan in [
            ModelScan::new(BodyKind::Json),
            ModelScan::without_model(&BodyKind::Json),
            ModelScan::of_the_only(BodyKind::Json),
        ] {
            let (found, _) = scanned(scan, body.as_bytes(), &cuts);
            prop_assert_eq!(&found, &expected, "{}", body);
            prop_assert!(found.iter().zip(&expected).all(|(one, other)| one.text == other.text));
        }
    }

    #[test]
    fn a_stream_has_the_ids_of_all_its_events_but_deltas(
        events in vec((objects(), 0..2_u8, select(&["", "event: x\n", "event: a.delta\n"][..])), 0..4),
        end in select(&["\n", "\r\n", "\r"][..]),
        cuts in cuts(),
    ) {
        let mut stream = String::new();
        let mut expected = Vec::new();
        for (object, spelling, name) in events {
            // an indented document takes several lines
            let lines = spelled(&object, spelling).replace('\n', "\ndata: ");
            stream += &format!("{name}data: {lines}\n\n").replace('\n', end);
            if !name.contains("delta") {
                expected.extend(digests(&ids(&Value::Object(object))));
            }
        }
        let found = answered(AnswerScan::events(fields()), stream.as_bytes(), &cuts);
        prop_assert_eq!(found, expected, "{}", stream);
    }

    #[test]
    fn no_bytes_panic_and_cuts_do_not_matter(
        answer in like_json(), stream in streams(), cuts in cuts(),
    ) {
        for scan in [AnswerScan::json, AnswerScan::events] {
            for bytes in [&answer, &stream] {
                let whole = answered(scan(fields()), bytes, &[]);
                prop_assert_eq!(answered(scan(fields()), bytes, &cuts), whole);
            }
        }
    }

    #[test]
    fn what_is_sought_beside_it_does_not_change_the_model(
        body in prop_oneof![like_json(), like_forms()], cuts in cuts(),
    ) {
        for kind in [BodyKind::Json, BodyKind::Multipart(b"b".as_slice().into())] {
            for scan in [|kind| ModelScan::new(kind), |kind| ModelScan::of_the_only(kind)] {
                let mut alone = scan(kind.clone());
                let answer = pieces(&body, &cuts).into_iter().map(|piece| alone.feed(piece))
                    .find(|answer| *answer != Scan::Searching);
                let (found, beside) = scanned(scan(kind.clone()), &body, &cuts);
                prop_assert_eq!(beside, answer);
                prop_assert_eq!(scanned(scan(kind.clone()), &body, &[]).0, found);
            }
        }
    }
}
