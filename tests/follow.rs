//! Measured, ranked, forwarded: traffic goes to the region that answers fastest now.

use std::time::Duration;

use nearway_sim::Change;

use crate::harness::{Proxy, Regions, config};
use crate::raw::eventually;

const CHAT: &str = "POST /openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n\
                    host: a\r\ncontent-type: application/json\r\ncontent-length: 54\r\n\r\n\
                    {\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"n\":1 }   ";

const FAST: &str = "probe: {deployments: [gpt-4o], interval: 1s, jitter: 0, samples: 1}\n\
                    routing: {window: 2s, switch: {percent: 20, at_least: 10ms, hold: 0s}}";

fn base(millis: u64) -> Change {
    Change::Base(Duration::from_millis(millis))
}

#[test]
fn traffic_follows_the_fastest_region_and_the_table_says_why() {
    let regions = Regions::start(&[("east", 300.0), ("west", 40.0), ("europe", 200.0)]);
    let proxy = Proxy::start(&config(&regions.configured(), FAST));
    let served_by = |name: &str| proxy.ask(CHAT).header("x-nearway-region") == Some(name);
    eventually("west leads", || served_by("west"));

    regions.control.set("west", base(500)).unwrap();
    regions.control.set("east", base(20)).unwrap();
    eventually("east leads", || served_by("east"));

    let table = proxy.table();
    let deployment = &table["deployments"][0];
    assert_eq!(
        (&deployment["deployment"], &deployment["leader"]),
        (&"gpt-4o".into(), &"east".into())
    );
    assert_eq!(deployment["measured"], "first_token");
    assert!(deployment["why"].as_str().is_some_and(|why| !why.is_empty()), "{deployment}");
    let score = |place: usize| deployment["order"][place]["score_ms"].as_f64().unwrap();
    assert!(score(0) < score(1) && score(1) <= score(2), "{deployment}");
    let metrics = proxy.admin("/metrics");
    let leads = "nearway_route_leader{region=\"east\",deployment=\"gpt-4o\"} 1";
    assert!(metrics.text().contains(leads), "{}", metrics.text());
}
