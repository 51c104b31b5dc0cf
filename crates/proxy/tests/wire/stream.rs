//! Answers that take their time: every event at once, every cut seen, every leave passed on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use socket2::SockRef;

use crate::harness::{Proxy, region};
use crate::raw::{PATIENCE, RawRegion, eventually};

const STREAM: &str =
    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";
const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// What is no stream of events is not held back until its first one.
const PLAIN: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn before(raw: &RawRegion) -> Proxy {
    Proxy::start(&[region("only", &raw.url())])
}

#[test]
fn head_and_each_event_arrive_before_the_next_is_sent() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let raw = RawRegion::start(move |_, connection| {
        let wait = wait.lock().unwrap();
        connection.send(HEAD);
        for number in 0..5 {
            wait.recv_timeout(PATIENCE).expect("the client has the one before");
            connection.send(format!("9\r\ndata: {number}\n\n\r\n"));
        }
        connection.send("0\r\n\r\n");
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send(STREAM);
    for number in 0..5 {
        go.send(()).unwrap();
        if number == 0 {
            // the head waits for the first event, and for no other
            assert!(client.until("\r\n\r\n").unwrap().starts_with("HTTP/1.1 200"));
        }
        assert_eq!(client.until("\n\n\r\n").unwrap(), format!("9\r\ndata: {number}\n\n\r\n"));
    }
    assert_eq!(client.until("\r\n\r\n").unwrap(), "0\r\n\r\n");
}

#[test]
fn a_cut_region_looks_cut_to_the_client() {
    let heads = [PLAIN, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"];
    for (head, piece) in heads.into_iter().zip(["5\r\nhello\r\n", "hello"]) {
        let raw = RawRegion::start(move |_, connection| {
            connection.send(format!("{head}{piece}"));
            connection.stream.shutdown(Shutdown::Both).unwrap();
        });
        let answer = before(&raw).ask(STREAM);
        assert_eq!((answer.status(), answer.text(), answer.complete), (200, "hello", false));
    }
}

/// A region that says when the proxy has ended its connection.
fn watching(first: &'static str) -> (RawRegion, Receiver<()>, Receiver<()>) {
    let (arrived, arrival) = channel();
    let (left, leave) = channel();
    let ends = Mutex::new((arrived, left));
    let raw = RawRegion::start(move |_, connection| {
        let ends = ends.lock().unwrap();
        connection.send(first);
        ends.0.send(()).unwrap();
        connection.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ended = matches!(connection.stream.read(&mut [0; 1]), Ok(0))
            || connection.stream.take_error().is_ok();
        assert!(ended);
        ends.1.send(()).unwrap();
    });
    (raw, arrival, leave)
}

#[test]
fn a_client_that_leaves_cancels_the_region_within_a_second() {
    for first in ["", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let (raw, arrival, leave) = watching(first);
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(STREAM);
        arrival.recv_timeout(PATIENCE).expect("the region is asked");
        if !first.is_empty() {
            client.until("hello").expect("the stream has begun");
        }
        drop(client);
        leave
            .recv_timeout(Duration::from_secs(1))
            .expect("the region's connection ends within a second");
    }
}

#[test]
fn a_stream_that_has_ended_frees_its_connection_for_the_next() {
    let raw = RawRegion::start(|_, connection| {
        connection.send(format!("{HEAD}5\r\nhello\r\n0\r\n\r\n"));
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.send(STREAM);
        let answer = client.response();
        assert!(answer.complete && answer.text() == "hello", "{answer:?}");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_upload_cancels_the_region_too() {
    let (begun, arrival) = channel();
    let (left, leave) = channel();
    // reads bodies itself: what it is asked is known before the body is complete
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, begun, left) = (stream.unwrap(), begun.clone(), left.clone());
            std::thread::spawn(move || {
                // a warm connection brings nothing
                if matches!(stream.read(&mut [0; 1]), Ok(1)) {
                    begun.send(()).unwrap();
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    left.send(()).unwrap();
                }
            });
        }
    });
    let proxy = Proxy::start(&[region("only", &url)]);
    for framing in ["content-length: 900000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n30d40\r\n"]
    {
        let mut client = proxy.client();
        client.send(format!("POST /openai/deployments/d/x HTTP/1.1\r\nhost: a\r\n{framing}"));
        client.send(vec![b'x'; 200_000]);
        arrival.recv_timeout(PATIENCE).expect("the upload has begun");
        drop(client);
        leave
            .recv_timeout(Duration::from_secs(1))
            .expect("the region's connection ends within a second");
    }
}

#[test]
fn a_client_that_leaves_with_bytes_still_unread_cancels_the_region_too() {
    let next = "GET /v1/next HTTP/1.1\r\nhost: a\r\n\r\n";
    // the last is more than hyper reads at once: its end stays in the kernel
    for unread in ["\r\n".to_owned(), next.to_owned(), next.repeat(1000)] {
        let (raw, arrival, leave) = watching("");
        let proxy = before(&raw);
        let mut client = proxy.client();
        client.send(format!("{STREAM}{unread}"));
        arrival.recv_timeout(PATIENCE).expect("the region is asked");
        drop(client);
        leave
            .recv_timeout(Duration::from_secs(1))
            .expect("the region's connection ends within a second");
        eventually("the client is counted as gone", || clients_gone(&proxy) == 1);
    }
}

#[test]
fn a_client_that_breaks_off_an_upload_that_the_region_does_not_take_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let proxy = Proxy::start(&[region("only", &url)]);
    let mut client = proxy.client();
    client.send("POST /openai/deployments/d/x HTTP/1.1\r\nhost: a\r\n");
    client.send("content-length: 900000000\r\n\r\n");
    // until nobody on the way takes any more
    client.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    while client.stream.write(&[b'x'; 100_000]).is_ok() {}
    // an orderly end would stand behind what the client could not send
    SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually("the client is counted as gone", || clients_gone(&proxy) == 1);
}

fn clients_gone(proxy: &Proxy) -> usize {
    let rendered = proxy.metrics.render();
    let is_gone = |line: &&str| {
        line.starts_with("nearway_requests_total{") && line.contains("outcome=\"client_gone\"")
    };
    let lines = rendered.lines().filter(is_gone);
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

#[test]
fn a_client_that_leaves_during_a_failover_cancels_the_next_region() {
    let first = RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 0\r\n\r\n");
    let (second, arrival, leave) = watching("");
    let proxy = Proxy::start(&[region("first", &first.url()), region("second", &second.url())]);
    let mut client = proxy.client();
    client.send(STREAM);
    arrival.recv_timeout(PATIENCE).expect("the second region is asked");
    drop(client);
    leave
        .recv_timeout(Duration::from_secs(1))
        .expect("the region's connection ends within a second");
    assert_eq!(first.seen().len(), 1);
}

#[test]
fn junk_in_a_regions_chunks_looks_cut() {
    for junk in ["ZZ\r\n", "5\r\nhelloXX0\r\n\r\n", "ffffffffffffffffff\r\nhello"] {
        let raw = RawRegion::start(move |_, connection| {
            connection.send(format!("{PLAIN}5\r\nhello\r\n{junk}"));
        });
        let answer = before(&raw).ask(STREAM);
        assert!(!answer.complete && answer.text().starts_with("hello"), "{junk:?}: {answer:?}");
    }
}

#[test]
fn a_cut_region_looks_cut_to_an_older_client() {
    let raw = RawRegion::start(move |_, connection| {
        connection.send(format!("{PLAIN}5\r\nhello\r\n"));
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let proxy = before(&raw);
    let mut client = proxy.client();
    client.send("GET /v1/x HTTP/1.0\r\n\r\n");
    // nothing but a reset can tell it (RFC 9112 8)
    let end = client.stream.read_to_end(&mut Vec::new());
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
