//! Clients and fences of the file, as a running proxy keeps them: at start and after each reload.

use crate::harness::{config, region};
use crate::raw::{RawRegion, eventually};
use crate::reload::following;

fn chat(key: &str) -> String {
    format!(
        "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\napi-key: {key}\r\n\
         content-length: 2\r\n\r\n{{}}"
    )
}

#[test]
fn a_reload_takes_keys_and_fences_into_force_and_refuses_a_fence_that_shuts_out() {
    let (us, eu) = (RawRegion::named("us"), RawRegion::named("eu"));
    let regions = [
        region("us", &us.url(), ", api_key: r1, zone: us"),
        region("eu", &eu.url(), ", api_key: r2, zone: eu"),
    ];
    let with = |more: &str| config(&regions, more);
    let (_folder, write, proxy) = following(&with(""));
    assert_eq!(proxy.ask(&chat("anything")).status(), 200);

    write(&with("clients: [{name: web, keys: [first], zones: [eu]}]"));
    eventually("clients are in force", || proxy.table()["generation"] == 2);
    assert_eq!(proxy.ask(&chat("anything")).status(), 401);
    let before = us.seen().len();
    assert_eq!(proxy.ask(&chat("first")).text(), "eu");
    assert_eq!(us.seen().len(), before);

    write(&with("clients: [{name: web, keys: [second], zones: [us]}]"));
    eventually("the key is rotated", || proxy.table()["generation"] == 3);
    assert_eq!(proxy.ask(&chat("first")).status(), 401);
    assert_eq!(proxy.ask(&chat("second")).text(), "us");

    write(&with(
        "clients: [{name: web, keys: [third], zones: [us], deployments: [gpt-4o]}]\n\
         deployments: {gpt-4o: {zones: [eu]}}",
    ));
    let named = "client web may use no region for gpt-4o";
    let told = || proxy.table()["last_reload_error"].as_str().is_some_and(|e| e.contains(named));
    eventually("the fence is refused", told);
    assert_eq!(proxy.ask(&chat("second")).text(), "us", "what was in force stays");

    let metrics = proxy.admin("/metrics");
    for line in [
        "nearway_client_requests_total{client=\"web\",outcome=\"ok\"} 3\n",
        "nearway_client_requests_total{client=\"none\",outcome=\"refused\"} 2\n",
    ] {
        assert!(metrics.text().contains(line), "{line} {}", metrics.text());
    }
    let seen = [&us, &eu].map(RawRegion::seen).concat();
    for key in ["first", "second"] {
        assert!(seen.iter().all(|request| !request.head.contains(key)), "{key} reached a region");
    }
}
