//! WebSockets: the realtime API and the plain echo.

use futures_util::{SinkExt, StreamExt};
use http::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use nearway_sim::RegionWorld;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::harness::{Running, eastus, eventually, request, start_one};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

async fn connect(running: &Running, target: &str) -> Socket {
    let mut request = request(Method::GET, target, "");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.x"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = running.send(request).await.unwrap();
    assert_eq!(response.status(), 101);
    // the example of RFC 6455 section 1.3
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

async fn next(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_speaks_enough_of_the_api() {
    let running = start_one(RegionWorld { tokens: 2, ..eastus() }).await;
    for target in
        ["/openai/v1/realtime?model=gpt-4o", "/openai/realtime?api-version=1&deployment=gpt-4o"]
    {
        let mut socket = connect(&running, target).await;
        assert_eq!(next(&mut socket).await["type"], "session.created");
        let create = json!({"type": "response.create"}).to_string();
        socket.send(Message::text(create)).await.unwrap();
        let mut text = String::new();
        loop {
            let event = next(&mut socket).await;
            match event["type"].as_str().unwrap() {
                "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap()),
                "response.done" => break,
                _ => {}
            }
        }
        assert_eq!(text, "Hello from");
        socket.send(Message::text("not an event")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("not an event"));
    }
}

#[tokio::test]
async fn the_echo_returns_every_message_and_keeps_the_close_code() {
    let running = start_one(eastus()).await;
    let mut socket = connect(&running, "/sim/ws").await;
    let binary = Message::binary(vec![0, 255, 1]);
    socket.send(binary.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), binary);
    assert_eq!(running.stats().sockets_open, 1);
    let frame = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    socket.close(Some(frame)).await.unwrap();
    let answered = socket.next().await.unwrap().unwrap();
    assert!(matches!(answered, Message::Close(Some(frame)) if frame.code == CloseCode::Away));
    eventually("the socket is closed", || running.stats().sockets_open == 0).await;
    assert_eq!(running.stats().last_close, Some(1001));
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_no_close_code() {
    let running = start_one(eastus()).await;
    let socket = connect(&running, "/sim/ws").await;
    drop(socket);
    eventually("the socket is closed", || running.stats().last_close == Some(1006)).await;
}

#[tokio::test]
async fn a_handshake_is_refused_with_an_answer() {
    let running = start_one(eastus()).await;
    assert_eq!(running.get("/openai/v1/realtime?model=gpt-4o").await.status, 426);
    let missing = running.get("/openai/v1/realtime?model=gpt-9").await;
    assert_eq!(missing.json()["error"]["code"], "DeploymentNotFound");
}
