//! A region that fails before its answer begins is not the client's business while another works.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, refused};

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const FILES: &str = "POST /v1/files HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

fn pair(first: &str, second: &str) -> Proxy {
    Proxy::start(&[region("first", first), region("second", second)])
}

fn resetting() -> RawRegion {
    RawRegion::start(|_, connection| connection.stream.shutdown(Shutdown::Both).unwrap())
}

fn both_answer_as(proxy: &Proxy, name: &str) {
    for _ in 0..4 {
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.text()), (200, name), "{}", answer.head);
    }
}

#[test]
fn a_refused_connection_goes_to_the_next_region() {
    let good = RawRegion::named("good");
    both_answer_as(&pair(&refused(), &good.url()), "good");
}

#[test]
fn a_5xx_or_a_reset_goes_to_the_next_region() {
    for bad in [
        RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n"),
        RawRegion::answering("HTTP/1.1 500 S\r\ncontent-length: 3\r\n\r\nbad"),
        RawRegion::answering("nonsense\r\n\r\n"),
        resetting(),
    ] {
        let good = RawRegion::named("good");
        both_answer_as(&pair(&bad.url(), &good.url()), "good");
    }
}

#[test]
fn a_429_rests_the_region_so_that_the_next_request_avoids_it() {
    let bad =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
    let good = RawRegion::named("good");
    let proxy = pair(&bad.url(), &good.url());
    both_answer_as(&proxy, "good");
    assert!(proxy.metrics.render().contains("nearway_failovers_total{reason=\"throttled\"} 1\n"));
    assert!(bad.seen().len() <= 1, "asked {} times", bad.seen().len());
}

#[test]
fn a_clients_own_wrong_key_is_not_held_against_the_region() {
    let strict = RawRegion::start(|request, connection| {
        connection.send(match request.header("api-key") {
            Some("good") => "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstrict",
            _ => "HTTP/1.1 401 U\r\ncontent-length: 2\r\n\r\nno",
        });
    });
    let other = RawRegion::named("other");
    let proxy = pair(&strict.url(), &other.url());
    let with_key = |key: &str| CHAT.replace("host: a", &format!("host: a\r\napi-key: {key}"));
    for _ in 0..4 {
        let answer = proxy.ask(&with_key("bad"));
        assert_eq!((answer.status(), answer.text()), (401, "no"));
    }
    assert_eq!(proxy.ask(&with_key("good")).text(), "strict");
}

#[test]
fn when_all_regions_are_throttled_the_client_sees_the_429() {
    let bad =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nslow");
    let proxy = pair(&bad.url(), &bad.url());
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("7")));
    assert_eq!((answer.text(), answer.header("x-nearway-attempts")), ("slow", Some("2")));
}

#[test]
fn when_nothing_answers_the_error_names_each_region_and_cause() {
    let answer = pair(&refused(), &refused()).ask(CHAT);
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"]["code"], "nearway_unreachable");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("first (connect)") && message.contains("second (connect)"),
        "{message}"
    );
}

#[test]
fn what_creates_state_is_not_sent_twice_unless_it_surely_did_not_arrive() {
    let (bad, good) = (resetting(), RawRegion::named("good"));
    let proxy = Proxy::start(&[region("bad", &bad.url()), region("good", &good.url())]);
    let pinned =
        |name: &str| FILES.replace("host: a", &format!("host: a\r\nx-nearway-region: {name}"));
    assert_eq!(proxy.ask(&pinned("bad")).status(), 502);
    assert_eq!(bad.seen().len(), 1, "a reset after the request was sent");
    let good = RawRegion::named("good");
    assert_eq!(pair(&refused(), &good.url()).ask(FILES).text(), "good");
}

#[test]
fn a_body_beyond_the_limit_is_sent_once() {
    let bad = RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n");
    let regions = [region("first", &bad.url()), region("second", &bad.url())];
    let proxy = Proxy::holding(&regions, 1024);
    let size = 100_000;
    let request = |size: usize| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{}",
            "x".repeat(size)
        )
    };
    let answer = proxy.ask(&request(size));
    assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (503, Some("1")));
    let answer = proxy.ask(&request(900));
    assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (503, Some("2")));
}

#[test]
fn a_connection_that_died_while_idle_is_no_error() {
    // answers once on a connection and then closes it without a word
    let region_once = RawRegion::start(|_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nonce");
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let proxy = Proxy::start(&[region("only", &region_once.url())]);
    for _ in 0..30 {
        let answer = proxy.ask(CHAT);
        assert_eq!((answer.status(), answer.header("x-nearway-attempts")), (200, Some("1")));
    }
}

#[test]
fn a_region_that_works_again_is_used_again() {
    static BROKEN: AtomicBool = AtomicBool::new(true);
    let flaky = RawRegion::start(|_, connection| {
        connection.send(if BROKEN.load(Ordering::Relaxed) {
            "HTTP/1.1 500 S\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        });
    });
    let proxy = Proxy::start(&[region("only", &flaky.url())]);
    assert_eq!(proxy.ask(CHAT).status(), 500);
    BROKEN.store(false, Ordering::Relaxed);
    assert_eq!(proxy.ask(CHAT).status(), 200, "a cooled region is better than none");
}

#[test]
fn a_region_that_refuses_while_the_body_is_still_coming_is_no_end() {
    for status in ["503 S", "429 T"] {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let go = std::sync::Mutex::new(go);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let busy = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // the head and no more; a warm connection brings none
                let mut head = [0; 4096];
                if matches!(std::io::Read::read(&mut stream, &mut head), Ok(1..)) {
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\n\r\nbad");
                    std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
                    go.lock().unwrap().send(()).unwrap();
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                }
            }
        });
        let good = RawRegion::named("good");
        let proxy = pair(&busy, &good.url());
        let mut client = proxy.client();
        client.send(
            "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\n\
             content-length: 200000\r\n\r\n",
        );
        client.send(vec![b'x'; 100_000]);
        wait.recv_timeout(crate::raw::PATIENCE).expect("the first region has refused");
        // longer than a body may take to come home
        let _ = wait.recv_timeout(std::time::Duration::from_millis(300));
        client.send(vec![b'x'; 100_000]);
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, "good"), "{}", answer.head);
        assert_eq!(good.seen().pop().unwrap().body.len(), 200_000);
    }
}

#[test]
fn a_refused_key_of_the_proxys_own_is_not_shown_as_the_clients() {
    let refusing =
        RawRegion::answering("HTTP/1.1 401 PermissionDenied\r\ncontent-length: 2\r\n\r\nno");
    let proxy = Proxy::start(&[region("only", &refusing.url()).key("wrong")]);
    let answer = proxy.ask(CHAT);
    assert_eq!(answer.status(), 502, "{}", answer.text());
    assert!(answer.text().contains("only (unauthorized)"), "{}", answer.text());
}
