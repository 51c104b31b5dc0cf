//! A region that speaks HTTP/2: how it fails, and how much of the request it had seen by then.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::{self, Connection};
use http::Response;
use nearway_upstream::{FaultKind, Limits, Region, Returned, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::{HUGE, PATIENT, SHORT, beside, pools, post, secured_region};

type Served = Connection<TlsStream<TcpStream>, Bytes>;

/// A region on a port of its own that offers HTTP/2 alone.
async fn region() -> (Arc<Region>, TcpListener, TlsAcceptor) {
    secured_region(true).await
}

/// The next client's connection, with this window for each stream; the client knows it, since a
/// first request was answered there.
async fn accept(listener: &TcpListener, tls: &TlsAcceptor, window: u32) -> Served {
    let (stream, _) = listener.accept().await.unwrap();
    let stream = tls.accept(stream).await.unwrap();
    let mut builder = server::Builder::new();
    builder.initial_window_size(window);
    let mut connection = Box::pin(builder.handshake(stream)).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    connection
}

#[tokio::test]
async fn a_region_whose_window_stays_closed_took_no_byte_in_time() {
    for (window, bytes) in [(0, 1), (0, HUGE), (1000, 2000)] {
        let (region, listener, tls) = region().await;
        let leaves_it = async {
            let mut connection = accept(&listener, &tls, window).await;
            let mut streams = Vec::new();
            while let Some(Ok(stream)) = connection.accept().await {
                streams.push(stream);
            }
        };
        let pools = pools();
        let limits = Limits { write: SHORT, ..PATIENT };
        let asked = async {
            post(&pools, &region, 0, PATIENT).await.unwrap();
            post(&pools, &region, bytes, limits).await.unwrap_err()
        };
        let fault = Box::pin(beside(leaves_it, asked)).await;
        assert_eq!(
            (fault.kind, fault.sent),
            (FaultKind::WriteTimeout, Sent::Part),
            "{window} {bytes}: {fault}"
        );
        assert_eq!(fault.returned, Returned::Nothing);
    }
}

#[tokio::test]
async fn a_region_that_reads_slowly_or_thinks_long_is_not_to_blame_for_lying_bytes() {
    const WINDOW: u32 = 100;
    let (region, listener, tls) = region().await;
    let reads_slowly = async {
        let mut connection = accept(&listener, &tls, WINDOW).await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let answers = async {
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                tokio::time::sleep(SHORT / 3).await;
                body.flow_control().release_capacity(data.unwrap().len()).unwrap();
            }
            // all of it is there: what follows is the head's time
            tokio::time::sleep(SHORT * 2).await;
            respond.send_response(Response::new(()), true).unwrap();
        };
        tokio::join!(answers, async { while connection.accept().await.is_some() {} });
    };
    let pools = pools();
    let limits = Limits { write: SHORT, ..PATIENT };
    let asked = async {
        post(&pools, &region, 0, PATIENT).await.unwrap();
        post(&pools, &region, 6 * WINDOW as usize, limits).await.unwrap()
    };
    let reply = Box::pin(beside(reads_slowly, asked)).await;
    assert_eq!(reply.response.status(), 200);
}

/// A frame without flags (RFC 9113 4.1).
fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
}

/// The next client's connection, which is greeted so, once so many bytes of a body are there.
async fn greeted(
    listener: &TcpListener,
    tls: &TlsAcceptor,
    greeting: &[u8],
    body: usize,
) -> TlsStream<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = tls.accept(stream).await.unwrap();
    stream.write_all(greeting).await.unwrap();
    let mut preface = [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()];
    stream.read_exact(&mut preface).await.unwrap();
    let mut seen = 0;
    while seen < body {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let [_, high, low, kind, ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        stream.read_exact(&mut payload).await.unwrap();
        seen += if kind == DATA { payload.len() } else { 0 };
    }
    stream
}

/// Says it once a request is there, and hangs up when its client has.
async fn says(listener: &TcpListener, tls: &TlsAcceptor, words: &[u8]) {
    let mut stream = greeted(listener, tls, &frame(SETTINGS, 0, b""), 1).await;
    stream.write_all(words).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn only_what_was_surely_not_looked_at_counts_as_not_sent() {
    use FaultKind::{Malformed, Reset};
    let goaway = |last: u8, reason: u8| frame(GOAWAY, 0, &[0, 0, 0, last, 0, 0, 0, reason]);
    let reset = |reason: u8| frame(RST_STREAM, 1, &[0, 0, 0, reason]);
    let cases = [
        ("goodbye before it", goaway(0, NO_ERROR), Reset, Sent::Nothing),
        ("a cross goodbye before it", goaway(0, ENHANCE_YOUR_CALM), Reset, Sent::Nothing),
        ("goodbye behind it", goaway(1, NO_ERROR), Reset, Sent::Part),
        ("a cross goodbye behind it", goaway(1, INTERNAL_ERROR), Reset, Sent::Part),
        ("refused", reset(REFUSED_STREAM), Reset, Sent::Nothing),
        ("broken off", reset(INTERNAL_ERROR), Reset, Sent::Part),
        ("broken off as if all were well", reset(NO_ERROR), Reset, Sent::Part),
        ("hung up", Vec::new(), Reset, Sent::Part),
        ("no settings", frame(SETTINGS, 1, b""), Malformed, Sent::Part),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Malformed, Sent::Part),
    ];
    for (name, words, kind, sent) in cases {
        let (region, listener, tls) = region().await;
        let pools = pools();
        let asked = beside(says(&listener, &tls, &words), post(&pools, &region, 1, PATIENT));
        let fault = Box::pin(asked).await.unwrap_err();
        assert_eq!((fault.kind, fault.sent), (kind, sent), "{name}: {fault}");
        assert_eq!(fault.returned, Returned::Nothing, "{name}");
    }
}

#[tokio::test]
async fn what_may_still_leave_with_the_connection_was_perhaps_sent() {
    let (region, listener, tls) = region().await;
    let (heard, is_heard) = oneshot::channel();
    let stops = async {
        let wide = frame(SETTINGS, 0, &[0, INITIAL_WINDOW_SIZE, 0x7f, 0xff, 0xff, 0xff]);
        let greeting = [wide, frame(WINDOW_UPDATE, 0, &[0x7f, 0xff, 0, 0])].concat();
        // more than the windows at first: by then the greeting was heard
        let stream = greeted(&listener, &tls, &greeting, 1024 * 1024).await;
        heard.send(()).unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    let pools = pools();
    let asked = async {
        let mut large = Box::pin(post(&pools, &region, HUGE, PATIENT));
        tokio::select! {
            large = &mut large => return large,
            heard = is_heard => heard.unwrap(),
        }
        loop {
            let small = post(&pools, &region, 1, Limits { head: SHORT, ..PATIENT });
            let answer = tokio::select! {
                small = small => small,
                large = &mut large => large,
            };
            match answer {
                // the buffers still had room for this one
                Err(fault) if fault.sent == Sent::All => {}
                answer => return answer,
            }
        }
    };
    let fault = Box::pin(beside(stops, asked)).await.unwrap_err();
    assert!(fault.reused, "{fault}");
    assert_eq!((fault.kind, fault.sent), (FaultKind::HeadTimeout, Sent::Part), "{fault}");
}

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const INITIAL_WINDOW_SIZE: u8 = 4;
const NO_ERROR: u8 = 0;
const INTERNAL_ERROR: u8 = 2;
const REFUSED_STREAM: u8 = 7;
const ENHANCE_YOUR_CALM: u8 = 11;
