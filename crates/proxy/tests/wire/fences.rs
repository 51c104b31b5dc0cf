//! Fences hold whatever happens: first attempts, further ones, second ones beside them, and pins.

use std::net::Shutdown;
use std::time::Duration;

use nearway_proxy::{Clients, Fences, Settings};

use crate::harness::{Proxy, client, places, region};
use crate::raw::{RawRegion, Response, refused};

fn chat(key: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\napi-key: {key}\r\n{fields}\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn model(name: &str) -> String {
    format!(r#"{{"model":"{name}"}}"#)
}

/// A proxy before these regions for the client `web`, who may go to the second one alone.
fn fenced(first: &str, second: &str, tune: impl FnOnce(&mut Settings)) -> Proxy {
    let regions = [region("out", first).key("r1"), region("in", second).key("r2")];
    Proxy::tuned(&regions, |settings| {
        settings.clients = Some(Clients::new(vec![client("web", "k", &[false, true])]));
        tune(settings);
    })
}

fn around_gpt_4o(allowed: &[bool]) -> Fences {
    [("gpt-4o".into(), places(allowed))].into_iter().collect()
}

fn code(answer: &Response) -> String {
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_is_served_inside_its_fence_though_another_region_comes_first() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let proxy = fenced(&out.url(), &within.url(), |_| {});
    for body in [model("gpt-4o"), "{}".to_owned()] {
        let answer = proxy.ask(&chat("k", "", &body));
        assert_eq!((answer.status(), answer.text()), (200, "in"));
    }
    let files = proxy.ask("GET /v1/files HTTP/1.1\r\nhost: a\r\napi-key: k\r\n\r\n");
    assert_eq!(files.text(), "in");
    assert!(out.seen().is_empty());
}

#[test]
fn no_failure_inside_leads_outside() {
    let failing: [String; 4] = [
        refused(),
        RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n").url(),
        RawRegion::answering("HTTP/1.1 429 T\r\ncontent-length: 0\r\n\r\n").url(),
        RawRegion::start(|_, connection| connection.stream.shutdown(Shutdown::Both).unwrap()).url(),
    ];
    for url in failing {
        let out = RawRegion::named("out");
        let proxy = fenced(&out.url(), &url, |_| {});
        for _ in 0..4 {
            let answer = proxy.ask(&chat("k", "", &model("gpt-4o")));
            assert!(answer.status() >= 429, "{}", answer.head);
        }
        assert!(out.seen().is_empty(), "{url}");
    }
}

#[test]
fn neither_a_hedge_nor_a_rescue_leads_outside() {
    let out = RawRegion::named("out");
    let silent = RawRegion::start(|_, _| {});
    let proxy = fenced(&out.url(), &silent.url(), |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.hedge_share = Some(1.0);
        settings.timeouts.head = Duration::from_millis(700);
        settings.attempts = 1;
    });
    let answer = proxy.ask(&chat("k", "", r#"{"model":"gpt-4o","stream":true}"#));
    assert_eq!((answer.status(), code(&answer).as_str()), (504, "nearway_head_timeout"));
    assert!(out.seen().is_empty());
    assert_eq!(silent.seen().len(), 1);
}

#[test]
fn a_pin_does_not_lead_outside() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let proxy = fenced(&out.url(), &within.url(), |_| {});
    let answer = proxy.ask(&chat("k", "x-nearway-region: out\r\n", &model("gpt-4o")));
    assert_eq!((answer.status(), code(&answer).as_str()), (400, "nearway_unknown_region"));
    let answer = proxy.ask(&chat("k", "x-nearway-region: in\r\n", &model("gpt-4o")));
    assert_eq!(answer.text(), "in");
    assert!(out.seen().is_empty());
}

#[test]
fn a_deployment_stays_inside_its_fence_whatever_case_it_is_written_in() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let regions = [region("out", &out.url()), region("in", &within.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.fences = around_gpt_4o(&[false, true]);
    });
    for (body, region) in [
        (model("gpt-4o"), "in"),
        (model("GPT-4o"), "in"),
        (model("o3"), "out"),
        // nobody can tell
        ("{}".to_owned(), "in"),
        (r#"{"model":"o3","model":"gpt-4o"}"#.to_owned(), "in"),
        (r#"{"model":"o3","Model":"gpt-4o"}"#.to_owned(), "in"),
    ] {
        assert_eq!(proxy.ask(&chat("k", "", &body)).text(), region, "{body}");
    }
    let path = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                content-length: 2\r\n\r\n{}";
    assert_eq!(proxy.ask(path).text(), "in");
    let list = "GET /v1/models/x HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(proxy.ask(list).status(), 200, "no deployment is used");
}

#[test]
fn a_second_name_behind_a_long_prompt_is_seen_too() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let regions = [region("out", &out.url()), region("in", &within.url())];
    let fenced = |settings: &mut Settings| {
        settings.fences = around_gpt_4o(&[false, true]);
    };
    let long = "x".repeat(300 * 1024);
    let proxy = Proxy::tuned(&regions, fenced);
    let hidden = format!(r#"{{"model":"o3","p":"{long}","model":"gpt-4o"}}"#);
    assert_eq!(proxy.ask(&chat("k", "", &hidden)).text(), "in");
    let plain = format!(r#"{{"model":"o3","p":"{long}"}}"#);
    assert_eq!(proxy.ask(&chat("k", "", &plain)).text(), "out");
    // what is too long to be read ahead may hold one
    let proxy = Proxy::tuned(&regions, |settings| {
        fenced(settings);
        settings.hold_body = 100 * 1024;
    });
    assert_eq!(proxy.ask(&chat("k", "", &plain)).text(), "in");
}

#[test]
fn a_deployment_that_is_not_for_the_client_is_not_there() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let regions = [region("out", &out.url()).key("r1"), region("in", &within.url()).key("r2")];
    let proxy = Proxy::tuned(&regions, |settings| {
        let mut web = client("web", "k", &[true, true]);
        web.deployments = Some(["gpt-4o".into()].into());
        let clients = vec![web, client("ops", "o", &[true, true])];
        settings.clients = Some(Clients::new(clients));
    });
    for body in [model("o3"), model("GPT-4O"), model("nowhere"), "{}".to_owned(), "nonsense".into()]
    {
        let answer = proxy.ask(&chat("k", "", &body));
        assert_eq!((answer.status(), code(&answer).as_str()), (404, "nearway_model_not_found"));
    }
    let twice = "GET /v1/realtime?model=gpt-4o&model=o3 HTTP/1.1\r\nhost: a\r\napi-key: k\r\n\r\n";
    assert_eq!(proxy.ask(twice).status(), 404);
    let spilling = chat("k", "x-ms-spillover-deployment: o3\r\n", &model("gpt-4o"));
    assert_eq!(proxy.ask(&spilling).status(), 404);
    let other = "POST /v1/newer HTTP/1.1\r\nhost: a\r\napi-key: k\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(proxy.ask(other).status(), 404);
    assert!(out.seen().is_empty());
    let files = "POST /v1/files HTTP/1.1\r\nhost: a\r\napi-key: k\r\ncontent-length: 2\r\n\r\n{}";
    for good in [chat("k", "", &model("gpt-4o")), chat("o", "", &model("o3")), files.to_owned()] {
        assert_eq!(proxy.ask(&good).text(), "out", "{good}");
    }
}

#[test]
fn where_two_fences_leave_nothing_the_answer_says_so() {
    let (out, within) = (RawRegion::named("out"), RawRegion::named("in"));
    let proxy = fenced(&out.url(), &within.url(), |settings| {
        settings.fences = around_gpt_4o(&[true, false]);
    });
    let answer = proxy.ask(&chat("k", "", &model("gpt-4o")));
    assert_eq!((answer.status(), code(&answer).as_str()), (503, "nearway_no_region"));
    assert!(answer.text().contains("fences"), "{}", answer.text());
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert!(out.seen().is_empty() && within.seen().is_empty());
}
