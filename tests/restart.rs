//! What was learned outlives the process, if the file says where to.

use std::time::Duration;

use nearway_sim::Change;
use serde_json::Value;

use crate::harness::{Proxy, Regions, config, region};
use crate::raw::eventually;

const EXPLAIN: &str = "/api/explain?deployment=gpt-4o";

fn explained(proxy: &Proxy) -> Value {
    serde_json::from_slice(&proxy.admin(EXPLAIN).body).unwrap()
}

#[test]
fn a_restart_with_a_snapshot_knows_who_is_fast_and_one_without_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("learned.json");
    let regions = Regions::start(&[("east", 200.0), ("west", 20.0)]);
    let yaml = config(
        &regions.configured(),
        &format!(
            "probe: {{deployments: [gpt-4o], samples: 1}}\n\
             routing: {{strategy: adaptive, snapshot: '{}'}}",
            file.display()
        ),
    );
    let proxy = Proxy::start(&yaml);
    eventually("both are measured", || {
        let candidates = explained(&proxy)["candidates"].clone();
        candidates.as_array().unwrap().iter().all(|one| one["cost"].is_object())
    });
    assert_eq!(explained(&proxy)["chosen"]["region"], "west");
    drop(proxy);

    // no probe of the next process ends before its first answers are compared
    for name in ["east", "west"] {
        regions.control.set(name, Change::Base(Duration::from_secs(60))).unwrap();
    }
    let proxy = Proxy::start(&yaml);
    let resumed = explained(&proxy);
    assert_eq!(
        (&resumed["chosen"]["region"], &resumed["decided_by"]),
        (&"west".into(), &"cost".into())
    );
    let west = &resumed["candidates"][0];
    assert_eq!((&west["state"], &west["probes"]["samples"]), (&"fresh".into(), &0.into()));
    assert!(west["newest_sample_age_ms"].as_f64().is_some_and(|age| age > 0.0), "{resumed}");
    drop(proxy);

    std::fs::remove_file(&file).unwrap();
    let proxy = Proxy::start(&yaml);
    let anew = explained(&proxy);
    assert_eq!(
        (&anew["chosen"]["region"], &anew["lead"]["verdict"]),
        (&"east".into(), &"configured".into())
    );
}

#[test]
fn the_file_of_owners_is_free_for_the_next_process_once_one_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("owners.redb");
    let state = format!("state: {{entries: 1024, file: '{}'}}", file.display());
    let yaml = config(&[region("only", "http://127.0.0.1:9", "")], &state);
    for _ in 0..2 {
        let proxy = Proxy::start(&yaml);
        eventually("the memory for owners is shown", || {
            proxy.admin("/metrics").text().contains("nearway_state_bytes 16384\n")
        });
        assert!(file.is_file());
    }
}
