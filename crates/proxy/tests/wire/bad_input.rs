//! Hostile bytes from clients and regions: refused, cut, counted, and never the end of a worker.

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

const GOOD: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";

fn before(raw: &RawRegion) -> Proxy {
    Proxy::start(&[region("only", &raw.url())])
}

#[test]
fn malformed_requests_get_400_and_a_closed_connection() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let cases = [
        "garbage\r\n\r\n",
        "GET /v1/x HTTP/1.1\r\n\r\n",
        "GET /v1/x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET http://b/v1/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/x HTTP/1.1\r\nhost: a\r\nx-nul: a\0b\r\n\r\n",
        "GET /v1/../x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/%2e%2E/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\
         transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
    ];
    for case in cases {
        let mut client = proxy.client();
        client.send(case);
        assert_eq!(client.response().status(), 400, "{case:?}");
        assert!(client.is_closed(), "{case:?}");
        assert_eq!(proxy.ask(GOOD).text(), "good", "after {case:?}");
    }
    assert_eq!(raw.seen().len(), cases.len(), "no malformed request was passed on");
}

#[test]
fn an_oversized_head_gets_431() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(format!("GET /v1/x HTTP/1.1\r\nhost: a\r\nx-big: {}\r\n\r\n", "x".repeat(70_000)));
    assert_eq!(client.response().status(), 431);
    assert_eq!(proxy.ask(GOOD).text(), "good");
}

#[test]
fn a_head_that_stops_halfway_is_not_waited_for() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(GOOD);
    assert_eq!(client.response().text(), "good");
    // the same on a connection that was good before: the clock starts with the head's first byte
    client.send("GET /v1/x HTTP/1.1\r\nho");
    assert!(client.is_closed());
    assert_eq!(raw.seen().len(), 1);
}

#[test]
fn a_bad_chunk_in_a_request_ends_it_and_nothing_else() {
    let raw = RawRegion::named("good");
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send("POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n");
    assert_eq!(client.response().status(), 400);
    assert_eq!(proxy.ask(GOOD).text(), "good");
}

#[test]
fn a_regions_nonsense_becomes_502_and_the_worker_lives() {
    let huge: &'static str =
        format!("HTTP/1.1 200 OK\r\nx-big: {}\r\n\r\n", "x".repeat(200_000)).leak();
    let flood: &'static str = "HTTP/1.1 garbage\r\n\r\n";
    for answer in
        [huge, flood, "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n"]
    {
        let raw = RawRegion::answering(answer);
        let proxy = before(&raw);
        for _ in 0..3 {
            let refused = proxy.ask(GOOD);
            assert_eq!(refused.status(), 502, "{}", answer.len());
            assert!(refused.text().contains("nearway_unreachable"), "{}", refused.text());
        }
    }
}

#[test]
fn a_deployment_that_no_region_serves_gets_503() {
    let raw = RawRegion::named("good");
    let proxy = Proxy::start(&[region("only", &raw.url()).renames("gpt-4o", "x")]);
    let refused =
        proxy.ask("GET /openai/deployments/other/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(refused.status(), 503);
    let body: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["error"]["code"], "nearway_no_region");
}

#[test]
fn bytes_behind_a_regions_answer_are_nobodys_answer() {
    let raw = RawRegion::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood\
         HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    );
    let proxy = before(&raw);
    let mut client = proxy.client();
    for asked in 1..=4 {
        client.send(GOOD);
        assert_eq!(client.response().text(), "good");
        assert_eq!(raw.seen().len(), asked);
    }
}

#[test]
fn an_endless_head_ends_and_the_next_region_answers() {
    let endless = RawRegion::start(|_, connection| {
        use std::io::Write;
        connection.send("HTTP/1.1 200 OK\r\n");
        while connection.stream.write_all(b"x-a: and so on\r\n").is_ok() {}
    });
    let good = RawRegion::named("good");
    let proxy = Proxy::start(&[region("endless", &endless.url()), region("good", &good.url())]);
    assert_eq!(proxy.ask(GOOD).text(), "good");
}

#[test]
fn a_regions_answer_that_two_parsers_could_read_differently_is_no_answer() {
    let mut passed = Vec::new();
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 50\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
    ] {
        let raw = RawRegion::answering(answer);
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(GOOD);
        let head = client.until("\r\n\r\n").unwrap_or_default();
        if !head.starts_with("HTTP/1.1 502") {
            passed.push((answer, head));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn a_body_over_the_limit_is_refused_wherever_its_model_stands() {
    let raw = RawRegion::named("good");
    let proxy = Proxy::tuned(&[region("only", &raw.url())], |settings| {
        settings.body_max = Some(100_000);
    });
    let filler = "y".repeat(300_000);
    for body in [
        format!("{{\"model\":\"a\",\"x\":\"{filler}\"}}"),
        format!("{{\"x\":\"{filler}\",\"model\":\"a\"}}"),
        format!("{{\"x\":\"{filler}"),
    ] {
        let refused = proxy.ask(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ));
        assert_eq!(refused.status(), 413, "{:?}", body.get(..20));
    }
}
