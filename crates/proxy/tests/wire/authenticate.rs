//! Where clients have keys of their own, nothing happens without one, and none goes to a region.

use nearway_proxy::Clients;

use crate::harness::{Proxy, client, region};
use crate::raw::RawRegion;

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n";

fn guarded(raw: &RawRegion) -> Proxy {
    Proxy::tuned(&[region("only", &raw.url()).key("region-key")], |settings| {
        let clients = vec![client("web", "web-key", &[true]), client("ops", "ops-key", &[true])];
        settings.clients = Some(Clients::new(clients));
    })
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
}

#[test]
fn a_key_is_taken_in_each_form_and_never_passed_on() {
    let raw = RawRegion::named("hello");
    let proxy = guarded(&raw);
    let protocols =
        format!("{UPGRADE}sec-websocket-protocol: realtime, openai-insecure-api-key.web-key\r\n");
    for (target, fields) in [
        ("/v1/files", "api-key: web-key\r\n"),
        ("/v1/files", "authorization: Bearer web-key\r\n"),
        ("/v1/files", "authorization: bearer web-key\r\nx-other: 1\r\n"),
        ("/v1/files", "x-api-key: web-key\r\n"),
        ("/v1/files", "ocp-apim-subscription-key: web-key\r\n"),
        ("/v1/files", "authorization: Bearer unused\r\napi-key: web-key\r\n"),
        ("/v1/realtime?model=m&api-key=web%2Dkey", UPGRADE),
        ("/v1/realtime?model=m", &protocols),
    ] {
        let answer = proxy.ask(&get(target, fields));
        assert_eq!((answer.status(), answer.text()), (200, "hello"), "{target} {fields}");
    }
    let seen = raw.seen();
    assert_eq!(seen.len(), 8);
    for request in seen {
        assert!(!request.head.contains("web-key"), "{}", request.head);
        assert!(!request.head.contains("web%2D"), "{}", request.head);
        assert_eq!(request.all("api-key"), ["region-key"], "{}", request.head);
    }
}

#[test]
fn without_a_known_key_nobody_is_asked_and_nothing_is_read() {
    let raw = RawRegion::named("hello");
    let proxy = guarded(&raw);
    let many: String = (0..40).map(|n| format!("api-key: k{n}\r\n")).collect();
    for (target, fields) in [
        ("/v1/files", ""),
        ("/v1/files", "api-key: \r\n"),
        ("/v1/files", "api-key: web-kez\r\n"),
        ("/v1/files", "api-key: web-key \"\r\n"),
        ("/v1/files", "authorization: web-key\r\n"),
        ("/v1/files", "authorization: Basic web-key\r\n"),
        ("/v1/files", "api-key: region-key\r\n"),
        ("/v1/files?key=web-key", ""),
        ("/v1/files", &format!("{many}api-key: web-key\r\n")),
        ("/v1/realtime?model=m&api-key=x", UPGRADE),
        ("/v1/files", "content-length: 1000000000\r\n"),
    ] {
        let answer = proxy.ask(&get(target, fields));
        assert_eq!(answer.status(), 401, "{target} {fields}");
        let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(error["error"]["code"], "nearway_invalid_api_key", "{error}");
        assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(!answer.text().contains("web-"), "{}", answer.text());
    }
    assert!(raw.seen().is_empty());
    let metrics = proxy.metrics.render();
    for line in [
        "nearway_requests_refused_total{code=\"nearway_invalid_api_key\"} 11\n",
        "nearway_client_requests_total{client=\"none\",outcome=\"refused\"} 11\n",
        "nearway_client_requests_total{client=\"web\",outcome=\"ok\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line} {metrics}");
    }
}

#[test]
fn requests_count_for_the_client_whose_key_they_carry() {
    let raw = RawRegion::named("hello");
    let proxy = guarded(&raw);
    let mut client = proxy.client();
    for key in ["web-key", "ops-key", "web-key"] {
        client.send(get("/v1/files", &format!("api-key: {key}\r\n")));
        assert_eq!(client.response().status(), 200);
    }
    drop((client, proxy.ask(&get("/v1/files", ""))));
    let metrics = proxy.metrics.render();
    for (name, outcome, count) in [("web", "ok", 2), ("ops", "ok", 1), ("none", "refused", 1)] {
        let labels = format!("{{client=\"{name}\",outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&format!("nearway_client_requests_total{labels}")), "{metrics}");
    }
}

#[test]
fn without_clients_anybody_is_let_in_and_none_is_counted() {
    let raw = RawRegion::named("hello");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let answer = proxy.ask(&get("/v1/files", "api-key: own\r\n"));
    assert_eq!((answer.status(), answer.text()), (200, "hello"));
    assert_eq!(raw.seen()[0].all("api-key"), ["own"]);
    assert!(!proxy.metrics.render().contains("nearway_client_requests_total{"));
}

#[test]
fn a_region_without_a_key_gets_no_clients_key() {
    let raw = RawRegion::named("hello");
    let proxy = Proxy::tuned(&[region("only", &raw.url())], |settings| {
        settings.clients = Some(Clients::new(vec![client("web", "web-key", &[true])]));
    });
    let answer = proxy.ask(&get("/v1/files?api-key=web-key", "authorization: Bearer web-key\r\n"));
    assert_eq!(answer.status(), 200);
    assert!(!raw.seen()[0].head.contains("web-key"), "{}", raw.seen()[0].head);
}
