//! Nothing is waited for without end: neither a client nor a region can hold what it does not use.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{Client, PATIENCE, RawRegion};

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
