//! Editing the region list while the proxy runs.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use nearway::{Reload, Source};
use tokio::sync::Notify;

use crate::harness::{Proxy, config, region};
use crate::raw::{PATIENCE, RawRegion, eventually};

const ASK: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";

/// A file that a proxy follows, and the proxy.
pub(crate) fn following(yaml: &str) -> (tempfile::TempDir, impl Fn(&str) + use<>, Proxy) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nearway.yaml");
    std::fs::write(&path, yaml).unwrap();
    let source = Source::new(path.clone());
    let fingerprint = source.load().fingerprint;
    let reload = Reload { source, fingerprint, now: Arc::new(Notify::new()) };
    let proxy = Proxy::start_with(yaml, Some(reload));
    // as Kubernetes and careful editors do it: the whole file at once
    let write = move |text: &str| {
        let next = path.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(&next, &path).unwrap();
    };
    (folder, write, proxy)
}

#[test]
fn a_removed_region_finishes_its_stream_and_an_added_one_serves() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let old = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst");
        wait.lock().unwrap().recv_timeout(PATIENCE * 2).unwrap();
        connection.send("-last");
    });
    let new = RawRegion::named("new");
    let (_folder, write, proxy) = following(&config(&[region("old", &old.url(), "")], ""));
    let mut client = proxy.client();
    client.send(ASK);
    client.until("first").unwrap();

    write(&config(&[region("new", &new.url(), "")], ""));
    eventually("the new configuration is in force", || proxy.table()["generation"] == 2);
    assert_eq!(proxy.ask(ASK).text(), "new");
    go.send(()).unwrap();
    assert_eq!(client.exactly(5), b"-last");
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_of() {
    let good = RawRegion::named("good");
    let yaml = config(&[region("only", &good.url(), "")], "");
    let (_folder, write, proxy) = following(&yaml);
    write("regions: [{name: only}]\n");
    let told = || proxy.table()["last_reload_error"].as_str().is_some_and(|e| e.contains("url"));
    eventually("the error is told", told);
    assert_eq!(proxy.table()["generation"], 1);
    assert_eq!(proxy.ask(ASK).text(), "good");
    let applied = proxy.admin("/metrics");
    assert!(applied.text().contains("nearway_config_last_reload_applied 0"), "{}", applied.text());

    write(&yaml.replace("workers: 2", "workers: 3"));
    let needed = || proxy.table()["restart_needed"] == serde_json::json!(["workers"]);
    eventually("the key that needs a restart is named", needed);
    assert_eq!(proxy.table()["last_reload_error"], serde_json::Value::Null);
}
