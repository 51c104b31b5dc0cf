//! Realtime sessions through the whole product: to a region that has the model, with its credential, and
//! frame by frame as they came.

use nearway_sim::Change;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::harness::{Proxy, Regions, config, region};
use crate::raw::eventually;
use crate::sockets::Socket;

const TARGET: &str = "/openai/v1/realtime?model=gpt-realtime";

/// Regions named so, of which the last alone has a realtime model, and a proxy before them.
fn started(names: &[&str], more: &str) -> (Regions, Proxy) {
    let regions = Regions::start(&names.iter().map(|name| (*name, 1.0)).collect::<Vec<_>>());
    let last = names.last().unwrap();
    let model = nearway_sim::Deployment::new("gpt-realtime");
    regions.control.set(last, Change::AddDeployment(model)).unwrap();
    let proxy = Proxy::start(&config(&regions.configured(), more));
    (regions, proxy)
}

fn opened(proxy: &Proxy, target: &str, lines: &[(&'static str, &str)]) -> Socket {
    let mut socket = match Socket::open(proxy, target, lines) {
        Ok(socket) => socket,
        Err(refused) => panic!("{}: {}", refused.status, String::from_utf8_lossy(&refused.body)),
    };
    assert_eq!(socket.event()["type"], "session.created");
    socket
}

#[test]
fn a_session_goes_where_the_model_is() {
    let (_regions, proxy) = started(&["first", "second", "third"], "");
    let socket = opened(&proxy, TARGET, &[]);
    assert_eq!(socket.header("x-nearway-region"), Some("third"));
    assert_eq!(socket.header("x-nearway-attempts"), Some("3"));
}

#[test]
fn a_region_whose_deployments_do_not_name_the_model_is_not_asked() {
    let regions = Regions::start(&[("first", 1.0), ("second", 1.0)]);
    let model = nearway_sim::Deployment::new("gpt-realtime");
    regions.control.set("second", Change::AddDeployment(model)).unwrap();
    let serving = regions.list.iter().zip(["gpt-4o", "gpt-realtime"]);
    let lines: Vec<_> = serving
        .map(|((name, url, key), serves)| {
            region(name, url, &format!(", api_key: {key}, deployments: {{{serves}: {serves}}}"))
        })
        .collect();
    let proxy = Proxy::start(&config(&lines, ""));
    let socket = opened(&proxy, TARGET, &[]);
    assert_eq!(socket.header("x-nearway-region"), Some("second"));
    assert_eq!(socket.header("x-nearway-attempts"), Some("1"));
    assert_eq!(regions.stats("first").count("realtime"), 0);
}

#[test]
fn a_region_that_refuses_is_passed_over_and_the_last_refusal_is_the_clients() {
    for (change, status) in [
        (Change::Status(Some(429)), 429),
        (Change::Status(Some(503)), 503),
        (Change::Key("rotated".to_owned()), 502),
    ] {
        let (regions, proxy) =
            started(&["first", "second"], "failover: {backoff_min: 1ms, backoff_max: 1ms}");
        let model = nearway_sim::Deployment::new("gpt-realtime");
        regions.control.set("first", Change::AddDeployment(model)).unwrap();
        regions.control.set("first", change.clone()).unwrap();
        let socket = opened(&proxy, TARGET, &[]);
        assert_eq!(socket.header("x-nearway-region"), Some("second"), "{change:?}");
        regions.control.set("second", change.clone()).unwrap();
        let Err(refused) = Socket::open(&proxy, TARGET, &[]) else { panic!("{change:?}") };
        assert_eq!(refused.status, status, "{change:?}");
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
    }
    let (_regions, proxy) = started(&["first", "second"], "");
    let target = "/openai/v1/realtime?model=no-such-deployment";
    let Err(refused) = Socket::open(&proxy, target, &[]) else { panic!("opened") };
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, &body["error"]["code"]), (404, &json!("DeploymentNotFound")));
    assert!(refused.headers.contains_key("x-nearway-region"));
}

#[test]
fn each_form_of_a_clients_key_becomes_the_regions_and_the_name_its_own() {
    let regions = Regions::start(&[("only", 1.0)]);
    let model = nearway_sim::Deployment::new("rt-eu");
    regions.control.set("only", Change::AddDeployment(model)).unwrap();
    let lines = regions.configured_with(", deployments: {gpt-realtime: rt-eu}");
    let clients = "clients: [{name: web, keys: [\"client-key\"]}]";
    let proxy = Proxy::start(&config(&lines, clients));
    let preview = "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime";
    let protocols = "realtime, openai-insecure-api-key.client-key";
    for (target, line, sent) in [
        (TARGET, Some(("api-key", "client-key")), "/openai/v1/realtime?model=rt-eu"),
        (TARGET, Some(("authorization", "Bearer client-key")), "/openai/v1/realtime?model=rt-eu"),
        (
            "/openai/v1/realtime?api-key=client-key&model=gpt-realtime",
            None,
            "/openai/v1/realtime?model=rt-eu",
        ),
        (
            "/v1/realtime?model=gpt-realtime",
            Some(("sec-websocket-protocol", protocols)),
            "/v1/realtime?model=rt-eu",
        ),
        (
            preview,
            Some(("api-key", "client-key")),
            "/openai/realtime?api-version=2025-04-01-preview&deployment=rt-eu",
        ),
    ] {
        let lines: Vec<_> = line.into_iter().collect();
        let socket = opened(&proxy, target, &lines);
        let in_protocol = line.is_some_and(|(name, _)| name == "sec-websocket-protocol");
        let chosen = in_protocol.then_some("realtime");
        assert_eq!(socket.header("sec-websocket-protocol"), chosen, "{target}");
        let stats = regions.stats("only");
        let seen = stats.last_of("realtime").unwrap();
        assert_eq!(seen.target, sent);
        assert_eq!(seen.header("api-key"), Some("sim-key"));
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("sec-websocket-protocol"), chosen);
        assert!(!format!("{seen:?}").contains("client-key"), "{seen:?}");
    }
    let Err(refused) = Socket::open(&proxy, TARGET, &[("api-key", "other")]) else { panic!("in") };
    assert_eq!(refused.status, 401);
}

#[test]
fn a_session_is_in_flight_until_it_ends_and_its_frames_pass_as_they_are() {
    let (regions, proxy) = started(&["only"], "");
    let in_flight = |count: u32| {
        let line =
            format!("nearway_requests_in_flight{{region=\"only\",deployment=\"other\"}} {count}\n");
        proxy.admin("/metrics").text().contains(&line)
    };
    let mut socket = opened(&proxy, TARGET, &[]);
    assert!(in_flight(1));
    let long = json!({"type": "test.echo", "audio": "A".repeat(300_000)}).to_string();
    socket.send(Message::text(long.clone()));
    assert_eq!(socket.next(), Message::text(long));
    socket.send(Message::binary(vec![0, 255, 1]));
    assert_eq!(socket.next(), Message::binary(vec![0, 255, 1]));
    socket.send(Message::Ping("are you there".into()));
    assert_eq!(socket.next(), Message::Pong("are you there".into()));
    let close = json!({"type": "sim.close", "code": 4001, "reason": "enough, says the region"});
    socket.send(Message::text(close.to_string()));
    assert_eq!(socket.closed(), (4001, "enough, says the region".to_owned()));
    drop(socket);
    let closed = |reason: &str, count: u32| {
        let line = format!("nearway_tunnels_ended_total{{reason=\"{reason}\"}} {count}\n");
        proxy.admin("/metrics").text().contains(&line)
    };
    eventually("it is over", || in_flight(0) && closed("closed", 1));

    let mut socket = opened(&proxy, TARGET, &[]);
    let frame = CloseFrame { code: 4002.into(), reason: "enough, says the client".into() };
    socket.send(Message::Close(Some(frame)));
    assert_eq!(socket.closed(), (4002, "enough, says the client".to_owned()));
    drop(socket);
    eventually("the region has its code", || regions.stats("only").last_close == Some(4002));
    eventually("it is over", || in_flight(0) && closed("closed", 2));
}

#[test]
fn a_session_that_is_idle_or_lasts_too_long_is_closed_on_both_sides() {
    for (key, reason, metric) in [
        ("tunnel_idle", "The session was idle for too long.", "idle"),
        ("tunnel", "The session has reached its longest duration.", "expired"),
    ] {
        let (regions, proxy) = started(&["only"], &format!("timeouts: {{{key}: 1s}}"));
        let mut socket = opened(&proxy, TARGET, &[]);
        assert_eq!(socket.closed(), (1001, reason.to_owned()));
        eventually("the region is told", || regions.stats("only").last_close == Some(1001));
        drop(socket);
        let line = format!("nearway_tunnels_ended_total{{reason=\"{metric}\"}} 1\n");
        eventually("it is counted", || proxy.admin("/metrics").text().contains(&line));
    }
}

/// Two regions that have the model, with a key minted by the second.
fn minted(proxy: &Proxy, more: &str) -> String {
    let body = r#"{"session":{"type":"realtime","model":"gpt-realtime"}}"#;
    let made = proxy.ask(&format!(
        "POST /openai/v1/realtime/client_secrets HTTP/1.1\r\nhost: a\r\nx-nearway-region: second\r\n\
         content-type: application/json\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let secret: Value = serde_json::from_slice(&made.body).unwrap();
    secret["value"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned()
}

fn both() -> Regions {
    let regions = Regions::start(&[("first", 1.0), ("second", 1.0)]);
    for name in ["first", "second"] {
        let model = nearway_sim::Deployment::new("gpt-realtime");
        regions.control.set(name, Change::AddDeployment(model)).unwrap();
    }
    regions
}

#[test]
fn a_key_of_a_session_opens_it_where_it_was_minted_in_each_form() {
    let regions = both();
    let yaml = config(&regions.in_order(), "");
    let proxy = Proxy::start(&yaml);
    let key = minted(&proxy, "");
    let bearer = format!("Bearer {key}");
    let protocol = format!("realtime, openai-insecure-api-key.{key}");
    let query = format!("{TARGET}&api-key={key}");
    for (target, line) in [
        (TARGET, Some(("authorization", &*bearer))),
        (TARGET, Some(("api-key", &*key))),
        (TARGET, Some(("sec-websocket-protocol", &*protocol))),
        (&*query, None),
    ] {
        let lines: Vec<_> = line.into_iter().collect();
        let socket = opened(&proxy, target, &lines);
        assert_eq!(socket.header("x-nearway-region"), Some("second"), "{lines:?}");
        assert_eq!(socket.header("x-nearway-attempts"), Some("1"), "{lines:?}");
        let seen = regions.stats("second");
        let seen = seen.last_of("realtime").unwrap();
        assert!(!seen.target.contains(&*key), "{}", seen.target);
    }
    // it has not seen the key made
    let cold = Proxy::start(&yaml);
    for tries in ["2", "1"] {
        let socket = opened(&cold, TARGET, &[("authorization", &bearer)]);
        assert_eq!(socket.header("x-nearway-region"), Some("second"));
        assert_eq!(socket.header("x-nearway-attempts"), Some(tries));
    }
    let refused = Socket::open(&cold, TARGET, &[("authorization", "Bearer ek_nobodys")]);
    assert_eq!(refused.err().map(|refused| refused.status), Some(401));
    // nobody's key is held against a region's own
    assert_eq!(opened(&cold, TARGET, &[]).header("x-nearway-attempts"), Some("1"));
}

#[test]
fn a_key_of_a_session_is_its_clients_alone() {
    let regions = both();
    let yaml = config(&regions.in_order(), "clients: [{name: web, keys: [web-key]}]");
    let proxy = Proxy::start(&yaml);
    let key = minted(&proxy, "api-key: web-key\r\n");
    let bearer = format!("Bearer {key}");
    let socket = opened(&proxy, TARGET, &[("authorization", &bearer)]);
    assert_eq!(socket.header("x-nearway-region"), Some("second"));
    let foreign = Proxy::start(&yaml);
    let refused = Socket::open(&foreign, TARGET, &[("authorization", &bearer)]);
    assert_eq!(refused.err().map(|refused| refused.status), Some(401), "nobody knows whose it is");
    assert_eq!(regions.stats("first").count("realtime"), 0);
}
