//! WebSockets: the realtime API and the plain echo.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use nearway_sim::RegionWorld;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::harness::{Running, eastus, eventually, request, start, start_one};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A handshake with the region's key.
fn handshake(target: &str) -> Request<Full<Bytes>> {
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
    request
}

/// The same request with this token in place of the region's key.
fn bearing(mut request: Request<Full<Bytes>>, token: &str) -> Request<Full<Bytes>> {
    request.headers_mut().remove("api-key");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

async fn connect(running: &Running, target: &str) -> Socket {
    let response = running.send(handshake(target)).await.unwrap();
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

#[tokio::test]
async fn an_ephemeral_key_opens_sessions_where_it_was_made_and_nowhere_else() {
    let west = RegionWorld::new("westus", "secret-west").with_deployments(&["gpt-4o"]);
    let running = start(vec![eastus(), west]).await;
    let target = "/v1/realtime?model=gpt-4o";
    for (path, body, key) in [
        ("client_secrets", json!({"session": {"type": "realtime", "model": "gpt-4o"}}), "/value"),
        ("sessions", json!({"model": "gpt-4o"}), "/client_secret/value"),
        (
            "transcription_sessions",
            json!({"input_audio_transcription": {"model": "gpt-4o"}}),
            "/client_secret/value",
        ),
    ] {
        let made = running.post(&format!("/openai/v1/realtime/{path}"), &body).await.json();
        let key = made.pointer(key).and_then(Value::as_str).unwrap();
        assert!(key.starts_with("ek_"), "{made}");
        let opened = running.send(bearing(handshake(target), key)).await.unwrap();
        assert_eq!(opened.status(), 101, "{path}");
        let elsewhere = bearing(handshake(target), key);
        let refused = running.send_to(running.address_of(1), elsewhere).await.unwrap();
        assert_eq!(refused.status(), 401, "{path}");
        // it makes no further ones, and reads nothing
        for (method, path) in
            [(Method::POST, "/v1/realtime/client_secrets"), (Method::GET, "/v1/models")]
        {
            assert_eq!(running.whole(bearing(request(method, path, "{}"), key)).await.status, 401);
        }
    }
    let made_up = running.send(bearing(handshake(target), "ek_made_up")).await.unwrap();
    assert_eq!(made_up.status(), 401);
    let body = json!({"expires_after": {"seconds": 0}, "session": {}});
    let over = running.post("/v1/realtime/client_secrets", &body).await.json();
    let over = bearing(handshake(target), over["value"].as_str().unwrap());
    assert_eq!(running.send(over).await.unwrap().status(), 401);
    let body = json!({"session": {"model": "gpt-9"}});
    let missing = running.post("/openai/v1/realtime/client_secrets", &body).await;
    assert_eq!(missing.json()["error"]["code"], "DeploymentNotFound");
}

#[tokio::test]
async fn a_call_is_taken_found_and_ended() {
    let running = start_one(eastus()).await;
    let made = running.post("/v1/realtime/client_secrets", &json!({})).await.json();
    let offer = request(Method::POST, "/v1/realtime/calls?model=gpt-4o", "v=0\r\n");
    let taken = running.whole(bearing(offer, made["value"].as_str().unwrap())).await;
    assert_eq!((taken.status.as_u16(), &taken.body[..3]), (201, &b"v=0"[..]));
    let location = taken.header("location").to_owned();
    let id = location.strip_prefix("/v1/realtime/calls/").unwrap();
    let joined = running.send(handshake(&format!("/v1/realtime?call_id={id}"))).await.unwrap();
    assert_eq!(joined.status(), 101);
    for (verb, status) in [("refer", 200), ("hangup", 200), ("hangup", 404), ("nonsense", 404)] {
        assert_eq!(running.post(&format!("{location}/{verb}"), &json!({})).await.status, status);
    }
    let gone = running.send(handshake(&format!("/v1/realtime?call_id={id}"))).await.unwrap();
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn a_client_can_have_its_session_closed() {
    let running = start_one(eastus()).await;
    let mut socket = connect(&running, "/openai/v1/realtime?model=gpt-4o").await;
    next(&mut socket).await;
    let close = json!({"type": "sim.close", "code": 4000, "reason": "enough"}).to_string();
    socket.send(Message::text(close)).await.unwrap();
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!("open") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4000, "enough"));
}

#[tokio::test]
async fn responses_are_made_over_a_websocket_one_after_the_other() {
    let running = start_one(RegionWorld { tokens: 2, ..eastus() }).await;
    let mut socket = connect(&running, "/openai/v1/responses").await;
    let mut previous = Value::Null;
    for turn in 0..2 {
        let ask = json!({
            "type": "response.create", "model": "gpt-4o", "input": "Hello",
            "previous_response_id": previous,
        });
        socket.send(Message::text(ask.to_string())).await.unwrap();
        let (mut text, mut number) = (String::new(), 0);
        previous = loop {
            let event = next(&mut socket).await;
            assert_eq!(event["sequence_number"], number, "{event}");
            number += 1;
            match event["type"].as_str().unwrap() {
                "response.output_text.delta" => text.push_str(event["delta"].as_str().unwrap()),
                "response.completed" => break event["response"]["id"].clone(),
                _ => {}
            }
        };
        assert_eq!(text, "Hello from", "turn {turn}");
    }
    for (ask, code) in [
        (json!({"type": "response.create", "model": "gpt-9"}), "DeploymentNotFound"),
        (
            json!({"type": "response.create", "model": "gpt-4o", "previous_response_id": "resp_x"}),
            "previous_response_not_found",
        ),
    ] {
        socket.send(Message::text(ask.to_string())).await.unwrap();
        let event = next(&mut socket).await;
        assert_eq!((&event["type"], &event["error"]["code"]), (&json!("error"), &json!(code)));
    }
}
