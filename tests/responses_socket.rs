//! Responses over WebSocket through the whole product: the first message chooses the region.

use nearway_sim::{Change, Deployment};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Proxy, Regions, config, region};
use crate::raw::{eventually, refused};
use crate::sockets::Socket;

const TARGET: &str = "/openai/v1/responses";

fn opened(proxy: &Proxy, lines: &[(&'static str, &str)]) -> Socket {
    Socket::open(proxy, TARGET, lines).unwrap_or_else(|refused| panic!("{}", refused.status))
}

fn create(model: &str, previous: &Value) -> Message {
    let ask = json!({
        "type": "response.create", "model": model, "input": "Hello", "previous_response_id": previous,
    });
    Message::text(ask.to_string())
}

/// The last event of a response.
fn ended(socket: &mut Socket) -> Value {
    loop {
        let event = socket.event();
        if ["response.completed", "error"].contains(&event["type"].as_str().unwrap()) {
            return event;
        }
    }
}

#[test]
fn the_first_message_chooses_the_region_and_the_session_stays_there() {
    let regions = Regions::start(&[("first", 1.0), ("second", 1.0)]);
    regions.control.set("second", Change::AddDeployment(Deployment::new("o4"))).unwrap();
    let lines: Vec<_> = regions
        .list
        .iter()
        .map(|(name, url, key)| {
            let more = if name == "second" { ", o4: o4" } else { "" };
            region(name, url, &format!(", api_key: {key}, deployments: {{gpt-4o: gpt-4o{more}}}"))
        })
        .collect();
    let proxy = Proxy::start(&config(&lines, ""));
    let offered = "realtime, openai-insecure-api-key.client-key";
    let mut socket = opened(
        &proxy,
        &[
            ("sec-websocket-protocol", offered),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("api-key", "client-key"),
        ],
    );
    assert_eq!(socket.header("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(socket.header("sec-websocket-extensions"), None);
    // answered before any region is there
    socket.send(Message::Ping("early".into()));
    assert_eq!(socket.next(), Message::Pong("early".into()));
    assert_eq!(
        regions.stats("first").count("responses") + regions.stats("second").count("responses"),
        0
    );
    socket.send(create("o4", &Value::Null));
    let mut previous = Value::Null;
    for turn in 0..2 {
        if turn > 0 {
            socket.send(create("o4", &previous));
        }
        let event = ended(&mut socket);
        assert_eq!(event["response"]["model"], "o4-sim", "{event}");
        previous = event["response"]["id"].clone();
    }
    let stats = regions.stats("second");
    let seen =
        stats.recent.iter().find(|seen| seen.method == "GET" && seen.operation == "responses");
    let seen = seen.unwrap();
    assert_eq!((seen.target.as_str(), seen.header("api-key")), (TARGET, Some("sim-key")));
    assert_eq!(seen.header("sec-websocket-extensions"), None);
    assert!(!format!("{seen:?}").contains("client-key"));
    assert_eq!(regions.stats("first").count("responses"), 0);
    socket.send(Message::Ping("late".into()));
    assert_eq!(socket.next(), Message::Pong("late".into()));
    let line = "nearway_requests_in_flight{region=\"second\",deployment=\"o4\"} 1\n";
    assert!(proxy.admin("/metrics").text().contains(line));
}

#[test]
fn a_region_that_fails_the_handshake_is_passed_over() {
    let regions = Regions::start(&[("first", 1.0), ("second", 1.0)]);
    regions.control.set("first", Change::Key("rotated".to_owned())).unwrap();
    let lines =
        [vec![region("nowhere", &refused(), ", api_key: k")], regions.configured()].concat();
    let proxy = Proxy::start(&config(&lines, ""));
    let mut socket = opened(&proxy, &[]);
    socket.send(create("gpt-4o", &Value::Null));
    assert_eq!(ended(&mut socket)["type"], "response.completed");
    assert_eq!(regions.stats("second").count("responses"), 2, "the handshake and one turn");
}

#[test]
fn when_no_region_takes_it_the_client_is_told_in_an_event() {
    let nowhere = Proxy::start(&config(&[region("nowhere", &refused(), ", api_key: k")], ""));
    let regions = Regions::start(&[("only", 1.0)]);
    regions.control.set("only", Change::Status(Some(429))).unwrap();
    let busy = Proxy::start(&config(&regions.configured(), ""));
    let renaming = Regions::start(&[("only", 1.0)]);
    let lines = renaming.configured_with(", deployments: {gpt-4o: gpt-4o-eu}");
    let renaming = Proxy::start(&config(&lines, ""));
    for (proxy, status, code, close) in [
        (&nowhere, 502, "nearway_unreachable", 1011),
        (&busy, 429, "429", 1013),
        // each further message would name the deployment as the client calls it
        (&renaming, 503, "nearway_no_region", 1013),
    ] {
        let mut socket = opened(proxy, &[]);
        socket.send(create("gpt-4o", &Value::Null));
        let event = socket.event();
        assert_eq!(
            (&event["type"], &event["status"]),
            (&json!("error"), &json!(status)),
            "{event}"
        );
        assert_eq!(event["error"]["code"], code, "{event}");
        assert_eq!(socket.closed().0, close, "{event}");
    }
    let refused = "nearway_requests_refused_total{code=\"nearway_unreachable\"} 1\n";
    assert!(nowhere.admin("/metrics").text().contains(refused));
}

#[test]
fn fences_that_go_by_the_name_hold_for_every_message() {
    let regions = Regions::start(&[("only", 1.0)]);
    let keys = "clients: [{name: held, keys: [\"held\"], deployments: [gpt-4o]}, {name: free, keys: [\"free\"]}]";
    let proxy = Proxy::start(&config(&regions.configured(), keys));
    let mut held = opened(&proxy, &[("api-key", "held")]);
    held.send(create("gpt-4o", &Value::Null));
    assert_eq!(held.event()["error"]["code"], "nearway_model_not_found");
    assert_eq!(held.closed().0, 1008);
    let mut free = opened(&proxy, &[("api-key", "free")]);
    free.send(create("gpt-4o", &Value::Null));
    assert_eq!(ended(&mut free)["type"], "response.completed");
}

#[test]
fn a_client_that_leaves_cancels_what_it_asked_for() {
    let regions = Regions::start(&[("only", 1.0)]);
    regions.control.set("only", Change::Mode(nearway_sim::Mode::Blackhole)).unwrap();
    let proxy = Proxy::start(&config(&regions.configured(), ""));
    let mut socket = opened(&proxy, &[]);
    socket.send(create("gpt-4o", &Value::Null));
    eventually("the region is asked", || regions.stats("only").count("responses") == 1);
    // still while the region thinks
    socket.send(Message::Ping("there".into()));
    assert_eq!(socket.next(), Message::Pong("there".into()));
    drop(socket);
    eventually("the region is left", || regions.stats("only").cancelled > 0);
    let gone = "outcome=\"client_gone\"} 1\n";
    eventually("it is counted", || proxy.admin("/metrics").text().contains(gone));
}

#[test]
fn who_says_nothing_is_closed_and_what_is_no_handshake_refused() {
    let regions = Regions::start(&[("only", 1.0)]);
    let more = "timeouts: {tunnel_idle: 1s}";
    let proxy = Proxy::start(&config(&regions.configured(), more));
    let mut socket = opened(&proxy, &[]);
    assert_eq!(socket.closed().0, 1001);
    let answer = proxy.ask(&format!(
        "GET {TARGET} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: short\r\nsec-websocket-version: 13\r\n\r\n"
    ));
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("nearway_malformed_request"), "{}", answer.text());
    assert_eq!(regions.stats("only").count("responses"), 0);
}

#[test]
fn what_the_first_message_continues_is_asked_for_and_found() {
    let regions = Regions::start(&[("first", 1.0), ("second", 10.0)]);
    let yaml = config(&regions.in_order(), "");
    let proxy = Proxy::start(&yaml);
    let body = r#"{"model":"gpt-4o","input":"hi"}"#;
    let made = proxy.ask(&format!(
        "POST {TARGET} HTTP/1.1\r\nhost: a\r\nx-nearway-region: second\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let cold = Proxy::start(&yaml);
    // the one that saw it made knows, the other one asks
    for (proxy, asked) in [(&proxy, 0), (&cold, 1)] {
        let before = regions.stats("first").count("responses");
        let mut socket = opened(proxy, &[]);
        socket.send(create("gpt-4o", &made["id"]));
        let event = ended(&mut socket);
        assert_eq!(event["type"], "response.completed", "{event}");
        assert_eq!(regions.stats("first").count("responses") - before, asked);
    }
}

#[test]
fn what_a_session_made_is_found_there_at_once() {
    let regions = Regions::start(&[("first", 1.0), ("second", 10.0)]);
    let proxy = Proxy::start(&config(&regions.in_order(), ""));
    let mut socket = opened(&proxy, &[("x-nearway-region", "second")]);
    socket.send(create("gpt-4o", &Value::Null));
    let made = ended(&mut socket);
    let id = made["response"]["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    assert_eq!(regions.stats("second").count("responses"), 2, "the handshake and one turn");

    let body = json!({"model": "gpt-4o", "input": "more", "previous_response_id": id}).to_string();
    let more = proxy.ask(&format!(
        "POST {TARGET} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let by = (more.header("x-nearway-region"), more.header("x-nearway-attempts"));
    assert_eq!((more.status(), by), (200, (Some("second"), Some("1"))), "{}", more.text());

    drop(socket);
    let mut again = opened(&proxy, &[]);
    again.send(create("gpt-4o", &json!(id)));
    let event = ended(&mut again);
    assert_eq!(event["type"], "response.completed", "{event}");
    assert_eq!(regions.stats("first").count("responses"), 0);
}
