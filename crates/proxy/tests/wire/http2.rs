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
