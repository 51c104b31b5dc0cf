//! HTTP/2 with prior knowledge on the same port as HTTP/1.1 (RFC 9113 3.3).

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

#[tokio::test]
async fn several_requests_at_a_time_reach_the_region_as_http_1() {
    let raw = RawRegion::start(|request, connection| {
        // hyper's HTTP/2 server can't pass it on, and nothing breaks by it
        connection.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        let body = &request.body;
        connection.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
        connection.send(body);
    });
    let proxy = Proxy::start(&[region("only", &raw.url()).key("region-key")]);
    let stream = TcpStream::connect(proxy.listen).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let ask = |number: usize| {
        let mut sender = sender.clone();
        async move {
            let body = Bytes::from(number.to_string().repeat(number * 1000));
            let request = Request::post(format!("http://any/v1/x?n={number}"))
                .header("authorization", "Bearer client")
                .body(Full::new(body.clone()));
            let response = sender.send_request(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["x-nearway-region"], "only");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
        }
    };
    tokio::join!(ask(1), ask(20), ask(300));
    for seen in raw.seen() {
        assert!(seen.head.starts_with("POST /v1/x?n="), "{}", seen.head);
        assert_eq!(seen.header("host"), Some(raw.address.to_string().as_str()));
        assert_eq!(
            (seen.header("api-key"), seen.header("authorization")),
            (Some("region-key"), None)
        );
    }
    assert_eq!(raw.seen().len(), 3);
    drop(sender);
    driver.join_next().await.unwrap().unwrap().unwrap();
}

/// One connection of HTTP/2 to a proxy, and what drives it: to be shut down before the proxy, whose
/// drain would wait for it.
async fn connected<B>(proxy: &Proxy) -> (http2::SendRequest<B>, JoinSet<hyper::Result<()>>)
where
    B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(proxy.listen).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    (sender, driver)
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let raw = RawRegion::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-out: 7\r\n\r\n",
    );
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let (mut sender, mut driver) = connected(&proxy).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-in", http::HeaderValue::from_static("8"));
    // mapped, so that its length is not known: one that is leaves no room for trailers in HTTP/1.1
    let body = Full::new(Bytes::from_static(b"hi")).map_frame(|frame| frame);
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    let request = Request::post("http://any/v1/x").header("trailer", "x-in").body(body).unwrap();
    let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-out"], "7");
    assert_eq!(answer.to_bytes(), "abc");
    let seen = raw.seen().pop().unwrap();
    assert_eq!((seen.text(), seen.trailers.as_str()), ("hi", "x-in: 8\r\n"));
    driver.shutdown().await;
}

#[tokio::test]
async fn a_cut_region_resets_the_stream() {
    let raw = RawRegion::start(|_, connection| {
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
        connection.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let (mut sender, mut driver) = connected(&proxy).await;
    let request = Request::get("http://any/v1/x").body(Full::new(Bytes::new())).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert!(body.frame().await.unwrap().is_err());
    drop((sender, body));
    driver.shutdown().await;
}

#[tokio::test]
async fn a_stream_that_its_client_resets_is_cancelled_at_the_region() {
    for first in ["", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let (arrived, mut arrival) = tokio::sync::mpsc::channel(1);
        let (left, mut leave) = tokio::sync::mpsc::channel(1);
        let raw = RawRegion::start(move |_, connection| {
            connection.send(first);
            arrived.blocking_send(()).unwrap();
            left.blocking_send(connection.is_closed()).unwrap();
        });
        let proxy = Proxy::start(&[region("only", &raw.url())]);
        let (sender, mut driver) = connected(&proxy).await;
        let mut other = sender.clone();
        let mut asked = JoinSet::new();
        asked.spawn(async move {
            let request = Request::get("http://any/v1/x").body(Full::new(Bytes::new())).unwrap();
            let answer = other.send_request(request).await.unwrap();
            answer.into_body().collect().await.unwrap()
        });
        arrival.recv().await.unwrap();
        // dropping a request resets its stream, and the connection stays
        asked.shutdown().await;
        let second = std::time::Duration::from_secs(1);
        let ended = tokio::time::timeout(second, leave.recv()).await;
        assert_eq!(ended.expect("within a second"), Some(true));
        drop(sender);
        driver.shutdown().await;
    }
}

#[tokio::test]
async fn the_crumbs_of_a_cookie_are_joined_for_http_1() {
    let raw = RawRegion::named("only");
    let proxy = Proxy::start(&[region("only", &raw.url())]);
    let stream = TcpStream::connect(proxy.listen).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get("http://any/v1/x").header("cookie", "a=1").header("cookie", "b=2");
    let request = request.body(Full::new(Bytes::new())).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    let seen = raw.seen().pop().unwrap();
    // RFC 9113 8.2.3
    assert_eq!(seen.all("cookie"), ["a=1; b=2"], "{}", seen.head);
    driver.shutdown().await;
}
