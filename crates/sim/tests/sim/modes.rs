//! The ways in which a region breaks.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use nearway_sim::{Change, Mode, RegionWorld};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::harness::{data, eastus, eventually, request, start_one};

const CHAT: &str = "/v1/chat/completions";

fn streamed() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "stream": true})
}

fn mode(mode: Mode) -> RegionWorld {
    RegionWorld { mode, ..eastus() }
}

#[tokio::test]
async fn a_region_that_refuses_cuts_old_connections_and_resets_new_ones() {
    let running = start_one(eastus()).await;
    let response = running.send(request(Method::GET, "/sim/sse?gap_ms=5", "")).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    running.control().set("eastus", Change::Mode(Mode::Refuse)).unwrap();
    let cut = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return true;
            }
        }
        false
    };
    assert!(cut.await, "the stream ended cleanly");
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    let read = stream.read(&mut [0; 1]).await;
    assert!(matches!(read, Err(_) | Ok(0)), "{read:?}");
    running.control().set("eastus", Change::Mode(Mode::Up)).unwrap();
    assert_eq!(running.get("/sim/status/200").await.status, 200);
}

#[tokio::test]
async fn a_black_hole_takes_the_request_and_says_nothing() {
    let running = start_one(mode(Mode::Blackhole)).await;
    let answer = running.send(request(Method::POST, CHAT, streamed().to_string()));
    assert!(tokio::time::timeout(Duration::from_millis(50), answer).await.is_err());
    eventually("the request was counted as cancelled", || running.stats().cancelled == 1).await;
}

#[tokio::test]
async fn a_cut_head_is_a_connection_without_an_answer() {
    let running = start_one(mode(Mode::CutHead)).await;
    assert!(running.send(request(Method::GET, CHAT, "")).await.is_err());
    eventually("nothing is in flight", || running.stats().in_flight == 0).await;
    assert_eq!(running.stats().cancelled, 0);
}

#[tokio::test]
async fn a_cut_body_ends_in_the_middle() {
    let running = start_one(RegionWorld { mode_after: 2, ..mode(Mode::CutBody) }).await;
    let sent = running.send(request(Method::POST, CHAT, streamed().to_string())).await.unwrap();
    let mut body = sent.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.unwrap().is_err());
    let whole = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    let sent = running.send(request(Method::POST, CHAT, whole.to_string())).await.unwrap();
    assert!(sent.headers().contains_key("content-length"));
    assert!(sent.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_stalled_stream_stays_open() {
    let running = start_one(RegionWorld { mode_after: 1, ..mode(Mode::Stall) }).await;
    let sent = running.send(request(Method::POST, CHAT, streamed().to_string())).await.unwrap();
    let mut body = sent.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(tokio::time::timeout(Duration::from_millis(50), body.frame()).await.is_err());
    assert_eq!(running.stats().in_flight, 1);
}

#[tokio::test]
async fn an_error_event_ends_a_stream_that_began_well() {
    let running = start_one(RegionWorld { mode_after: 2, ..mode(Mode::ErrorEvent) }).await;
    let events = running.stream(CHAT, &streamed()).await;
    assert_eq!(events.len(), 3);
    assert_eq!(data(&events[2].1).unwrap()["error"]["type"], "server_error");
    let body = json!({"model": "gpt-4o", "input": "hello", "stream": true});
    let events = running.stream("/v1/responses", &body).await;
    assert!(events[2].1.starts_with("event: error\n"), "{events:?}");
}
