//! Health, readiness, metrics and the table, as an operator sees them.

use crate::harness::{Proxy, config, region};
use crate::raw::{RawRegion, eventually, refused};

const ASK: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                   content-length: 2\r\n\r\n{}";

#[test]
fn ready_once_measured_and_one_region_is_up() {
    let raw = RawRegion::named("good");
    let regions = [region("up", &raw.url(), ""), region("gone", &refused(), "")];
    let proxy = Proxy::start(&config(&regions, ""));
    assert_eq!(proxy.admin("/healthz").status(), 200);
    eventually("ready", || proxy.admin("/readyz").status() == 200);
    let order = &proxy.table()["deployments"][0]["order"];
    assert_eq!((&order[0]["region"], &order[0]["state"]), (&"up".into(), &"fresh".into()));
    assert_eq!((&order[1]["region"], &order[1]["state"]), (&"gone".into(), &"down".into()));
    assert_eq!(order[1]["last_error"]["reason"], "connect");
}

#[test]
fn not_ready_while_every_region_is_down() {
    let proxy = Proxy::start(&config(&[region("gone", &refused(), "")], ""));
    let down = || proxy.table()["deployments"][0]["order"][0]["state"] == "down";
    eventually("the region is known to be down", down);
    assert_eq!(proxy.admin("/readyz").status(), 503);
    assert_eq!(proxy.admin("/healthz").status(), 200);
}

#[test]
fn what_clients_requests_teach_of_a_region_shows() {
    let failing = RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
    // named by a region and not probed: it shares the breaker of all such deployments
    let ill = region("ill", &failing.url(), ", deployments: {gpt-4o: four}");
    let proxy = Proxy::start(&config(&[ill], ""));
    assert_eq!(proxy.ask(ASK).status(), 500);
    let labels = "region=\"ill\",deployment=\"other\"";
    let lines = [
        format!("nearway_breaker_transitions_total{{{labels},to=\"open\"}} 1\n"),
        format!("nearway_breaker_state{{{labels},state=\"open\"}} 1\n"),
        format!("nearway_region_condition{{{labels},condition=\"open\"}} 1\n"),
        format!("nearway_cooldown_seconds{{{labels}}} 0\n"),
    ];
    eventually("its breaker shows in the metrics", || {
        let answer = proxy.admin("/metrics");
        lines.iter().all(|line| answer.text().contains(line))
    });
    // half-open by now, if the machine is slow
    let order = &proxy.table()["deployments"][0]["order"];
    assert_ne!(order[0]["breaker"]["state"], "closed", "{order}");
}

#[test]
fn a_request_shows_in_the_metrics_and_no_key_does() {
    let raw = RawRegion::named("good");
    let only = region("only", &raw.url(), ", api_key: very-secret");
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
        "nearway_requests_refused_total{code=\"nearway_unreachable\"} 0",
    ] {
        assert!(metrics.text().contains(family), "{family}\n{}", metrics.text());
    }
    for path in ["/metrics", "/api/regions", "/api/explain", "/api/changes", "/"] {
        assert!(!proxy.admin(path).text().contains("very-secret"), "{path}");
    }
}
