//! Answers that begin before the request has ended, and what a region says unasked.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{Proxy, region};
use crate::raw::{Client, PATIENCE, RawRegion};

const SHORT: Duration = Duration::from_millis(300);
const LENGTH: usize = 5_000_000;
const GET: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A region that handles the bytes behind a request's head itself.
fn bare(handle: impl Fn(Client) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, handle) = (stream.unwrap(), handle.clone());
            std::thread::spawn(move || {
                let mut connection = Client::over(stream);
                // a warm connection may wait for longer than a test is patient, and brings none
                connection.stream.set_read_timeout(None).unwrap();
                if connection.until("\r\n\r\n").is_some() {
                    handle(connection);
                }
            });
        }
    });
    url
}

fn upload(client: &mut Client) {
    client.send(format!("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: {LENGTH}\r\n\r\n"));
}

#[test]
fn a_region_that_answers_and_takes_no_more_is_heard_to_its_end() {
    let (_never, clock) = channel::<()>();
    let clock = Mutex::new(clock);
    let url = bare(move |mut connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
        let _ = clock.lock().unwrap().recv_timeout(3 * SHORT);
        connection.send("k");
        connection.is_closed();
    });
    let proxy = Proxy::tuned(&[region("only", &url)], |settings| settings.timeouts.write = SHORT);
    let mut client = proxy.client();
    upload(&mut client);
    let mut writer = client.stream.try_clone().unwrap();
    // what the region does not take may stay with the client
    let sender = std::thread::spawn(move || writer.write_all(&vec![b'x'; LENGTH - 1]));
    let answer = client.response();
    assert_eq!((answer.status(), answer.text(), answer.complete), (200, "ok", true));
    drop((client, proxy));
    let _ = sender.join().unwrap();
}

#[test]
fn answer_and_upload_pass_each_other() {
    let url = bare(|mut connection| {
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"));
        let mut left = LENGTH;
        // what came with the head, then the rest: all goes back at once
        while left > 0 {
            let piece = connection.exactly(left.min(10_000));
            connection.send(&piece);
            left -= piece.len();
        }
        connection.is_closed();
    });
    let proxy = Proxy::start(&[region("echo", &url)]);
    let mut client = proxy.client();
    upload(&mut client);
    let body: Vec<u8> = (0..LENGTH).map(|at| at.to_le_bytes()[1]).collect();
    let mut writer = client.stream.try_clone().unwrap();
    let sending = body.clone();
    let sender = std::thread::spawn(move || writer.write_all(&sending));
    assert!(client.response().body == body);
    sender.join().unwrap().unwrap();
}

#[test]
fn an_upload_goes_on_behind_an_answer_that_is_complete() {
    let (go, wait) = channel::<()>();
    let (got, all) = channel();
    let ends = Mutex::new((go, got));
    let url = bare(move |mut connection| {
        connection.send(OK);
        let ends = ends.lock().unwrap();
        ends.0.send(()).unwrap();
        ends.1.send(connection.exactly(200_000).len()).unwrap();
    });
    let proxy = Proxy::start(&[region("hasty", &url)]);
    let mut client = proxy.client();
    client.send("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    wait.recv_timeout(PATIENCE).expect("the region has answered");
    assert_eq!(client.response().text(), "ok");
    let _ = client.stream.write_all(&vec![b'x'; 100_000]);
    let arrived = all.recv_timeout(PATIENCE).expect("the region reads on");
    assert!(arrived >= 100_000, "{arrived}");
}

#[test]
fn a_client_that_leaves_in_an_early_answer_cancels_too() {
    let (left, leave) = channel::<()>();
    let left = Mutex::new(left);
    let url = bare(move |mut connection| {
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
        let _ = std::io::copy(&mut connection.stream, &mut std::io::sink());
        left.lock().unwrap().send(()).unwrap();
    });
    let proxy = Proxy::start(&[region("early", &url)]);
    let mut client = proxy.client();
    upload(&mut client);
    client.send(vec![b'x'; 100_000]);
    client.until("hello\r\n").expect("the answer has begun");
    drop(client);
    leave.recv_timeout(Duration::from_secs(1)).expect("within a second");
}

#[test]
fn an_early_refusal_arrives_though_the_region_hangs_up() {
    let url = bare(|mut connection| {
        connection.send("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig");
        // with bytes unread: a reset
    });
    let proxy = Proxy::start(&[region("strict", &url)]);
    let mut client = proxy.client();
    upload(&mut client);
    client.send(vec![b'x'; 100_000]);
    let answer = client.response();
    assert_eq!((answer.status(), answer.text()), (413, "big"));
}

#[test]
fn what_a_region_says_unasked_ends_its_connection_and_reaches_nobody() {
    for extra in ["HTTP/1.1 408 Request Timeout\r\ncontent-length: 3\r\n\r\nbad", "\r\n", "x"] {
        let raw = RawRegion::start(move |_, connection| connection.send(format!("{OK}{extra}")));
        let proxy = Proxy::start(&[region("chatty", &raw.url())]);
        let mut client = proxy.client();
        for _ in 0..5 {
            client.send(GET);
            let answer = client.response();
            assert_eq!((answer.status(), answer.text()), (200, "ok"), "{extra:?}");
        }
    }
}

#[test]
fn bodies_end_as_their_region_frames_them() {
    let answers = [
        ("HTTP/1.0 200 OK\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\n\r\n",
            false,
        ),
    ];
    for (answer, closes) in answers {
        let raw = RawRegion::start(move |_, connection| {
            for piece in answer.as_bytes().chunks(7) {
                connection.send(piece);
            }
            if closes {
                connection.stream.shutdown(std::net::Shutdown::Write).unwrap();
            }
        });
        let proxy = Proxy::start(&[region("only", &raw.url())]);
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send(GET);
            let answer = client.response();
            assert_eq!((answer.text(), answer.complete), ("hello", true), "{}", answer.head);
        }
    }
}

#[test]
fn a_head_beyond_its_bound_is_refused_and_one_below_it_passes() {
    for (size, status) in [(60_000, 200), (70_000, 502)] {
        let raw = RawRegion::start(move |_, connection| {
            let long = "x".repeat(size);
            let head = format!("HTTP/1.1 200 OK\r\nx-long: {long}\r\ncontent-length: 2\r\n\r\nok");
            let _ = connection.stream.write_all(head.as_bytes());
        });
        let proxy = Proxy::start(&[region("wordy", &raw.url())]);
        assert_eq!(proxy.ask(GET).status(), status, "{size}");
    }
}
