//! The routes below `/sim/`.

use http::Method;
use http_body_util::BodyExt;
use serde_json::json;

use crate::harness::{eastus, eventually, request, start_one};

#[tokio::test]
async fn the_echo_tells_what_arrived() {
    let running = start_one(eastus()).await;
    let mut sent = request(Method::from_bytes(b"BREW").unwrap(), "/sim/echo?a=%2F&a=b//c", "tea");
    sent.headers_mut().append("x-twice", "1".parse().unwrap());
    sent.headers_mut().append("x-twice", "2".parse().unwrap());
    let told = running.whole(sent).await.json();
    assert_eq!(told["method"], "BREW");
    assert_eq!(told["target"], "/sim/echo?a=%2F&a=b//c");
    assert_eq!(told["body"]["len"], 3);
    assert_eq!(told["body"]["text"], "tea");
    let headers = told["headers"].as_array().unwrap();
    let twice: Vec<_> = headers.iter().filter(|header| header[0] == "x-twice").collect();
    assert_eq!(twice, [&json!(["x-twice", "1"]), &json!(["x-twice", "2"])]);
}

#[tokio::test]
async fn bytes_flow_in_any_number() {
    let running = start_one(eastus()).await;
    for count in [0, 1, 65_536, 200_000] {
        let answer = running.get(&format!("/sim/bytes/{count}")).await;
        assert_eq!(answer.body.len(), count);
        assert_eq!(answer.header("content-length"), count.to_string());
    }
    let chunked = running.get("/sim/bytes/70000?chunked=1").await;
    assert_eq!(chunked.body.len(), 70_000);
    assert!(!chunked.headers.contains_key("content-length"));
    let cut = running.send(request(Method::GET, "/sim/bytes/9?cut=4", "")).await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    let sink = running.whole(request(Method::PUT, "/sim/sink", vec![b'x'; 200_000])).await;
    assert_eq!(sink.json()["len"], 200_000);
}

#[tokio::test]
async fn statuses_redirects_and_coded_bodies_are_plain() {
    let running = start_one(eastus()).await;
    for code in [200, 204, 304, 404, 418, 503] {
        let answer = running.get(&format!("/sim/status/{code}")).await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.body.is_empty(), code == 204 || code == 304);
    }
    assert_eq!(running.get("/sim/status/101").await.status, 404);
    let redirect = running.get("/sim/redirect").await;
    assert_eq!((redirect.status.as_u16(), redirect.header("location")), (307, "/sim/echo"));
    let gzip = running.get("/sim/gzip").await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_eq!(gzip.body[..2], [0x1f, 0x8b]);
    assert_eq!(running.get("/sim/nonsense").await.status, 404);
}

#[tokio::test]
async fn a_trailer_follows_the_body() {
    let running = start_one(eastus()).await;
    let mut sent = request(Method::GET, "/sim/trailers", "");
    sent.headers_mut().insert("te", "trailers".parse().unwrap());
    let mut body = running.send(sent).await.unwrap().into_body();
    let mut trailer = None;
    while let Some(frame) = body.frame().await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            trailer = trailers.get("x-sim-trailer").cloned();
        }
    }
    assert_eq!(trailer.unwrap(), "at the end");
}

#[tokio::test]
async fn events_go_on_until_the_client_leaves() {
    let running = start_one(eastus()).await;
    let counted = running.get("/sim/sse?gap_ms=1&count=3").await;
    assert_eq!(
        counted.body,
        "data: {\"number\":0}\n\ndata: {\"number\":1}\n\ndata: {\"number\":2}\n\n"
    );
    let endless = running.send(request(Method::GET, "/sim/sse?gap_ms=1", "")).await.unwrap();
    let mut body = endless.into_body();
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert_eq!(running.stats().cancelled, 0);
    drop(body);
    eventually("the client's leaving was noticed", || running.stats().cancelled == 1).await;
    assert_eq!(running.stats().in_flight, 0);
}
