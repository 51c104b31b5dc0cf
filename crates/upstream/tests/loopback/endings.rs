//! Where an answer ends, and whether it came to its end.

use http_body_util::BodyExt;
use nearway_upstream::{FaultKind, Returned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::{PATIENT, ask, beside, pools, post, region, secured_region};

/// The next client's connection, once its request is there.
async fn asked(listener: &TcpListener, tls: &TlsAcceptor) -> TlsStream<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = tls.accept(stream).await.unwrap();
    read_until(&mut stream, b"x").await;
    stream
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        stream.read_buf(&mut seen).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_needs_the_word_of_tls() {
    for (head, says_so, whole) in [
        ("", true, true),
        ("", false, false),
        ("content-length: 3\r\n", false, true),
        ("content-length: 4\r\n", true, false),
        ("content-length: 4\r\n", false, false),
    ] {
        let (region, listener, tls) = secured_region(false).await;
        let answers = async {
            let mut stream = asked(&listener, &tls).await;
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nabc");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if says_so {
                stream.shutdown().await.unwrap();
            }
        };
        let pools = pools();
        let read = async {
            let reply = post(&pools, &region, 1, PATIENT).await.unwrap();
            reply.response.into_body().collect().await
        };
        let read = Box::pin(beside(answers, read)).await;
        assert_eq!(read.is_ok(), whole, "{head:?} {says_so}: {read:?}");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_no_answer() {
    let (region, listener) = region().await;
    let floods = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
    };
    let pools = pools();
    let fault = beside(floods, post(&pools, &region, 1, PATIENT)).await.unwrap_err();
    assert_eq!((fault.kind, fault.returned), (FaultKind::Malformed, Returned::Nothing), "{fault}");
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    let (region, listener) = region().await;
    let goes_on = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"a: b\r\n").await.is_ok() {}
    };
    let pools = pools();
    let fault = beside(goes_on, post(&pools, &region, 1, PATIENT)).await.unwrap_err();
    assert_eq!((fault.kind, fault.returned), (FaultKind::Malformed, Returned::Nothing), "{fault}");
}

#[tokio::test]
async fn a_body_where_there_is_none_is_nobodys_answer() {
    for (method, status) in [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 So")] {
        let (region, listener) = region().await;
        let answers = async {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_until(&mut stream, b"\r\n\r\n").await;
                // what follows would be the answer to the next request
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: 38\r\n\r\n\
                     HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        };
        let pools = pools();
        let asked = async {
            for _ in 0..2 {
                let reply = ask(&pools, &region, method).await.unwrap();
                assert!(reply.timing.connect.is_some(), "{method} {status}: a new connection");
                assert!(status.starts_with(reply.response.status().as_str()));
                let body = reply.response.into_body().collect().await.unwrap();
                assert_eq!(body.to_bytes().len(), 0, "{method} {status}");
            }
        };
        beside(answers, asked).await;
    }
}
