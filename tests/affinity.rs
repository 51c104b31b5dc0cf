//! Affinity as it comes without a word in the file: long prompts stay, on whichever worker they arrive.

use crate::harness::{Proxy, Regions, config};
use crate::raw::eventually;

const FAST: &str = "probe: {deployments: [gpt-4o], interval: 1s, jitter: 0, samples: 1}\n\
                    routing: {window: 2s, switch: {percent: 20, at_least: 10ms, hold: 0s}}";

/// A conversation of so many bytes at least; its end is its own.
fn chat(fields: &str, bytes: usize, ends: usize) -> String {
    let system = "You are told all that there is to know. ".repeat(bytes / 40);
    let body = format!(
        r#"{{"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{ends}"}}]}}"#
    );
    format!(
        "POST /openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n\
         host: a\r\n{fields}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn by_default_long_prompts_stay_with_their_cache_and_short_ones_follow_the_leader() {
    // far enough apart that the second never leads, and nearer than what 15,000 tokens may be worth
    let regions = Regions::start(&[("near", 20.0), ("far", 70.0)]);
    let proxy = Proxy::start(&config(&regions.configured(), FAST));
    let served_by = |request: &str| {
        proxy.ask(request).header("x-nearway-region").unwrap_or_default().to_owned()
    };
    eventually("both are measured", || {
        let table = proxy.table();
        let order = table["deployments"][0]["order"].as_array().cloned().unwrap_or_default();
        order.len() == 2 && order.iter().all(|region| region["score_ms"].is_number())
    });
    assert_eq!(served_by(&chat("x-nearway-region: far\r\n", 60_000, 0)), "far");
    // connections are spread over the workers
    for ends in 1..=8 {
        assert_eq!(served_by(&chat("", 60_000, ends)), "far");
        assert_eq!(served_by(&chat("", 400, ends)), "near");
    }
    let kept = "nearway_affinity_total{result=\"kept\"} 8\n";
    let metrics = proxy.admin("/metrics");
    assert!(metrics.text().contains(kept), "{}", metrics.text());
    // simulated regions say of each prompt that nothing of it was cached
    let leaves = (9..100).any(|ends| served_by(&chat("", 60_000, ends)) == "near");
    assert!(leaves, "{}", proxy.admin("/metrics").text());
}
