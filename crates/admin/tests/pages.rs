//! Every page over a real socket, from a table that the ranking made.

#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nearway_admin::{App, Status, serve};
use nearway_route::{
    Asked, Backoff, BreakerSettings, Condition, DeploymentSet, Failure, Lack, Live, Moment,
    Outcome, RankBy, Ranker, RegionId, RegionSpec, RoutingSettings, Sample, Source, Strategy,
    Switch, Table,
};
use nearway_telemetry::{Build, Metrics};
use serde_json::{Value, json};
use tokio::runtime::{Builder, LocalOptions};
use tokio_util::sync::CancellationToken;

const NOW: Duration = Duration::from_secs(100);

/// A served admin listener; ends when dropped.
struct Admin {
    address: SocketAddr,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn spec(id: u32, name: &str) -> RegionSpec {
    RegionSpec {
        id: RegionId(id),
        name: name.into(),
        tier: 0,
        zone: Some("eu".into()),
        deployments: DeploymentSet::All,
    }
}

fn answer(millis: u64) -> Outcome {
    let time = Duration::from_millis(millis);
    Outcome::Answer { first_token: Some(time), total: time * 2, tokens: 1 }
}

const FAILED: Outcome =
    Outcome::Failure { reason: "timeout", after: Duration::from_secs(1), retry_after: None };

/// Two regions, `a` and `b`, each with one probe that ended so.
fn start(outcomes: [Outcome; 2], change: impl FnOnce(&mut Status)) -> Admin {
    taught(outcomes, change, |_| {})
}

/// The same after clients' requests have taught something.
fn taught(
    outcomes: [Outcome; 2],
    change: impl FnOnce(&mut Status),
    teach: impl FnOnce(&Table),
) -> Admin {
    let routing = RoutingSettings {
        strategy: Strategy::Average,
        rank_by: RankBy::FirstToken,
        window: Duration::from_secs(300),
        switch: Switch { percent: 15.0, at_least: Duration::ZERO, hold: Duration::ZERO },
        probe_interval: Duration::from_secs(30),
        probe_timeout: Duration::from_secs(10),
        stale_after: Duration::from_secs(90),
    };
    let regions = vec![spec(1, "a"), spec(2, "b")];
    let mut ranker = Ranker::new(routing, 7, regions, vec!["gpt-4o".into()]);
    for (id, outcome) in (1..).zip(outcomes) {
        let at = Moment::from(NOW - Duration::from_secs(2));
        let sample = Sample { at, source: Source::Probe, asked: Asked::probe(0), outcome };
        ranker.observe(RegionId(id), Some("gpt-4o"), sample);
    }
    let mut status = Status {
        generation: 7,
        loaded_at_unix_ms: 1,
        last_reload_error: None,
        restart_needed: Vec::new(),
        operations: vec!["chat_completions", "audio_speech"],
        version: "0.0.0".into(),
        started_unix_ms: 1,
        first_round_deadline: Moment::from(NOW * 2),
        first_round_done: true,
        draining: false,
    };
    change(&mut status);
    let table = ranker.rank(Moment::from(NOW)).table;
    teach(&table);
    let app = App {
        table: Arc::new(Live::new(table)),
        metrics: Metrics::new(Build { version: "0.0.0", commit: None }).unwrap(),
        clock: Arc::new(|| Moment::from(NOW)),
        status: Arc::new(Live::new(Arc::new(status))),
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let thread = std::thread::spawn(move || {
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.unwrap().block_on(async move {
            serve(tokio::net::TcpListener::from_std(listener).unwrap(), app, stop).await;
        });
    });
    Admin { address, cancel, thread: Some(thread) }
}

fn ask(admin: &Admin, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(admin.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

fn get(admin: &Admin, path: &str) -> (u16, String, String) {
    ask(admin, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
}

#[test]
fn the_table_is_told_with_what_explains_it() {
    let admin = start([answer(300), FAILED], |_| {});
    let (status, _, body) = get(&admin, "/api/regions");
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["generation"]), (200, &Value::from(7)));
    let deployment = &json["deployments"][0];
    assert_eq!(deployment["deployment"], "gpt-4o");
    assert_eq!(
        (&deployment["leader"], &deployment["measured"]),
        (&"a".into(), &"first_token".into())
    );
    assert!(!deployment["why"].as_str().unwrap().is_empty());
    let (first, second) = (&deployment["order"][0], &deployment["order"][1]);
    assert_eq!((&first["region"], &first["state"]), (&"a".into(), &"fresh".into()));
    assert_eq!(first["first_token_ms"]["average"], 300.0);
    assert_eq!((&first["total_ms"]["max"], &first["age_ms"]), (&600.0.into(), &2000.0.into()));
    assert_eq!(
        (&second["state"], &second["last_error"]["reason"]),
        (&"down".into(), &"timeout".into())
    );
    assert_eq!(second["zone"], "eu");
}

/// Opens for five seconds at once where nobody is, and lets the traffic return over ten.
const BREAKER: BreakerSettings = BreakerSettings {
    ratio: 0.5,
    minimum: 10,
    in_a_row: 2,
    window: Duration::from_secs(10),
    pause: Backoff { least: Duration::from_secs(5), most: Duration::from_secs(60) },
    ramp: Duration::from_secs(10),
};

fn order(admin: &Admin) -> Vec<Value> {
    let json: Value = serde_json::from_str(&get(admin, "/api/regions").2).unwrap();
    json["deployments"][0]["order"].as_array().unwrap().clone()
}

#[test]
fn a_region_that_nothing_speaks_against_is_good() {
    let regions = order(&start([answer(300), FAILED], |_| {}));
    assert_eq!(
        (&regions[0]["condition"], &regions[1]["condition"]),
        (&"good".into(), &"down".into())
    );
    let none = json!({"state": "closed", "open_for_ms": null, "share": 1.0});
    assert_eq!((&regions[0]["breaker"], &regions[0]["lacks"]), (&none, &json!([])));
    for left in ["cooled_for_ms", "nearly_spent_for_ms", "unauthorized_for_ms"] {
        assert_eq!(regions[0][left], Value::Null, "{left}");
    }
}

#[test]
fn what_keeps_requests_away_is_told_with_the_time_that_is_left() {
    let now = Moment::from(NOW);
    let after = |seconds| Moment::from(NOW + Duration::from_secs(seconds));
    let admin = taught(
        [answer(300), answer(400)],
        |_| {},
        |table| {
            let [first, second] = &*table.ranking(Some("gpt-4o")).order else { panic!("two") };
            let breaker = first.vitals.breaker();
            assert!(breaker.failed(Failure::Unreachable, now, now, &BREAKER));
            first.vitals.nearly_spent_until(after(7));
            first.vitals.cool_until(after(8));
            first.vitals.lack_until(Lack::operation(1), after(9));
            second.region_vitals.unauthorized_until(after(10));
            second.vitals.lack_until(Lack::DEPLOYMENT, after(11));
            second.vitals.lack_until(Lack::operation(30), after(12));
        },
    );
    let regions = order(&admin);
    let (first, second) = (&regions[0], &regions[1]);
    let open = json!({"state": "open", "open_for_ms": 5000.0, "share": 0.0});
    assert_eq!((&first["condition"], &first["breaker"]), (&"open".into(), &open));
    assert_eq!(first["nearly_spent_for_ms"], 7000.0);
    assert_eq!(first["cooled_for_ms"], 8000.0);
    assert_eq!(first["lacks"], json!([{"what": "audio_speech", "for_ms": 9000.0}]));
    assert_eq!(
        (&second["condition"], &second["breaker"]["state"]),
        (&"lacking".into(), &"closed".into())
    );
    assert_eq!(second["unauthorized_for_ms"], 10000.0);
    let lacks = json!([
        {"what": "deployment", "for_ms": 11000.0},
        {"what": "other", "for_ms": 12000.0},
    ]);
    assert_eq!(second["lacks"], lacks);
    assert_eq!(get(&admin, "/readyz").0, 200, "conditions pass, readiness is about probes");
}

#[test]
fn the_page_has_words_for_every_condition() {
    let admin = start([answer(1), answer(1)], |_| {});
    let (_, _, script) = get(&admin, "/page.js");
    for condition in Condition::ALL {
        assert!(script.contains(&format!("\n  {}: (", condition.as_str())), "{condition:?}");
    }
}

#[test]
fn ready_says_why_not() {
    type Case = ([Outcome; 2], fn(&mut Status), u16, &'static str);
    let cases: [Case; 5] = [
        ([answer(1), FAILED], |_| {}, 200, "ready"),
        ([FAILED, FAILED], |_| {}, 503, "no region is up"),
        ([answer(1), answer(1)], |status| status.draining = true, 503, "draining"),
        ([answer(1), answer(1)], |status| status.first_round_done = false, 503, "first round"),
        (
            [answer(1), answer(1)],
            |status| {
                status.first_round_done = false;
                status.first_round_deadline = Moment::from(NOW);
            },
            200,
            "ready",
        ),
    ];
    for (outcomes, change, expected, word) in cases {
        let (status, _, body) = get(&start(outcomes, change), "/readyz");
        assert_eq!(status, expected, "{word}");
        assert!(body.contains(word), "{word}: {body}");
    }
}

#[test]
fn health_metrics_and_the_page() {
    let admin = start([answer(1), answer(1)], |_| {});
    assert_eq!(get(&admin, "/healthz").0, 200);
    let (status, head, body) = get(&admin, "/metrics");
    assert!(
        status == 200 && head.contains("text/plain; version=0.0.4") && body.contains("nearway_")
    );
}

#[test]
fn the_page_is_made_of_files_of_its_own_and_runs_nothing_inline() {
    let admin = start([answer(1), answer(1)], |_| {});
    let (status, head, page) = get(&admin, "/");
    assert!(
        status == 200 && head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!head.contains("unsafe-inline"), "{head}");
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("<script>"));
    for (path, kind) in [("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        let (status, head, file) = get(&admin, path);
        assert!(status == 200 && head.contains(&format!("content-type: {kind}")), "{head}");
        assert!(page.contains(&format!("\"{}\"", path.trim_start_matches('/'))), "{path}");
        for foreign in ["http://", "https://", "innerHTML"] {
            assert!(!file.contains(foreign) && !page.contains(foreign), "{path}: {foreign}");
        }
    }
}

#[test]
fn what_is_not_there_and_what_is_not_allowed() {
    let admin = start([answer(1), answer(1)], |_| {});
    assert_eq!(get(&admin, "/nope").0, 404);
    let (status, head, _) = ask(
        &admin,
        "POST /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    assert!(status == 405 && head.contains("allow: GET, HEAD"), "{head}");
    let (status, _, body) =
        ask(&admin, "HEAD /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    let huge = "x".repeat(20_000);
    assert_eq!(ask(&admin, &format!("GET / HTTP/1.1\r\nhost: a\r\nx: {huge}\r\n\r\n")).0, 431);
}
