//! Who belongs together, read from bodies: keys before prompts, beginnings rather than whole prompts, and
//! one answer however a body arrives.

use std::hash::RandomState;

use nearway_wire::model::{BodyKind, ModelScan, PROMPT_BEGINS, Scan};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::pieces::{cuts, pieces};

/// What is found in a body, asked as for a name in it or for one in the path; the answer is the same.
fn kin(seed: &RandomState, of_prompt: bool, body: &str, cuts: &[usize]) -> Option<u64> {
    let found = |mut scan: ModelScan| {
        for piece in pieces(body.as_bytes(), cuts) {
            scan.feed(piece);
        }
        scan.kin()
    };
    let [one, other, only] = [
        ModelScan::new(BodyKind::Json),
        ModelScan::without_model(&BodyKind::Json),
        ModelScan::of_the_only(BodyKind::Json),
    ]
    .map(|scan| found(scan.seeking_kin(seed, of_prompt)));
    assert_eq!((one, only), (other, other), "{body}");
    one
}

/// A prompt of so many bytes that is no other's.
fn prompt(number: usize, bytes: usize) -> String {
    format!("{number} says ").repeat(bytes).chars().take(bytes).collect()
}

fn chat(first: &str, rest: &str) -> String {
    let messages = json!([{"role": "system", "content": first}, {"role": "user", "content": rest}]);
    format!(r#"{{"messages":{messages},"model":"m","stream":true}}"#)
}

#[test]
fn those_that_begin_alike_are_kin_and_no_others() {
    let seed = RandomState::new();
    let of = |body: &str| kin(&seed, true, body, &[]);
    let (long, other) = (prompt(1, 2 * PROMPT_BEGINS), prompt(2, 2 * PROMPT_BEGINS));
    let one = of(&chat(&long, "a"));
    assert!(one.is_some());
    assert_eq!(of(&chat(&long, "quite another question")), one);
    assert_ne!(of(&chat(&other, "a")), one);
    assert_ne!(kin(&RandomState::new(), true, &chat(&long, "a"), &[]), one, "another process");
    assert_eq!(kin(&seed, false, &chat(&long, "a"), &[]), None, "prompts are not wanted");
    assert_eq!(of(&chat("short", "a")), None);
    let two = prompt(1, PROMPT_BEGINS) + &other;
    assert_eq!(of(&chat(&two, "a")), one, "only the beginning tells");
}

#[test]
fn the_prompt_is_whatever_stands_first_of_it() {
    let seed = RandomState::new();
    let text = prompt(1, 2 * PROMPT_BEGINS);
    let all = ["messages", "input", "prompt", "instructions", "tools"].map(|name| {
        let [behind, before] = [
            format!(r#"{{"model":"m","{name}":"{text}"}}"#),
            format!(r#"{{"temperature": 1, "{name}" : "{text}","x":[1]}}"#),
        ];
        let found = kin(&seed, true, &behind, &[]);
        assert!(found.is_some() && kin(&seed, true, &before, &[]) == found, "{name}");
        found
    });
    assert!(all.iter().all(|found| *found == all[0]), "it is the text that tells");
    for nowhere in [
        format!(r#"{{"model":"m","metadata":{{"messages":"{text}"}}}}"#),
        format!(r#"{{"instructions":null,"model":"{text}"}}"#),
        format!(r#"{{"model":"m","Input":"{text}"}}"#),
        format!(r#"["input","{text}"]"#),
    ] {
        assert_eq!(kin(&seed, true, &nowhere, &[]), None, "{nowhere}");
    }
}

#[test]
fn a_key_says_more_than_the_prompt_and_its_own_one_more_than_a_person() {
    let seed = RandomState::new();
    let text = prompt(1, 2 * PROMPT_BEGINS);
    let of = |members: &str| {
        let body = format!(r#"{{"messages":["{text}"],"model":"m",{members}}}"#);
        let found = kin(&seed, true, &body, &[]);
        assert!(found.is_some(), "{body}");
        found
    };
    let of_prompt = of(r#""x":1"#);
    let (key, user) = (of(r#""prompt_cache_key":"a""#), of(r#""user":"a""#));
    assert!(key != user && key != of_prompt && user != of_prompt);
    assert_eq!(of(r#""user":"b","prompt_cache_key":"a""#), key);
    assert_eq!(of(r#""prompt_cache_key":"a","user":"b""#), key);
    assert_eq!(of(r#""prompt\u005fcache_key" : "a","stream":true"#), key);
    assert_ne!(of(r#""prompt_cache_key":"b""#), key);
    assert_eq!(of(r#""user":"a","user":"b""#), user, "the first counts");
    for none in [r#""user":"""#, r#""user":null"#, r#""user":["a"]"#, r#""x":{"user":"a"}"#] {
        assert_eq!(of(none), of_prompt, "{none}");
    }
    let bare = r#"{"user":"a"}"#;
    assert_eq!(kin(&seed, false, bare, &[]), user, "whatever the size");
}

#[test]
fn who_has_seen_too_little_says_so() {
    let seed = RandomState::new();
    let body = chat(&prompt(1, 4 * PROMPT_BEGINS), "a");
    let mut scan = ModelScan::without_model(&BodyKind::Json).seeking_kin(&seed, true);
    assert!(scan.lacks_kin());
    assert_eq!(scan.feed(&body.as_bytes()[..PROMPT_BEGINS]), Scan::Searching);
    assert!(scan.lacks_kin() && scan.kin().is_none());
    scan.feed(&body.as_bytes()[PROMPT_BEGINS..2 * PROMPT_BEGINS]);
    assert!(!scan.lacks_kin());
    assert_eq!(scan.kin(), kin(&seed, true, &body, &[]));

    let mut scan = ModelScan::new(BodyKind::Json).seeking_kin(&seed, true);
    assert!(matches!(scan.feed(br#"{"model":"m","#), Scan::Found(_)));
    assert!(scan.lacks_kin(), "the name is known, and the search goes on");
    assert_eq!(scan.feed(br#""user":"a","#), Scan::Absent, "there is one answer");
    assert_eq!(scan.kin(), kin(&seed, false, r#"{"user":"a"}"#, &[]));

    let mut scan = ModelScan::new(BodyKind::Json).seeking_kin(&seed, true);
    scan.feed(b"{}");
    assert!(!scan.lacks_kin(), "there is no more");
    assert!(!ModelScan::new(BodyKind::Json).lacks_kin(), "nobody has asked");
    assert!(!ModelScan::new(BodyKind::Opaque).seeking_kin(&seed, true).lacks_kin());
}

const NAMES: [&str; 7] = ["model", "stream", "user", "prompt_cache_key", "messages", "tools", "x"];

/// Bodies of which the names, the keys and the prompts are in any order.
fn bodies() -> impl Strategy<Value = Map<String, Value>> {
    let text = prop_oneof![".{0,9}", "[a-c\\\\\"]{0,9}", Just(prompt(3, PROMPT_BEGINS))];
    let value = prop_oneof![
        text.prop_map(Value::from),
        Just(Value::Null),
        Just(json!([{"user": "x"}, "a"])),
        Just(json!(true)),
    ];
    let members = proptest::collection::vec((select(&NAMES[..]), value), 0..7);
    members.prop_map(|members| {
        let named = |(name, value)| match name {
            "model" => (name.to_owned(), json!("m")),
            _ => (name.to_owned(), value),
        };
        members.into_iter().map(named).collect()
    })
}

proptest! {
    #[test]
    fn cuts_do_not_matter(body in bodies(), cuts in cuts(), more in 0..2_000_usize, of_prompt: bool) {
        let seed = RandomState::new();
        let body = Value::Object(body).to_string();
        // cuts lie near the beginning, and one anywhere
        let cuts: Vec<_> = cuts.into_iter().chain([more]).collect();
        let whole = kin(&seed, of_prompt, &body, &[]);
        prop_assert_eq!(kin(&seed, of_prompt, &body, &cuts), whole, "{}", body);
    }

    #[test]
    fn no_bytes_panic(body in "[{}\\[\\]\",:\\\\ usermodlptac_ky0-9]{0,60}", cuts in cuts()) {
        let seed = RandomState::new();
        let mut scan = ModelScan::new(BodyKind::Json).seeking_kin(&seed, true);
        for piece in pieces(body.as_bytes(), &cuts) {
            scan.feed(piece);
        }
    }
}
