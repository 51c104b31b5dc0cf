//! What the log says, in both formats, and what it never says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nearway_telemetry::{
    BreakerOpened, Failover, LeaderChange, LogFormat, OTHER, Reload, RequestLine, RequestOutcome,
    breaker_closed, breaker_opened, breaker_returning, credential_refused, failover, leader_change,
    log_subscriber, reload_applied, reload_rejected, request_line, request_lines_enabled,
    without_request_lines,
};
use serde_json::{Value, json};
use tracing::subscriber::with_default;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `work` logs under this filter.
fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = log_subscriber(format, filter, move || writer.clone()).unwrap();
    with_default(subscriber, work);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

fn line<'a>() -> RequestLine<'a> {
    RequestLine {
        method: "POST",
        path: "/openai/deployments/gpt-4o/chat/completions?api-version=1&api-key=s3cret",
        client: Some("web"),
        operation: "chat_completions",
        deployment: Some("gpt-4o"),
        region: Some("eastus"),
        attempts: 2,
        status: Some(200),
        outcome: RequestOutcome::Ok,
        first_token: Some(Duration::from_micros(123_456)),
        total: Duration::from_millis(2500),
        added: Duration::from_micros(87),
        bytes_in: 512,
        bytes_out: 4096,
    }
}

#[test]
fn a_request_is_one_json_object_without_its_query() {
    let text = logged(LogFormat::Json, "info", || request_line(&line()));
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert_eq!(
        object,
        json!({
            "level": "INFO", "target": "nearway::request", "message": "request",
            "method": "POST", "path": "/openai/deployments/gpt-4o/chat/completions",
            "client": "web", "operation": "chat_completions", "deployment": "gpt-4o", "region": "eastus",
            "attempts": 2, "status": 200, "outcome": "ok", "first_token_ms": 123.456,
            "total_ms": 2500.0, "added_us": 87, "bytes_in": 512, "bytes_out": 4096,
        })
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let bare = RequestLine {
        client: None,
        deployment: None,
        region: None,
        status: None,
        first_token: None,
        ..line()
    };
    let text = logged(LogFormat::Json, "info", || request_line(&bare));
    let object: Value = serde_json::from_str(&text).unwrap();
    for key in ["client", "deployment", "region", "status", "first_token_ms"] {
        assert_eq!(object.get(key), None, "{key}");
    }
}

#[test]
fn a_clients_text_cannot_forge_a_line_or_colour_the_terminal() {
    let forged = RequestLine { deployment: Some("x\nERROR forged \u{1b}[31m"), ..line() };
    for format in [LogFormat::Text, LogFormat::Json] {
        let text = logged(format, "info", || request_line(&forged));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn request_lines_are_switched_off_alone() {
    let event = Failover {
        from: "eastus",
        to: "westus",
        reason: "timeout",
        after: Duration::from_secs(3),
        attempt: 2,
        deployment: None,
    };
    let text = logged(LogFormat::Text, &without_request_lines("info"), || {
        assert!(!request_lines_enabled());
        request_line(&line());
        failover(&event);
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(
            "WARN nearway::failover: region eastus failed (timeout), asking westus instead"
        )
    );
}

#[test]
fn a_leader_change_is_a_sentence_with_its_reason() {
    let change =
        |from| LeaderChange { deployment: "gpt-4o", from, to: "westus", verdict: "40 % faster" };
    let text = logged(LogFormat::Text, "info", || {
        leader_change(&change(None));
        leader_change(&change(Some("eastus")));
    });
    assert!(text.contains("westus now leads for gpt-4o: 40 % faster"), "{text}");
    assert!(text.contains("westus now leads for gpt-4o (before: eastus): 40 % faster"), "{text}");
}

#[test]
fn a_breaker_tells_its_life_in_sentences() {
    let text = logged(LogFormat::Text, "info", || {
        let ramp = Duration::from_secs(10);
        for deployment in [None, Some("gpt-4o"), Some(OTHER)] {
            // as a deadline in whole microseconds may say it
            let pause = Duration::from_nanos(5_000_000_432);
            let reason = "connect";
            breaker_opened(&BreakerOpened { region: "eastus", deployment, reason, pause });
            breaker_returning("eastus", deployment, ramp);
            breaker_closed("eastus", deployment);
        }
    });
    let expected = [
        "WARN nearway::breaker: region eastus failed too often (connect), its breaker is open: \
         nothing goes there for 5s ",
        "INFO nearway::breaker: region eastus answers again, its traffic returns over 10s ",
        "INFO nearway::breaker: region eastus is back in full ",
        "region eastus failed too often for gpt-4o (connect), its breaker is open: nothing goes \
         there for gpt-4o for 5s ",
        "region eastus answers again for gpt-4o, its traffic returns over 10s ",
        "region eastus is back in full for gpt-4o ",
        "failed too often for deployments that are not probed (connect)",
        "answers again for deployments that are not probed, its",
        "is back in full for deployments that are not probed ",
    ];
    assert_eq!(text.lines().count(), expected.len(), "{text}");
    for (line, expected) in text.lines().zip(expected) {
        assert!(line.contains(expected), "{line}\n{expected}");
    }
}

#[test]
fn a_refused_key_says_which_and_what_to_do() {
    let text = logged(LogFormat::Text, "info", || credential_refused("eastus"));
    assert!(
        text.contains("ERROR nearway::credential: region eastus refuses its key")
            && text.contains("correct regions.eastus.api_key"),
        "{text}"
    );
}

#[test]
fn a_reload_says_what_changed_and_what_needs_a_restart() {
    let text = logged(LogFormat::Text, "info", || {
        let reload = Reload { generation: 3, added: 1, removed: 0, changed: 2, needs_restart: &[] };
        reload_applied(&reload);
        reload_applied(&Reload { needs_restart: &["workers", "listen.address"], ..reload });
        reload_rejected(3, "config.yaml:12: regions[0].url: not a URL");
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines[0].contains("configuration 3 is in force: 1 regions added, 0 removed, 2 changed")
    );
    assert!(lines[2].contains("WARN") && lines[2].contains("workers, listen.address"));
    assert!(lines[3].contains("ERROR") && lines[3].contains("config.yaml:12: regions[0].url"));
}
