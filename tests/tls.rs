//! Regions behind TLS: who cannot prove who it is gets no request and is named as the reason.

use std::path::PathBuf;

use nearway_sim::SimTls;

use crate::certificates::Authority;
use crate::harness::{Proxy, Regions, config};
use crate::raw::eventually;

const ASK: &str = "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n";

/// A certificate for `name`, made by an authority of its own, valid until the end of `year`.
fn certificate(name: &str, year: i32) -> SimTls {
    Authority::new().certificate(name, year)
}

/// Regions with one certificate, and their lines in a configuration that trusts `ca_pem`.
struct Secured {
    regions: Regions,
    lines: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Secured {
    fn start(name: &str, tls: SimTls, ca_pem: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file: PathBuf = folder.path().join("ca.pem");
        std::fs::write(&file, ca_pem).unwrap();
        let regions = Regions::start_with(&[(name, 1.0)], Some(tls));
        let lines = regions.configured_with(&format!(", ca_file: '{}'", file.display()));
        Self { regions, lines, _folder: folder }
    }

    fn good(name: &str) -> Self {
        let tls = certificate("127.0.0.1", 2099);
        let ca_pem = tls.ca_pem.clone();
        Self::start(name, tls, &ca_pem)
    }

    /// Each with a certificate that is wrong in another way.
    fn bad() -> [Self; 3] {
        let (elsewhere, late) =
            (certificate("elsewhere.test", 2099), certificate("127.0.0.1", 2020));
        let authorities = [&elsewhere, &late].map(|tls| tls.ca_pem.clone());
        let unknown = certificate("127.0.0.1", 2099);
        [
            Self::start("unknown-authority", unknown, &authorities[0]),
            Self::start("other-name", elsewhere, &authorities[0]),
            Self::start("expired", late, &authorities[1]),
        ]
    }
}

#[test]
fn requests_go_to_the_region_whose_certificate_is_good() {
    let (good, bad) = (Secured::good("good"), Secured::bad());
    let mut lines: Vec<_> = bad.iter().flat_map(|region| region.lines.clone()).collect();
    lines.extend(good.lines.clone());
    let proxy = Proxy::start(&config(&lines, ""));
    eventually("all are measured", || proxy.admin("/readyz").status() == 200);
    let answer = proxy.ask(ASK);
    assert_eq!((answer.status(), answer.header("x-nearway-region")), (200, Some("good")));
    assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
    let table = proxy.table();
    let order = table["deployments"][0]["order"].as_array().unwrap();
    assert_eq!((&order[0]["region"], &order[0]["state"]), (&"good".into(), &"fresh".into()));
    assert_eq!(order.len(), 4);
    for entry in &order[1..] {
        assert_eq!(
            (&entry["state"], &entry["last_error"]["reason"]),
            (&"down".into(), &"tls".into())
        );
    }
    for region in &bad {
        assert_eq!(region.regions.stats(&region.regions.list[0].0).requests, 0);
    }
}

#[test]
fn one_that_nothing_is_known_of_fails_over_and_none_that_is_good_is_a_502() {
    let (good, bad) = (Secured::good("good"), Secured::bad());
    for region in &bad {
        let name = &region.regions.list[0].0;
        let proxy = Proxy::start(&config(&region.lines, ""));
        let answer = proxy.ask(ASK);
        assert_eq!(answer.status(), 502, "{name}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"]["code"], "nearway_unreachable");
        assert_eq!(body["error"]["message"], format!("No region answered: {name} (tls)."));

        let lines = [region.lines.clone(), good.lines.clone()].concat();
        let proxy = Proxy::start(&config(&lines, ""));
        let answer = proxy.ask(ASK);
        assert_eq!((answer.status(), answer.header("x-nearway-region")), (200, Some("good")));
    }
}
