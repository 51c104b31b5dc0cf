//! A request that its region keeps for much too long is sent to a second one too.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use nearway_route::{Outcome, RegionId};
use tokio::time::Instant;

use crate::harness::{Proxy, TAKES, region};
use crate::raw::{PATIENCE, RawRegion};

const WHOLE: &str = "{}";
const STREAM: &str = r#"{"stream":true}"#;

const EVENTS: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /openai/deployments/gpt-4o/{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn good() -> RawRegion {
    RawRegion::start(|request, connection| {
        let kind = if request.text() == STREAM { "text/event-stream" } else { "text/plain" };
        let length = EVENTS.len();
        connection.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{EVENTS}"
        ));
    })
}

fn rescues(proxy: &Proxy, event: &str, count: u32) -> bool {
    let line = format!("nearway_rescues_total{{event=\"{event}\"}} {count}\n");
    proxy.metrics.render().contains(&line)
}

fn is_rescued(stuck: &RawRegion, body: &str) {
    let good = good();
    let regions = [region("stuck", &stuck.url()), region("good", &good.url())];
    let proxy = Proxy::adaptive(&regions, |_| {});
    let answer = proxy.ask(&post("chat/completions", body));
    assert_eq!((answer.status(), answer.text()), (200, EVENTS), "{}", answer.head);
    assert_eq!(answer.header("x-nearway-region"), Some("good"));
    assert_eq!(answer.header("x-nearway-attempts"), Some("2"));
    assert!(rescues(&proxy, "started", 1) && rescues(&proxy, "won", 1));

    let (lost, won) = (proxy.report(), proxy.report());
    assert_eq!((lost.region, won.region), (RegionId(1), RegionId(2)));
    let Outcome::GivenUp { after } = lost.sample.outcome else { panic!("{lost:?}") };
    assert!(after >= 3 * TAKES, "{after:?}");
    assert!(matches!(won.sample.outcome, Outcome::Answer { .. }), "{won:?}");
}

#[test]
fn who_waits_alone_for_a_head_is_rescued() {
    for body in [STREAM, WHOLE] {
        is_rescued(&RawRegion::start(|_, _| {}), body);
    }
}

#[test]
fn who_waits_behind_a_head_is_rescued() {
    for (kind, body) in [("text/event-stream", STREAM), ("application/json", WHOLE)] {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 400\r\n\r\n");
        is_rescued(&RawRegion::start(move |_, connection| connection.send(&head)), body);
    }
}

#[test]
fn only_what_may_be_repeated_and_where_it_is_wanted() {
    for (rescue, path, body) in
        [(false, "chat/completions", STREAM), (true, "responses", STREAM), (true, "files", WHOLE)]
    {
        let (stuck, good) = (RawRegion::start(|_, _| {}), good());
        let regions = [region("stuck", &stuck.url()), region("good", &good.url())];
        let proxy = Proxy::adaptive(&regions, |settings| {
            settings.rescue = rescue;
            // it ends by this
            settings.timeouts.head = Duration::from_secs(2);
        });
        proxy.ask(&post(path, body));
        assert!(rescues(&proxy, "started", 0), "{path}");
    }
}

#[test]
fn of_all_that_are_stuck_no_more_are_rescued_than_the_budget_allows() {
    // one a second for the ten seconds that count; 3 % of the requests add less than one
    const BUDGET: u32 = 10;
    const REQUESTS: usize = 24;
    let (stuck, good) = (RawRegion::start(|_, _| {}), good());
    let regions = [region("stuck", &stuck.url()), region("good", &good.url())];
    let proxy = Proxy::adaptive(&regions, |_| {});
    let mut clients: Vec<_> = (0..REQUESTS).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(post("chat/completions", STREAM));
    }
    // the others go there when the region has been silent for long enough, before any timeout
    let sent = Instant::now();
    for client in &mut clients {
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, EVENTS), "{}", answer.head);
    }
    assert!(stuck.seen().len() > BUDGET as usize, "{} came there", stuck.seen().len());
    assert!(rescues(&proxy, "started", BUDGET) && rescues(&proxy, "won", BUDGET));
    assert!(Instant::now() - sent < PATIENCE / 3);
    let moved = stuck.seen().len() - BUDGET as usize;
    assert!(rescues(&proxy, "refused", u32::try_from(moved).unwrap()), "{moved}");
    let line = format!("{{from=\"stuck\",to=\"good\",reason=\"head_timeout\"}} {moved}\n");
    let metrics = proxy.metrics.render();
    assert!(metrics.contains(&line), "{line}{metrics}");
}

#[test]
fn who_waits_behind_a_head_and_beyond_the_budget_goes_elsewhere_when_the_region_is_silent() {
    const BEGUN: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{\"a\":";
    let stalling = RawRegion::start(|_, connection| connection.send(BEGUN));
    let good = good();
    let regions = [region("stalling", &stalling.url()), region("good", &good.url())];
    let proxy = Proxy::adaptive(&regions, |_| {});
    let mut clients: Vec<_> = (0..24).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(post("chat/completions", WHOLE));
    }
    for client in &mut clients {
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, EVENTS), "{}", answer.head);
    }
    assert!(stalling.seen().len() > 10, "more than the budget");
}

#[test]
fn a_rescue_that_comes_to_nothing_does_no_harm() {
    let (refused, wait) = channel();
    let (refused, wait) = (Mutex::new(refused), Mutex::new(wait));
    let slow = RawRegion::start(move |_, connection| {
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow");
    });
    let failing = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
        refused.lock().unwrap().send(()).unwrap();
    });
    let regions = [region("slow", &slow.url()), region("failing", &failing.url())];
    let proxy = Proxy::adaptive(&regions, |_| {});
    let answer = proxy.ask(&post("chat/completions", STREAM));
    assert_eq!((answer.status(), answer.text()), (200, "slow"), "{}", answer.head);
    assert!(rescues(&proxy, "started", 1) && rescues(&proxy, "wasted", 1));
    let report = proxy.report();
    assert_eq!(report.region, RegionId(2));
    // the answer may overtake the refusal
    let outcome = report.sample.outcome;
    assert!(matches!(outcome, Outcome::Failure { .. } | Outcome::GivenUp { .. }), "{outcome:?}");
}
