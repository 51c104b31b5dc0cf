//! Streams that begin or end badly: fail over unseen before the first event, an honest end after it.

use std::net::Shutdown;
use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{Client, RawRegion, Response};

const CHAT: &str =
    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const GOOD: &str = "data: {\"choices\":[]}\n\ndata: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n";
const FILTERED: &str = "data: {\"error\":{\"message\":\"x\",\"code\":\"content_filter\"}}\n\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn stream(connection: &mut Client, text: &str) {
    connection.send(format!("{HEAD}{}0\r\n\r\n", chunk(text)));
}

fn streaming(text: &'static str) -> RawRegion {
    RawRegion::start(move |_, connection| stream(connection, text))
}

fn behind(first: &RawRegion, request: &str) -> (Response, usize) {
    let good = streaming(GOOD);
    let regions = [region("bad", &first.url()), region("good", &good.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.timeouts.first_token = Duration::from_millis(200);
    });
    let answer = proxy.ask(request);
    (answer, good.seen().len())
}

#[test]
fn a_stream_that_begins_badly_fails_over_unseen() {
    let cut = RawRegion::start(|_, connection| {
        connection.send(HEAD);
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let silent = RawRegion::start(|_, connection| connection.send(HEAD));
    let waiting = RawRegion::start(|_, connection| {
        connection.send(format!("{HEAD}{}", chunk(": still here\n\n")));
    });
    let in_pieces = RawRegion::start(|_, connection| {
        connection.send(HEAD);
        ERROR.as_bytes().chunks(9).for_each(|piece| {
            connection.send(chunk(std::str::from_utf8(piece).unwrap()));
        });
        connection.send("0\r\n\r\n");
    });
    let bad = [streaming(ERROR), streaming(": only\n\n"), streaming("data: [DONE]\n\n")];
    for (index, first) in bad.iter().chain([&cut, &silent, &waiting, &in_pieces]).enumerate() {
        let (answer, asked) = behind(first, CHAT);
        assert_eq!((answer.text(), asked), (GOOD, 1), "{index}: {}", answer.head);
        assert_eq!(answer.header("x-nearway-region"), Some("good"));
        assert_eq!(answer.header("x-nearway-attempts"), Some("2"));
    }
}

#[test]
fn what_the_client_earned_or_nobody_does_better_passes_as_it_is() {
    let (answer, asked) = behind(&streaming(FILTERED), CHAT);
    assert_eq!((answer.text(), asked), (FILTERED, 0));
    let (first, second) = (streaming(ERROR), streaming(ERROR));
    let proxy = Proxy::start(&[region("one", &first.url()), region("two", &second.url())]);
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.status(), answer.text()), (200, ERROR));
    assert_eq!(answer.header("x-nearway-attempts"), Some("3"));
}

#[test]
fn a_slow_last_region_is_waited_for() {
    let slow = RawRegion::start(|_, connection| {
        connection.send(HEAD);
        // longer than a first event may take where there is a choice
        std::thread::sleep(Duration::from_millis(500));
        connection.send(format!("{}0\r\n\r\n", chunk(GOOD)));
    });
    let proxy = Proxy::tuned(&[region("only", &slow.url())], |settings| {
        settings.timeouts.first_token = Duration::from_millis(100);
    });
    assert_eq!(proxy.ask(CHAT).text(), GOOD);
    let other = streaming(ERROR);
    let regions = [region("slow", &slow.url()), region("other", &other.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.timeouts.first_token = Duration::from_millis(100);
    });
    let pinned = CHAT.replace("\r\n\r\n", "\r\nx-nearway-region: slow\r\n\r\n");
    let answer = proxy.ask(&pinned);
    assert_eq!((answer.text(), answer.header("x-nearway-attempts")), (GOOD, Some("1")));
}

#[test]
fn what_creates_state_and_has_begun_is_not_repeated() {
    let request = CHAT.replace("chat/completions", "threads/runs");
    let (answer, asked) = behind(&streaming("event: error\ndata: {}\n\n"), &request);
    assert_eq!((answer.status(), asked), (200, 0));
}

#[test]
fn it_can_be_switched_off() {
    let (bad, good) = (streaming(ERROR), streaming(GOOD));
    let regions = [region("bad", &bad.url()), region("good", &good.url())];
    let proxy = Proxy::tuned(&regions, |settings| settings.hold_first_event = false);
    assert_eq!(proxy.ask(CHAT).text(), ERROR);
}

#[test]
fn a_region_that_dies_in_a_stream_ends_it_with_an_error_that_shows() {
    let dying = |first: &'static str| {
        RawRegion::start(move |_, connection| {
            connection.send(format!("{HEAD}{}", chunk(first)));
            connection.stream.shutdown(Shutdown::Both).unwrap();
        })
    };
    let first = "data: {\"choices\":[]}\n\n";
    let told = |request: &str, first: &'static str| {
        let raw = dying(first);
        let answer = Proxy::start(&[region("only", &raw.url())]).ask(request);
        assert!(!answer.complete, "the end must show: {}", answer.text());
        answer.text().strip_prefix(first).unwrap().to_owned()
    };
    let chat = told(CHAT, first);
    assert!(chat.starts_with("data: {\"error\":{\"message\":\"The stream ended early"), "{chat}");
    assert!(
        chat.contains("\"code\":\"nearway_stream_broken\"") && chat.ends_with("}\n\n"),
        "{chat}"
    );
    let responses = told(&CHAT.replace("chat/completions", "responses"), first);
    assert!(responses.starts_with("event: error\ndata: {\"type\":\"error\","), "{responses}");
    assert_eq!(told(CHAT, "data: {\"choices\":[]}\n\ndata: {\"ch"), "", "no word in another event");
}

#[test]
fn a_region_that_stalls_in_a_stream_ends_it_too() {
    let stalling = RawRegion::start(|_, connection| {
        connection.send(format!("{HEAD}{}", chunk("data: {\"choices\":[]}\n\n")));
    });
    let proxy = Proxy::tuned(&[region("only", &stalling.url())], |settings| {
        settings.timeouts.idle = Duration::from_millis(200);
    });
    let answer = proxy.ask(CHAT);
    assert!(!answer.complete && answer.text().contains("nearway_idle_timeout"), "{answer:?}");
}

#[test]
fn a_short_answer_that_breaks_off_fails_over_unseen() {
    const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for rest in [
        "content-length: 10\r\n\r\n{\"a\":",
        "transfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n",
        "transfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\nzz\r\n",
    ] {
        let cut = RawRegion::start(move |_, connection| {
            connection.send(format!("{JSON}{rest}"));
            connection.stream.shutdown(Shutdown::Both).unwrap();
        });
        let (answer, asked) = behind(&cut, CHAT);
        assert_eq!((answer.text(), asked), (GOOD, 1), "{rest:?}: {}", answer.head);
        // what may have created something is not repeated
        let (answer, asked) = behind(&cut, &CHAT.replace("chat/completions", "files"));
        assert_eq!((answer.status(), answer.complete, asked), (200, false, 0), "{rest:?}");
    }
    let slow = RawRegion::start(|_, connection| {
        connection.send(format!("{JSON}transfer-encoding: chunked\r\n\r\n1\r\n[\r\n"));
        connection.send("1\r\n]\r\n0\r\n\r\n");
    });
    let (answer, asked) = behind(&slow, CHAT);
    assert_eq!((answer.text(), asked, answer.complete), ("[]", 0, true));
}

#[test]
fn a_deployment_has_a_first_token_deadline_of_its_own() {
    let silent = RawRegion::start(|_, connection| connection.send(HEAD));
    let good = streaming(GOOD);
    let regions = [region("silent", &silent.url()), region("good", &good.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        // beyond what this test waits for
        settings.timeouts.first_token = Duration::from_secs(3600);
        settings.first_token_of = [("o3".into(), Duration::from_millis(200))].into();
    });
    let body = r#"{"model":"o3","stream":true}"#;
    let length = body.len();
    let in_body = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    for request in [in_body, CHAT.replace("/v1/", "/openai/deployments/o3/")] {
        let answer = proxy.ask(&request);
        assert_eq!(answer.text(), GOOD, "{}", answer.head);
    }
    assert_eq!(silent.seen().len(), 2);
}
