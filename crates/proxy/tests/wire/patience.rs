//! Nothing is waited for without end: neither a client nor a region can hold what it does not use.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{Client, PATIENCE, RawRegion, Response, eventually};

const ASK: &str = "GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);

fn tuned(raw: &RawRegion, tune: impl FnOnce(&mut Settings)) -> Proxy {
    Proxy::tuned(&[region("only", &raw.url())], tune)
}

#[test]
fn a_connection_that_idles_between_requests_is_closed() {
    let raw = RawRegion::named("only");
    let proxy = tuned(&raw, |settings| settings.timeouts.client_idle = SHORT);
    for requests in [0, 1, 3] {
        let mut client = proxy.client();
        for _ in 0..requests {
            client.send(ASK);
            assert_eq!(client.response().status(), 200);
        }
        // panics when nothing comes in PATIENCE
        assert!(client.is_closed(), "after {requests} requests");
    }
}

#[test]
fn half_a_preface_of_http_2_is_not_waited_for() {
    let raw = RawRegion::named("only");
    let proxy = tuned(&raw, |settings| settings.timeouts.client_idle = SHORT);
    for begun in ["P", "PRI", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut client = proxy.client();
        client.send(begun);
        assert!(client.is_closed(), "{begun:?}");
    }
}

/// A region that writes until the proxy hangs up, and then says so.
fn pouring() -> (RawRegion, Receiver<()>) {
    let (over, ended) = channel();
    let over = std::sync::Mutex::new(over);
    let raw = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        // a blocked write of the other side's making must not end it before the proxy does
        connection.stream.set_write_timeout(Some(2 * PATIENCE)).unwrap();
        while connection.stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
        over.lock().unwrap().send(()).unwrap();
    });
    (raw, ended)
}

#[test]
fn a_client_that_never_reads_does_not_hold_a_region_for_ever() {
    let (raw, ended) = pouring();
    let proxy = tuned(&raw, |settings| {
        settings.timeouts.total = 3 * SHORT;
        settings.timeouts.idle = SHORT;
    });
    let mut client = proxy.client();
    client.send(ASK);
    ended.recv_timeout(PATIENCE).expect("the region's connection ends");
}

/// A region that answers when it has the whole body, and a client that sends one slowly.
fn slow_upload(client: &mut Client, pieces: usize, pause: Duration) {
    let size = pieces * 50_000;
    client.send(format!(
        "POST /openai/deployments/d/x HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
    ));
    let (_never, clock) = channel::<()>();
    for _ in 0..pieces {
        client.send(vec![b'x'; 50_000]);
        let _ = clock.recv_timeout(pause);
    }
}

#[test]
fn the_time_of_an_upload_is_not_the_regions() {
    let raw = RawRegion::named("only");
    let proxy = tuned(&raw, |settings| settings.timeouts.head = 2 * SHORT);
    let mut client = proxy.client();
    slow_upload(&mut client, 4, SHORT);
    let answer = client.response();
    assert_eq!((answer.status(), answer.text()), (200, "only"));
}

#[test]
fn a_region_that_was_never_asked_is_not_to_blame() {
    let (first, second) = (RawRegion::named("first"), RawRegion::named("second"));
    let regions = [region("first", &first.url()), region("second", &second.url())];
    let proxy = Proxy::tuned(&regions, |settings| settings.timeouts.total = SHORT);
    let (_never, clock) = channel::<()>();
    for _ in 0..3 {
        let mut client = proxy.client();
        client.send("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n");
        let _ = clock.recv_timeout(2 * SHORT);
        client.send("late");
        let answer = client.response();
        assert!(!answer.text().contains("first ("), "it was not asked: {}", answer.text());
    }
    assert_eq!(proxy.ask(ASK).text(), "first");
}

#[test]
fn a_tunnel_ends_when_one_side_is_gone_and_the_other_says_nothing() {
    let (left, leave) = channel();
    let left = std::sync::Mutex::new(left);
    let raw = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        connection.stream.shutdown(std::net::Shutdown::Write).unwrap();
        connection.stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let _ = connection.stream.read(&mut [0; 1]);
        left.lock().unwrap().send(()).unwrap();
    });
    let proxy = tuned(&raw, |settings| settings.timeouts.idle = SHORT);
    let mut client = proxy.client();
    client.send(
        "GET /v1/realtime HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    client.until("\r\n\r\n").unwrap();
    leave.recv_timeout(PATIENCE).expect("the half that is left is closed");
}

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const FILES: &str = "POST /v1/files HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

/// What a client reads of Nearway's own: the status and the code.
fn told(answer: &Response) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status(), body["error"]["code"].as_str().unwrap().to_owned())
}

/// A listener for which the system accepts, and nobody answers.
fn silent(scheme: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// What the request gets from this only region.
fn asked(url: &str, request: &str, tune: impl FnOnce(&mut Settings)) -> Response {
    Proxy::tuned(&[region("only", url)], tune).ask(request)
}

#[test]
fn a_connection_that_does_not_come_about_has_its_code() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    // until its queue is full: then further connections are not even refused
    let connect = || TcpStream::connect_timeout(&address, SHORT);
    let _queue: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    let answer = asked(&format!("http://{address}"), CHAT, |settings| {
        settings.timeouts.connect = SHORT;
    });
    assert_eq!(told(&answer), (504, "nearway_connect_timeout".into()));
}

#[test]
fn a_handshake_that_is_not_answered_has_its_code() {
    let (_listener, url) = silent("https");
    let answer = asked(&url, CHAT, |settings| settings.timeouts.tls = SHORT);
    assert_eq!(told(&answer), (504, "nearway_tls_timeout".into()));
}

#[test]
fn a_request_that_is_not_taken_has_its_code() {
    // more than all buffers on the way to a region hold, and read to its end for the model's name
    let body = format!(r#"{{"x":"{}","model":"m"}}"#, "x".repeat(16 * 1024 * 1024));
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let (_listener, url) = silent("http");
    let answer = asked(&url, &request, |settings| {
        settings.timeouts.write = SHORT;
        settings.hold_body = 2 * length;
    });
    assert_eq!(told(&answer), (504, "nearway_write_timeout".into()));
}

#[test]
fn a_head_that_does_not_come_has_its_code_and_is_final_if_something_may_be_left_behind() {
    for (request, should_retry) in [(CHAT, None), (FILES, Some("false"))] {
        let (_listener, url) = silent("http");
        let answer = asked(&url, request, |settings| settings.timeouts.head = SHORT);
        assert_eq!(told(&answer), (504, "nearway_head_timeout".into()));
        assert_eq!(answer.header("x-should-retry"), should_retry);
    }
}

#[test]
fn a_first_event_that_does_not_come_has_its_code() {
    let stalling = RawRegion::start(|_, connection| {
        connection.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        );
    });
    let other = RawRegion::named("other");
    let regions = [region("stalling", &stalling.url()), region("other", &other.url())];
    let proxy = Proxy::tuned(&regions, |settings| {
        settings.timeouts.first_token = SHORT;
        // what is not kept can't go to the other one
        settings.hold_body = 1024;
    });
    let body = "x".repeat(100_000);
    let answer = proxy.ask(&format!(
        "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\n\
         content-length: 100000\r\n\r\n{body}"
    ));
    assert_eq!(told(&answer), (504, "nearway_first_token_timeout".into()));
    assert_eq!(answer.header("x-should-retry"), None);
}

#[test]
fn time_that_is_up_has_its_code_and_no_region_is_asked_any_more() {
    let (_listener, url) = silent("http");
    let other = RawRegion::named("other");
    let regions = [region("silent", &url), region("other", &other.url())];
    let proxy = Proxy::tuned(&regions, |settings| settings.timeouts.total = SHORT);
    let answer = proxy.ask(CHAT);
    assert_eq!(told(&answer), (504, "nearway_timeout".into()));
    assert!(answer.text().contains("silent (head_timeout)"), "{}", answer.text());
    assert_eq!(answer.header("x-nearway-attempts"), Some("1"));
}

#[test]
fn a_client_whose_head_is_too_slow_is_told() {
    let raw = RawRegion::named("only");
    let proxy = tuned(&raw, |settings| settings.timeouts.client_header = SHORT);
    for before in [0, 1] {
        let mut client = proxy.client();
        for _ in 0..before {
            client.send(ASK);
            assert_eq!(client.response().status(), 200);
        }
        client.send("GET /v1/x HTTP/1.1\r\nhost:");
        let answer = client.response();
        assert_eq!(told(&answer), (408, "nearway_header_timeout".into()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed());
    }
    let counted = "nearway_requests_refused_total{code=\"nearway_header_timeout\"} 2\n";
    eventually("both count", || proxy.metrics.render().contains(counted));
}

#[test]
fn a_client_whose_body_is_too_slow_is_told() {
    let raw = RawRegion::named("only");
    let proxy = tuned(&raw, |settings| settings.timeouts.client_body = SHORT);
    let answer = proxy.ask("POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nslow");
    assert_eq!(told(&answer), (408, "nearway_body_timeout".into()));
    assert!(raw.seen().is_empty());
}
