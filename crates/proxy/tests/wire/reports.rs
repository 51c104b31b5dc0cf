//! What the ranking is told of clients' requests, and what clients are told of it.

use nearway_route::{Asked, Outcome, Shape};

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

fn post(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n{head}content-length: {length}\r\n\r\n{body}"
    )
}

/// What is told of a request with this body, and of this answer.
fn told(body: &str, head: &'static str, answer: &str) -> (Asked, Outcome) {
    let answer = answer.to_owned();
    let region_here = RawRegion::start(move |_, connection| {
        let length = answer.len();
        connection
            .send(format!("HTTP/1.1 200 OK\r\n{head}content-length: {length}\r\n\r\n{answer}"));
    });
    let proxy = Proxy::adaptive(&[region("here", &region_here.url())], |_| {});
    assert_eq!(proxy.ask(&post("", body)).status(), 200);
    let sample = proxy.report().sample;
    (sample.asked, sample.outcome)
}

const EVENTS: &str = "content-type: text/event-stream\r\n";
const JSON: &str = "content-type: application/json\r\n";

/// A stream of one token, with this at its end.
fn stream(end: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {{\"choices\":[],{end}}}\n\ndata: [DONE]\n\n"
    )
}

#[test]
fn a_request_is_told_by_its_size_and_kind_and_an_answer_by_its_tokens() {
    // 4,040 bytes of text, a hundred of which are the frame
    let prompt = "word ".repeat(808);
    let body =
        |stream: bool| format!(r#"{{"messages":[{{"content":"{prompt}"}}],"stream":{stream}}}"#);
    let usage = r#""usage":{"prompt_tokens":900,"completion_tokens":17}"#;

    let (asked, outcome) = told(&body(true), EVENTS, &stream(usage));
    assert_eq!(asked, Asked { shape: Shape { prompt: 995, streams: true }, in_flight: 0 });
    assert!(
        matches!(outcome, Outcome::Answer { first_token: Some(_), tokens: 17, .. }),
        "{outcome:?}"
    );

    let (asked, outcome) = told(&body(false), JSON, &format!("{{{usage}}}"));
    assert_eq!(asked.shape, Shape { prompt: 996, streams: false });
    assert!(
        matches!(outcome, Outcome::Answer { first_token: None, tokens: 17, .. }),
        "{outcome:?}"
    );
}

#[test]
fn an_answer_of_another_kind_than_was_asked_for_counts_as_what_it_is() {
    let (asked, outcome) = told(r#"{"stream":true}"#, JSON, "{}");
    assert!(!asked.shape.streams && matches!(outcome, Outcome::Answer { first_token: None, .. }));
    let (asked, outcome) = told("{}", EVENTS, &stream(r#""x":0"#));
    assert!(asked.shape.streams && matches!(outcome, Outcome::Answer { first_token: Some(_), .. }));
}

#[test]
fn times_that_say_nothing_of_the_next_one_are_not_told() {
    const SPILLED: &str =
        "content-type: text/event-stream\r\nx-ms-spillover-from-deployment: gpt-4o-ptu\r\n";
    for (head, end) in [
        (SPILLED, r#""x":0"#),
        (EVENTS, r#""service_tier":"priority""#),
        (EVENTS, r#""usage":{"prompt_tokens":1500,"cached_tokens":1408}"#),
        (EVENTS, r#""usage":{"completion_tokens":99,"reasoning_tokens":64}"#),
    ] {
        let (_, outcome) = told(r#"{"stream":true}"#, head, &stream(end));
        assert!(matches!(outcome, Outcome::Reachable { .. }), "{end}: {outcome:?}");
    }
}

#[test]
fn a_deployment_that_thinks_is_ranked_by_its_probes_alone() {
    let here = RawRegion::start(|request, connection| {
        let thinks = request.header("x-hard").is_some();
        let answer = stream(if thinks { r#""usage":{"reasoning_tokens":64}"# } else { r#""x":0"# });
        let length = answer.len();
        connection
            .send(format!("HTTP/1.1 200 OK\r\n{EVENTS}content-length: {length}\r\n\r\n{answer}"));
    });
    let proxy = Proxy::adaptive(&[region("here", &here.url())], |_| {});
    let taught = |head: &str| {
        proxy.ask(&post(head, r#"{"stream":true}"#));
        matches!(proxy.report().sample.outcome, Outcome::Answer { .. })
    };
    assert!(taught(""));
    assert!(!taught("x-hard: 1\r\n"));
    assert!(!taught(""), "one that did not think is not mixed with those that do");
}

#[test]
fn a_client_that_wants_to_know_is_told_why_and_the_region_nothing() {
    let here = RawRegion::named("here");
    let proxy = Proxy::adaptive(&[region("here", &here.url())], |_| {});
    let answer = proxy.ask(&post("x-nearway-reason: 1\r\n", "{}"));
    assert_eq!(answer.header("x-nearway-reason"), Some("leads; only"), "{}", answer.head);
    assert_eq!(proxy.ask(&post("", "{}")).header("x-nearway-reason"), None);
    assert!(here.seen().iter().all(|request| request.header("x-nearway-reason").is_none()));
}
