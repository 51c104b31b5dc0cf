//! Every page over a real socket, from a table that the ranking made.

#![cfg(test)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::Method;
use nearway_admin::{App, Fenced, Fences, Requests, Status, Target, UnknownClient, serve};
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

/// Every region serves every deployment but `elsewhere`, and a region that is out is asked too. For the
/// only client, `web`, the cheaper region is outside.
struct AllServed;

impl Requests for AllServed {
    fn read(&self, method: &Method, path: &str) -> Result<Target, String> {
        let (_, speech) = (path.strip_prefix('/').ok_or("bad")?, path.ends_with("/speech"));
        Ok(Target {
            operation: if speech { "audio_speech" } else { "chat_completions" },
            lack: Lack::operation(u8::from(speech)),
            deployment: path.strip_prefix("/of/").map(str::to_owned),
            creates_state: *method != Method::GET && path.ends_with("/files"),
        })
    }

    fn fences(&self, request: &Fenced<'_>) -> Result<Fences, UnknownClient> {
        let web = || vec!["web".into()];
        match request.client {
            None => Ok(Fences { kept_out: Vec::new(), unasked: web() }),
            Some("web") => {
                let kept_out = vec![(RegionId(2), "clients.web.zones".to_owned())];
                Ok(Fences { kept_out, unasked: Vec::new() })
            }
            Some(_) => Err(UnknownClient { known: web() }),
        }
    }

    fn serves(&self, _region: RegionId, deployment: &str) -> bool {
        deployment != "elsewhere"
    }

    fn last_resort(&self) -> bool {
        true
    }
}

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
    ranked(Strategy::Average, outcomes, change, teach)
}

/// The same by costs.
fn adaptive(outcomes: [Outcome; 2], teach: impl FnOnce(&Table)) -> Admin {
    ranked(Strategy::Adaptive, outcomes, |_| {}, teach)
}

fn ranked(
    strategy: Strategy,
    outcomes: [Outcome; 2],
    change: impl FnOnce(&mut Status),
    teach: impl FnOnce(&Table),
) -> Admin {
    let routing = RoutingSettings {
        strategy,
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
        requests: Arc::new(AllServed),
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

fn json_of(admin: &Admin, path: &str) -> Value {
    let (status, head, body) = get(admin, path);
    assert_eq!(status, 200, "{path}: {head}{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn a_choice_by_cost_is_explained_with_all_that_it_is_made_of() {
    let admin = adaptive([answer(300), answer(90)], |table| {
        let first = &table.ranking(Some("gpt-4o")).order[0];
        first.vitals.lack_until(Lack::operation(1), Moment::from(NOW + Duration::from_secs(9)));
        // for as long as the table lives
        Box::leak(Box::new(first.vitals.enter()));
    });
    let json = json_of(&admin, "/api/explain?deployment=gpt-4o&prompt_tokens=700&stream=true");
    let asked = json!({
        "deployment": "gpt-4o", "client": null, "clients_unasked": ["web"], "method": "POST",
        "path": "/v1/chat/completions", "operation": "chat_completions",
        "prompt_tokens": 700, "stream": true, "class": "stream_short",
    });
    assert_eq!((&json["asked"], &json["decided_by"]), (&asked, &"cost".into()));
    assert_eq!(json["chosen"]["region"], "b");
    assert_eq!(json["chosen"]["why"], "leads");
    assert_eq!(json["lead"]["region"], "b");
    assert_eq!((&json["lead"]["verdict"], &json["lead"]["for_ms"]), (&"best".into(), &0.0.into()));

    let (b, a) = (&json["candidates"][0], &json["candidates"][1]);
    assert_eq!((&b["region"], &a["region"]), (&"b".into(), &"a".into()));
    assert_eq!((&b["chosen"], &a["chosen"]), (&true.into(), &false.into()));
    assert_eq!((&b["condition"], &b["newest_sample_age_ms"]), (&"good".into(), &2000.0.into()));
    assert_eq!((&b["in_flight"], &b["probes"]["samples"]), (&1.into(), &1.into()));
    let (cost, dear) = (&b["cost"], &a["cost"]);
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&cost["now_ms"]) < number(&dear["now_ms"]), "{json}");
    assert!(number(&cost["now_ms"]) > number(&cost["calm_ms"]), "one is in flight: {json}");
    let terms = &cost["estimate"];
    let sum = number(&terms["base_ms"]) + 0.7 * number(&terms["per_1k_prompt_tokens_ms"]);
    assert!((number(&cost["calm_ms"]) - sum).abs() < 0.01, "{json}");

    let text = get(&admin, "/api/explain?deployment=gpt-4o&as=text").2;
    let first = "b is taken: it leads for requests like this one\nb leads: it has the best score";
    assert!(text.starts_with(first) && text.contains("-> b: costs "), "{text}");

    let speech = json_of(&admin, "/api/explain?deployment=gpt-4o&path=/v1/audio/speech");
    assert_eq!(speech["chosen"]["region"], "a");
    let lacking = &speech["candidates"][1];
    assert_eq!(
        (&lacking["condition"], &lacking["condition_left_ms"]),
        (&"lacking".into(), &9000.0.into())
    );
}

#[test]
fn a_choice_by_score_and_the_fallback_are_explained_too() {
    let admin = start([answer(300), FAILED], |_| {});
    for (path, ranking) in [
        ("/api/explain?deployment=gpt-4o", "gpt-4o"),
        ("/api/explain?path=/of/gpt-4o", "gpt-4o"),
        ("/api/explain?deployment=unheard-of", "other"),
        ("/api/explain", "other"),
    ] {
        let json = json_of(&admin, path);
        assert_eq!((&json["ranking"], &json["decided_by"]), (&ranking.into(), &"score".into()));
        assert_eq!(
            (&json["chosen"]["region"], &json["chosen"]["why"]),
            (&"a".into(), &"order".into())
        );
        let down = &json["candidates"][1];
        assert_eq!((&down["condition"], &down["cost"]), (&"down".into(), &Value::Null), "{path}");
    }
    let nobody = json_of(&admin, "/api/explain?deployment=elsewhere");
    assert_eq!(
        (&nobody["chosen"], &nobody["candidates"][0]["serves"]),
        (&Value::Null, &false.into())
    );
    let text = get(&admin, "/api/explain?deployment=elsewhere&as=text").2;
    assert!(text.contains("no region is taken") && text.contains("does not serve"), "{text}");
}

#[test]
fn what_a_fence_keeps_out_is_shown_with_the_fence_and_is_not_taken() {
    let admin = adaptive([answer(300), answer(90)], |_| {});
    let json = json_of(&admin, "/api/explain?deployment=gpt-4o&client=web&method=put");
    assert_eq!(json["asked"]["client"], "web");
    assert_eq!(
        (&json["asked"]["method"], &json["asked"]["clients_unasked"]),
        (&"PUT".into(), &json!([]))
    );
    assert_eq!(json["chosen"]["region"], "a");
    let (a, b) = (&json["candidates"][0], &json["candidates"][1]);
    assert_eq!((&a["region"], &a["kept_out_by"]), (&"a".into(), &Value::Null));
    assert_eq!((&b["region"], &b["kept_out_by"]), (&"b".into(), &"clients.web.zones".into()));

    let text = get(&admin, "/api/explain?deployment=gpt-4o&client=web&method=GET&as=text").2;
    assert!(text.contains("\nasked: gpt-4o, GET /v1/chat/completions, "), "{text}");
    assert!(text.contains("(stream_short), by web\n"), "{text}");
    assert!(text.contains("   b: costs ") && text.contains(", kept out by clients.web.zones\n"));
    assert!(!text.contains("no fence of theirs"), "{text}");

    let text = get(&admin, "/api/explain?as=text").2;
    let unasked = "no client is named, so no fence of theirs is asked; there are web\n";
    assert!(text.contains(unasked), "{text}");
    let (status, _, body) = get(&admin, "/api/explain?client=batch");
    assert_eq!((status, &*body), (404, "{\"error\":\"client: unknown; there are web\"}\n"));
}

#[test]
fn to_explain_claims_no_trial() {
    let now = Moment::from(NOW);
    let admin = taught(
        [answer(300), answer(400)],
        |_| {},
        |table| {
            let first = &table.ranking(Some("gpt-4o")).order[0];
            let sent = Moment::from(NOW - Duration::from_secs(5));
            assert!(first.vitals.breaker().failed(Failure::Unreachable, sent, sent, &BREAKER));
            assert_eq!(first.condition(Lack::DEPLOYMENT, now), Condition::Recovering);
        },
    );
    for _ in 0..3 {
        let json = json_of(&admin, "/api/explain?deployment=gpt-4o");
        assert_eq!(json["chosen"]["region"], "a", "the trial is still free");
    }
}

#[test]
fn a_question_that_cannot_be_read_is_refused_in_one_line_of_json() {
    let admin = start([answer(300), FAILED], |_| {});
    for (query, wrong) in [
        ("explain?region=a", "unknown parameter; there are deployment, client, method, path"),
        ("explain?method=a%20b", "method: write one of HTTP, such as GET"),
        ("explain?prompt_tokens=-1", "prompt_tokens: write a whole number"),
        ("explain?stream=yes", "stream: write true or false"),
        ("explain?path=v1", "path: bad"),
        ("explain?as=xml", "as: write json or text"),
        ("explain?deployment=a&path=/of/b", "deployment: the path names another one, b"),
        ("changes?deployment=nope", "deployment: not ranked; there are gpt-4o, other"),
    ] {
        let (status, head, body) = get(&admin, &format!("/api/{query}"));
        let json: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 400 && head.contains("application/json"), "{query}: {head}");
        assert!(json["error"].as_str().unwrap().starts_with(wrong), "{query}: {body}");
        assert_eq!(body.find('\n'), Some(body.len() - 1), "{query}");
    }
}

#[test]
fn changes_are_told_newest_first_with_a_sentence() {
    let admin = start([answer(300), FAILED], |_| {});
    let json = json_of(&admin, "/api/changes?deployment=gpt-4o");
    let change = json!({
        "deployment": "gpt-4o", "age_ms": 0.0, "from": null, "to": "a", "verdict": "best",
        "sentence": "a leads for gpt-4o: it has the best score",
    });
    assert_eq!(json, json!({"changes": [change]}));
    assert_eq!(json_of(&admin, "/api/changes")["changes"].as_array().unwrap().len(), 2);
}

#[test]
fn the_table_tells_costs_doubt_the_leaders_of_the_classes_and_the_last_changes() {
    let json = json_of(&adaptive([answer(300), answer(90)], |_| {}), "/api/regions");
    let deployment = &json["deployments"][0];
    let classes = deployment["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 6);
    let first = json!({
        "class": "stream_short", "main": true, "leader": "b", "leader_for_ms": 0.0,
        "verdict": "best",
    });
    assert_eq!(classes[0], first);
    let (b, a) = (&deployment["order"][0], &deployment["order"][1]);
    assert!(b["cost_ms"].as_f64() < a["cost_ms"].as_f64(), "{deployment}");
    assert!(b["doubt_ms"].as_f64().unwrap() > 0.0, "{deployment}");
    assert_eq!(json["changes"][0]["to"], "b");
    assert_eq!(json["changes"].as_array().unwrap().len(), 1, "the fallback only repeats it");

    let json = json_of(&start([answer(300), FAILED], |_| {}), "/api/regions");
    let deployment = &json["deployments"][0];
    assert_eq!(
        (&deployment["classes"], &deployment["order"][0]["cost_ms"]),
        (&json!([]), &Value::Null)
    );
}
