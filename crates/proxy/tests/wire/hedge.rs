//! A stream whose first content is late is asked for in the next region too, if that is wanted.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{PATIENCE, RawRegion, eventually};

const EVENTS: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n\
                      data: [DONE]\n\n";

fn request(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /openai/deployments/gpt-4o/{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn good() -> RawRegion {
    RawRegion::start(|_, connection| {
        let length = EVENTS.len();
        connection.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{EVENTS}"
        ));
    })
}

/// Behind a region that takes the request and says nothing.
fn behind_silence(second: &RawRegion, share: Option<f64>) -> (Proxy, RawRegion) {
    let silent = RawRegion::start(|_, _| {});
    let regions = [region("silent", &silent.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.hedge_share = share;
        settings.timeouts.head = Duration::from_secs(2);
    });
    (proxy, silent)
}

#[test]
fn the_first_content_wins_and_the_loser_is_cancelled() {
    let second = good();
    let (proxy, silent) = behind_silence(&second, Some(1.0));
    let answer = proxy.ask(&request("chat/completions", r#"{"stream":true}"#));
    assert_eq!((answer.status(), answer.text()), (200, EVENTS), "{}", answer.head);
    assert_eq!(answer.header("x-nearway-region"), Some("second"));
    assert_eq!(answer.header("x-nearway-attempts"), Some("2"));
    assert_eq!((silent.seen().len(), second.seen().len()), (1, 1));
    let counted = |event: &str, count: u32| {
        proxy
            .metrics
            .render()
            .contains(&format!("nearway_hedges_total{{event=\"{event}\"}} {count}\n"))
    };
    assert!(counted("started", 1) && counted("won", 1) && counted("wasted", 0));
    let tokens = "nearway_hedge_tokens_total{kind=\"prompt\"} 9\n";
    eventually("the loser's prompt counts", || proxy.metrics.render().contains(tokens));
    eventually("the loser's connection ends", || {
        proxy.metrics.render().contains("connections_closed_total{region=\"silent\"} 1\n")
    });
}

#[test]
fn only_streams_that_leave_nothing_behind_within_the_budget() {
    let stream = r#"{"stream":true}"#;
    for (share, path, body) in [
        (None, "chat/completions", stream),
        (Some(1.0), "chat/completions", "{}"),
        (Some(1.0), "completions", "{\"stream\":false}"),
        (Some(1.0), "embeddings", stream),
    ] {
        let second = good();
        let (proxy, _silent) = behind_silence(&second, share);
        // it ends by the timeout for the head
        let answer = proxy.ask(&request(path, body));
        assert!(proxy.metrics.render().contains("nearway_hedges_total{event=\"started\"} 0\n"));
        assert!(matches!(answer.status(), 200 | 504), "{}", answer.head);
    }
}

#[test]
fn a_loser_that_was_throttled_is_left_alone() {
    let (refused, wait) = channel();
    let (refused, wait) = (Mutex::new(refused), Mutex::new(wait));
    let slow = RawRegion::start(move |_, connection| {
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow");
    });
    let throttled = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 429 T\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
        refused.lock().unwrap().send(()).unwrap();
    });
    let third = good();
    let regions = [("slow", &slow), ("throttled", &throttled), ("third", &third)];
    let proxy = Proxy::tuned(&regions.map(|(name, raw)| region(name, &raw.url())), |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.hedge_share = Some(1.0);
    });
    let stream = request("chat/completions", r#"{"stream":true}"#);
    // the answer may overtake the refusal; from then on the first one waits for one that does not come
    eventually("the refusal counts", || proxy.ask(&stream).text() == EVENTS);
    let refusals = throttled.seen().len();
    assert_eq!(proxy.ask(&stream).text(), EVENTS);
    assert_eq!((throttled.seen().len(), third.seen().len()), (refusals, 2));
}

#[test]
fn a_first_one_that_failed_is_blamed_though_the_second_answers() {
    let (asked, when_asked) = channel();
    let (failed, when_failed) = channel();
    let [asked, failed] = [asked, failed].map(Mutex::new);
    let [when_asked, when_failed] = [when_asked, when_failed].map(Mutex::new);
    let failing = RawRegion::start(move |_, connection| {
        when_asked.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n");
        failed.lock().unwrap().send(()).unwrap();
    });
    let second = RawRegion::start(move |_, connection| {
        asked.lock().unwrap().send(()).unwrap();
        // nobody fails when it is asked alone
        let _ = when_failed.lock().unwrap().recv_timeout(Duration::from_millis(500));
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood");
    });
    let regions = [region("failing", &failing.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.hedge_share = Some(1.0);
    });
    eventually("its breaker opens", || {
        let answer = proxy.ask(&request("chat/completions", r#"{"stream":true}"#));
        assert_eq!((answer.status(), answer.text()), (200, "good"));
        answer.header("x-nearway-attempts") == Some("1")
    });
    assert_eq!(failing.seen().len(), 2, "two failures in a row");
}
