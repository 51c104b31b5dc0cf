//! Health, readiness, metrics and the table, as an operator sees them.

use crate::harness::{Proxy, RawRegion, config, eventually, refused, region};

const ASK: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                   content-length: 2\r\n\r\n{}";

#[test]
fn ready_once_measured_and_one_region_is_up() {
    let raw = RawRegion::named("good");
    let regions = [region("up", &raw.url(), ""), region("gone", &refused(), "")];
    let proxy = Proxy::start(&config(&regions, ""));
    assert_eq!(proxy.admin("/healthz").status(), 200);
    eventually("ready", || proxy.admin("/readyz").status() == 200);
    let table: serde_json::Value =
        serde_json::from_slice(&proxy.admin("/api/regions").body).unwrap();
    let text = table.to_string();
    assert!(
        text.contains("\"up\"") && text.contains("\"gone\"") && text.contains("\"down\""),
        "{text}"
    );
}

#[test]
fn not_ready_while_every_region_is_down() {
    let proxy = Proxy::start(&config(&[region("gone", &refused(), "")], ""));
    let measured = || proxy.admin("/api/regions").text().contains("\"down\"");
    eventually("the region is known to be down", measured);
    assert_eq!(proxy.admin("/readyz").status(), 503);
    assert_eq!(proxy.admin("/healthz").status(), 200);
}

#[test]
fn a_request_shows_in_the_metrics_and_no_key_does() {
    let raw = RawRegion::named("good");
    let only = region("only", &raw.url(), "api_key: very-secret");
    let proxy = Proxy::start(&config(&[only], ""));
    assert_eq!(proxy.ask(ASK).status(), 200);
    let counted = "nearway_requests_total{region=\"only\",deployment=\"other\",outcome=\"ok\"} 1";
    eventually("the request is counted", || proxy.admin("/metrics").text().contains(counted));
    let metrics = proxy.admin("/metrics");
    for family in [
        "nearway_request_duration_seconds_bucket",
        "nearway_added_time_seconds_bucket",
        "nearway_upstream_connections_opened_total",
        "nearway_build_info",
    ] {
        assert!(metrics.text().contains(family), "{family}\n{}", metrics.text());
    }
    for path in ["/metrics", "/api/regions", "/"] {
        assert!(!proxy.admin(path).text().contains("very-secret"), "{path}");
    }
}
