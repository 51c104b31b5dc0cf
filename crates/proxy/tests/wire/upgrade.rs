//! Upgrades: a tunnel that loses no byte, or the region's refusal as it is (RFC 9110 7.8).

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use nearway_proxy::Settings;
use nearway_route::Outcome;
use socket2::SockRef;
use tokio::time::Instant;

use crate::harness::{CONNECTIONS_MAX, Proxy, region};
use crate::raw::{Client, PATIENCE, RawRegion, eventually};

const ASK: &str = "GET /openai/v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: a\r\n\
                   connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\
                   sec-websocket-protocol: realtime, openai-insecure-api-key.client\r\n\r\n";

#[test]
fn bytes_right_behind_either_handshake_arrive_and_the_close_is_passed_on() {
    let raw = RawRegion::start(|_, connection| {
        connection.send(
            "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: x\r\n\r\nfrom-region",
        );
        assert_eq!(connection.exactly(11), b"from-client");
        connection.send("bye");
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let proxy = Proxy::start(&[region("only", &raw.url()).key("secret")]);
    let mut client = proxy.client();
    client.send(format!("{ASK}from-client"));
    let head = client.until("\r\n\r\n").unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: x"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(client.exactly(14), b"from-regionbye");
    assert!(client.is_closed());
    let seen = raw.seen().pop().unwrap();
    assert_eq!(seen.header("upgrade"), Some("websocket"));
    assert_eq!(seen.header("connection").map(str::to_ascii_lowercase), Some("upgrade".into()));
    assert_eq!(seen.header("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(seen.header("api-key"), Some("secret"));
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let raw = RawRegion::answering("HTTP/1.1 404 N\r\ncontent-length: 4\r\n\r\nnope");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let answer = proxy.ask(ASK);
    assert_eq!((answer.status(), answer.text()), (404, "nope"));
}

#[test]
fn a_region_that_fails_the_handshake_is_passed_over() {
    let failing = [
        RawRegion::answering("HTTP/1.1 503 S\r\ncontent-length: 4\r\n\r\nnope"),
        RawRegion::start(|_, connection| connection.stream.shutdown(Shutdown::Both).unwrap()),
    ];
    for first in failing {
        let second = RawRegion::start(|_, connection| {
            connection.send(
                "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            );
            assert_eq!(connection.exactly(11), b"from-client");
            connection.send("hello");
            // until the client's end arrives
            assert!(connection.is_closed());
            connection.send("bye");
        });
        let proxy = Proxy::start(&[region("first", &first.url()), region("second", &second.url())]);
        let mut client = proxy.client();
        client.send(format!("{ASK}from-client"));
        let head = client.until("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("x-nearway-region: second\r\n"), "{head}");
        assert_eq!(client.exactly(5), b"hello");
        // one direction ends, the other goes on
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.exactly(3), b"bye");
    }
}

#[test]
fn a_region_that_lacks_a_probed_model_is_asked_once() {
    let lacking = RawRegion::answering(
        "HTTP/1.1 404 N\r\ncontent-length: 39\r\n\r\n{\"error\":{\"code\":\"DeploymentNotFound\"}}",
    );
    let raw = echoing();
    let regions = [region("lacking", &lacking.url()), region("second", &raw.url())];
    let named = |settings: &mut Settings| settings.metric_deployments = vec!["gpt-realtime".into()];
    let proxy = Proxy::tuned(&regions, named);
    for attempts in ["2", "1"] {
        let mut client = proxy.client();
        client.send(ASK);
        let head = client.until("\r\n\r\n").unwrap();
        let line = format!("x-nearway-attempts: {attempts}\r\n");
        assert!(head.contains("x-nearway-region: second\r\n") && head.contains(&line), "{head}");
    }
    assert_eq!(lacking.seen().len(), 1);
}

/// A region that sends back what it gets in a tunnel.
fn echoing() -> RawRegion {
    RawRegion::start(|_, connection| {
        connection.send("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        loop {
            let bytes = connection.exactly(3);
            if bytes.len() < 3 {
                return;
            }
            connection.send(bytes);
        }
    })
}

#[test]
fn a_drain_lets_a_tunnel_finish() {
    let raw = echoing();
    let mut proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut client = proxy.client();
    client.send(ASK);
    client.until("\r\n\r\n").unwrap();
    proxy.stop();
    let address = proxy.listen;
    eventually("new clients are refused", || TcpStream::connect(address).is_err());
    for _ in 0..3 {
        client.send("abc");
        assert_eq!(client.exactly(3), b"abc");
    }
    drop(client);
    proxy.wait();
}

#[test]
fn a_tunnel_counts_as_an_open_connection() {
    let raw = echoing();
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut clients: Vec<_> = (0..CONNECTIONS_MAX).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(ASK);
        client.until("\r\n\r\n").unwrap();
    }
    let rendered = proxy.metrics.render();
    let open = format!("nearway_client_connections_open {CONNECTIONS_MAX}\n");
    assert!(rendered.contains(&open), "{rendered}");
    let paused = "nearway_client_accept_pauses_total 1\n";
    eventually("the limit is noticed", || proxy.metrics.render().contains(paused));
}

#[test]
fn a_tunnel_outlives_the_lookout_for_clients_that_left() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let (arrived, arrival) = channel();
    let raw = RawRegion::start(move |request, connection| {
        if request.header("upgrade").is_none() {
            return arrived.send(()).unwrap();
        }
        connection.send("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        assert!(connection.is_closed());
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("bye");
    });
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut client = proxy.client();
    client.send(ASK);
    client.until("\r\n\r\n").unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    // one that has left is found at the second look: so two have passed the tunnel by
    let mut other = proxy.client();
    other.send("GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n\r\n");
    arrival.recv_timeout(PATIENCE).expect("the region is asked");
    drop(other);
    let gone = "outcome=\"client_gone\"} 1\n";
    eventually("the other is counted as gone", || proxy.metrics.render().contains(gone));
    go.send(()).unwrap();
    assert_eq!(client.exactly(3), b"bye");
}

#[test]
fn a_switch_that_nobody_asked_for_is_no_answer() {
    let rogue = RawRegion::answering(
        "HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhidden",
    );
    let proxy = Proxy::start(&[region("rogue", &rogue.url())]);
    let answer = proxy.ask("GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(answer.status(), 502, "{}", answer.head);
    assert!(answer.text().contains("rogue (malformed)"), "{}", answer.text());
}

#[test]
fn http_2_is_not_asked_for_on_a_clients_behalf() {
    let raw = RawRegion::named("only");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    for (version, protocol) in [("1.1", "h2c"), ("1.0", "websocket")] {
        let answer = proxy.ask(&format!(
            "GET /v1/x HTTP/{version}\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\n\
             upgrade: {protocol}\r\nhttp2-settings: AAMAAABk\r\n\r\n"
        ));
        assert_eq!(answer.text(), "only");
        assert_eq!(raw.seen().pop().unwrap().header("upgrade"), None, "{version} {protocol}");
    }
}

/// Ends a connection as one that breaks.
fn reset(connection: &mut Client) {
    SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO)).unwrap();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    *connection = Client::connect(elsewhere.local_addr().unwrap());
}

#[test]
fn a_session_that_breaks_off_in_its_region_tells_nothing_of_how_long_answers_take() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let raw = RawRegion::start(move |_, connection| {
        connection.send("HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        reset(connection);
    });
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut client = proxy.client();
    let began = Instant::now();
    client.send(ASK);
    client.until("\r\n\r\n").unwrap();
    let until_head = Instant::now() - began;
    go.send(()).unwrap();
    assert!(client.is_closed());
    match proxy.report().sample.outcome {
        Outcome::Failure { reason: "truncated", after, .. } => assert!(after <= until_head),
        other => panic!("{other:?}"),
    }
    let lost = "nearway_tunnels_ended_total{reason=\"region_lost\"} 1\n";
    assert!(proxy.metrics.render().contains(lost));
}

#[test]
fn a_client_that_breaks_off_is_nobodys_fault() {
    let raw = echoing();
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let mut client = proxy.client();
    client.send(ASK);
    client.until("\r\n\r\n").unwrap();
    client.send("abc");
    assert_eq!(client.exactly(3), b"abc");
    reset(&mut client);
    let ended = |what: &str| proxy.metrics.render().contains(&format!("{what} 1\n"));
    eventually("it is counted", || ended("nearway_tunnels_ended_total{reason=\"client_lost\"}"));
    eventually("as the client's", || ended("outcome=\"client_gone\"}"));
}

/// A masked frame of text, shorter than 126 bytes.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 1, 2, 3, 4];
    frame.extend(text.bytes().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[test]
fn what_a_session_begins_with_reaches_its_region_byte_for_byte() {
    let ask = frame(r#"{"type":"response.create","model":"gpt-4o"}"#);
    let sent = [&ask[..], b"\x89\x80abcd", &frame("more"), b"\x81\x85half"].concat();
    let expected = [&ask[..], &frame("more"), b"\x81\x85half"].concat();
    let length = expected.len();
    let raw = RawRegion::start(move |request, connection| {
        assert_eq!(request.header("sec-websocket-extensions"), None);
        connection.send(
            "HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: other\r\n\r\nfrom-region",
        );
        let seen = connection.exactly(length);
        connection.send(if seen == expected { "same" } else { "else" });
        connection.stream.shutdown(Shutdown::Both).unwrap();
    });
    let proxy = Proxy::start(&[region("only", &raw.url()).key("secret")]);
    let mut client = proxy.client();
    client.send(
        "GET /v1/responses HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
         sec-websocket-extensions: permessage-deflate\r\n\r\n",
    );
    let head = client.until("\r\n\r\n").unwrap();
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(!head.contains("extensions"), "{head}");
    client.send(sent);
    assert_eq!(client.exactly(2), b"\x8a\x00", "a pong");
    assert_eq!(client.exactly(15), b"from-regionsame");
    assert!(client.is_closed());
    assert_eq!(raw.seen().pop().unwrap().header("api-key"), Some("secret"));
}

#[test]
fn a_handshake_with_a_body_is_none() {
    let raw = RawRegion::named("only");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let answer = proxy.ask(
        "GET /v1/responses HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\
         content-length: 2\r\n\r\n{}",
    );
    assert_eq!(answer.status(), 400);
    assert!(raw.seen().is_empty());
}
