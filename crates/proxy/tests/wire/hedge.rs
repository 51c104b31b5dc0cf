//! A stream whose first content is late is asked for in the next region too, if that is wanted.

use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, eventually};

const EVENTS: &str = "data: {\"choices\":[]}\n\ndata: [DONE]\n\n";

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
