//! Upgrades: a tunnel that loses no byte, or the region's refusal as it is (RFC 9110 7.8).

use std::net::Shutdown;

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

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
