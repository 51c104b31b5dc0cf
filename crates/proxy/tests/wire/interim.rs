//! Interim answers (1xx) of a region: to the client at once, in order, before the final answer.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::harness::{Proxy, region};
use crate::raw::{Client, PATIENCE, RawRegion};

const ASK: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nlink: </b>\r\n\r\n";

fn before(raw: &RawRegion) -> Proxy {
    Proxy::start(&[region("only", &raw.url())])
}

/// The statuses of one answer, the final one last.
fn statuses(client: &mut Client) -> Vec<u16> {
    let mut all = Vec::new();
    loop {
        let response = client.response();
        all.push(response.status());
        if response.status() >= 200 || response.status() == 101 {
            return all;
        }
    }
}

#[test]
fn they_arrive_before_the_region_has_answered_with_their_headers() {
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let raw = RawRegion::start(move |_, connection| {
        connection.send(
            "HTTP/1.1 102 Processing\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\n\
             content-length: 7\r\nx-end: 1\r\n\r\n",
        );
        connection.send(HINTS);
        gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send(OK);
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    // the second request runs on used connections, on both sides
    for _ in 0..2 {
        client.send(ASK);
        let processing = client.response();
        assert!(processing.head.starts_with("HTTP/1.1 102 Processing\r\n"), "{}", processing.head);
        assert_eq!(processing.header("x-end"), Some("1"));
        for gone in ["connection", "x-hop", "keep-alive", "content-length"] {
            assert_eq!(processing.header(gone), None, "{gone}");
        }
        let hints = client.response();
        assert!(hints.head.starts_with("HTTP/1.1 103 Early Hints\r\n"), "{}", hints.head);
        assert_eq!(hints.all("link"), ["</a>; rel=preload", "</b>"]);
        open.send(()).unwrap();
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
}

#[test]
fn they_keep_their_order_however_the_bytes_arrive() {
    let all = format!("{HINTS}HTTP/1.1 199 \r\n\r\nHTTP/1.1 150 \r\nx-a: 1\r\n\r\n{OK}");
    for piece in [1, 7, 30, all.len()] {
        let bytes = all.clone();
        let raw = RawRegion::start(move |_, connection| {
            for piece in bytes.as_bytes().chunks(piece) {
                connection.send(piece);
            }
        });
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(ASK);
        assert_eq!(statuses(&mut client), [103, 199, 150, 200], "pieces of {piece}");
    }
}

#[test]
fn a_retry_keeps_those_of_the_region_that_failed() {
    let bad = RawRegion::answering(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 500 E\r\ncontent-length: 0\r\n\r\n",
    );
    let good = RawRegion::start(|_, connection| {
        connection.send(HINTS);
        connection.send(OK);
    });
    let proxy = Proxy::start(&[region("bad", &bad.url()), region("good", &good.url())]);
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(statuses(&mut client), [102, 103, 200]);
}

#[test]
fn pipelined_answers_are_not_mixed_up() {
    let raw = RawRegion::start(|request, connection| {
        if request.head.starts_with("GET /v1/x ") {
            connection.send(HINTS);
        }
        connection.send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n",
        );
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    let quiet = ASK.replace("/v1/x", "/v1/quiet");
    client.send(format!("{quiet}{ASK}{quiet}{ASK}"));
    for expected in [&[200][..], &[103, 200], &[200], &[103, 200]] {
        assert_eq!(statuses(&mut client), expected);
    }
}

#[test]
fn an_older_client_gets_only_the_answer() {
    let raw = RawRegion::start(|_, connection| {
        connection.send(HINTS);
        connection.send(OK);
    });
    let proxy = before(&raw);
    let answer = proxy.ask("GET /v1/x HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
}

#[test]
fn a_regions_100_is_neither_passed_on_nor_doubled() {
    let raw = RawRegion::start(|_, connection| {
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        connection.send(HINTS);
        connection.send(OK);
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(statuses(&mut client), [103, 200]);
    client.send(
        "POST /v1/x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
    );
    assert_eq!(client.response().status(), 100);
    client.send("abc");
    assert_eq!(statuses(&mut client), [103, 200]);
}

#[test]
fn an_upgrade_may_follow_them() {
    let raw = RawRegion::start(|_, connection| {
        connection.send(HINTS);
        connection.send(
            "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
        );
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(ASK.replace("\r\n\r\n", "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"));
    assert_eq!(statuses(&mut client), [103, 101]);
    assert_eq!(client.exactly(5), b"hello");
}

#[test]
fn a_flood_is_cut_and_the_answer_still_comes() {
    let big = format!("HTTP/1.1 103 Early Hints\r\nx-big: {}\r\n\r\n", "x".repeat(9_000));
    for (interim, expected) in [(HINTS.to_owned(), 16), (big, 1)] {
        let raw = RawRegion::start(move |_, connection| {
            for _ in 0..100 {
                connection.send(&interim);
            }
            connection.send(OK);
        });
        let proxy = before(&raw);
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(ASK);
            let seen = statuses(&mut client);
            assert_eq!(seen.len(), expected + 1, "{seen:?}");
        }
    }
}

#[test]
fn what_is_no_proper_head_is_not_passed_on() {
    for odd in ["HTTP/1.1 103 E\r\nx: \u{1}\r\n\r\n", "HTTP/1.0 103 E\r\n\r\n"] {
        let raw = RawRegion::start(move |_, connection| {
            connection.send(odd);
            connection.send(OK);
        });
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(ASK);
        let seen = statuses(&mut client);
        assert!(seen == [200] || seen == [502], "{odd:?}: {seen:?}");
    }
}
