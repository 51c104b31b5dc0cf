//! What connections cost, and when the region closes them.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nearway_sim::RegionWorld;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::harness::{Running, eastus, read, request, start_one};

type Body = Full<Bytes>;

async fn connect(running: &Running) -> (SendRequest<Body>, Connection<TokioIo<TcpStream>, Body>) {
    let stream = TcpStream::connect(running.address()).await.unwrap();
    handshake(TokioIo::new(stream)).await.unwrap()
}

/// How long the answer took.
async fn ask(sender: &mut SendRequest<Body>) -> Duration {
    let asked = Instant::now();
    sender.ready().await.unwrap();
    let answer = read(sender.send_request(models()).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    Instant::now().duration_since(asked)
}

fn models() -> Request<Body> {
    request(Method::GET, "/v1/models", "")
}

#[tokio::test]
async fn a_new_connection_costs_its_time_once_and_meanwhile() {
    let connect_ms = 400.0;
    let takes = Duration::from_millis(400);
    let running = start_one(RegionWorld { connect_ms, ..eastus() }).await;
    let began = Instant::now();
    let (mut first, driver) = connect(&running).await;
    running.tasks.spawn(driver);
    let (mut ahead, driver) = connect(&running).await;
    running.tasks.spawn(driver);
    ask(&mut first).await;
    assert!(Instant::now().duration_since(began) >= takes);
    assert!(ask(&mut first).await < takes);
    // opened ahead of need
    assert!(ask(&mut ahead).await < takes);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let idle_close_ms = Some(50.0);
    let running = start_one(RegionWorld { idle_close_ms, ..eastus() }).await;
    // one that was used, and one that never was
    let (mut used, driver) = connect(&running).await;
    let (_unused, other) = connect(&running).await;
    let ends = async { tokio::join!(ask(&mut used), driver, other) };
    // hyper calls the end of the one without an answer an error
    let (_, closed, _) = timeout(LONG, ends).await.expect("they are closed");
    closed.unwrap();
    assert!(used.is_closed());
}

#[tokio::test]
async fn an_answer_under_way_is_finished_first() {
    let slow = RegionWorld { idle_close_ms: Some(20.0), per_token_ms: 20.0, ..eastus() };
    let running = start_one(slow).await;
    let (mut sender, driver) = connect(&running).await;
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "stream": true});
    let asks = async {
        let chat = request(Method::POST, "/v1/chat/completions", body.to_string());
        let response = sender.send_request(chat).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    let (body, closed) = timeout(LONG, async { tokio::join!(asks, driver) }).await.unwrap();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    closed.unwrap();
}

/// For a test that would fail.
const LONG: Duration = Duration::from_secs(10);
