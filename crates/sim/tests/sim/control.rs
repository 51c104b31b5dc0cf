//! The world changed while it runs, in-process and over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use nearway_sim::{Change, ControlError, Step};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{eastus, read, start_one};

#[tokio::test]
async fn a_change_is_in_force_for_the_next_request() {
    let running = start_one(eastus()).await;
    let control = running.control();
    control.set("eastus", Change::Base(Duration::from_millis(80))).unwrap();
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    let before = tokio::time::Instant::now();
    running.post("/v1/chat/completions", &body).await;
    let took = tokio::time::Instant::now().duration_since(before);
    assert!(took >= Duration::from_millis(80), "{took:?}");
    let unknown = control.set("mars", Change::Status(None));
    assert!(matches!(unknown, Err(ControlError::NoRegion(_))));
    let unsound = control.set("eastus", Change::Status(Some(200)));
    assert!(matches!(unsound, Err(ControlError::World(_))));
    assert_eq!(control.region("eastus").unwrap().status, None);
}

#[tokio::test]
async fn a_patched_base_holds_although_the_script_had_a_step() {
    let mut world = eastus();
    world.steps = [(0.0, 1.0), (9_999.0, 2.0)].map(|(at_s, base_ms)| Step { at_s, base_ms }).into();
    let running = start_one(world.clone()).await;
    running.control().patch("eastus", br#"{"base_ms": 80}"#).unwrap();
    let changed = running.control().region("eastus").unwrap();
    assert_eq!((changed.base_ms, &changed.steps[..]), (80.0, &world.steps[1..]));
    let steps = json!({"base_ms": 90, "steps": [{"at_s": 0, "base_ms": 3}]});
    running.control().patch("eastus", steps.to_string().as_bytes()).unwrap();
    assert_eq!(running.control().region("eastus").unwrap().steps.len(), 1, "as the patch says");
}

#[tokio::test]
async fn the_control_endpoint_shows_and_changes_the_world() {
    let running = start_one(eastus()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    running.sim.serve_control(listener);
    let call = async |method: Method, target: &str, body: Value| {
        let body = Full::new(Bytes::from(body.to_string()));
        let request = Request::builder().method(method).uri(target).header("host", "control");
        let sent = running.send_to(address, request.body(body).unwrap()).await.unwrap();
        let answer = read(sent).await;
        (answer.status.as_u16(), answer.json())
    };
    let (status, world) = call(Method::GET, "/world", Value::Null).await;
    assert_eq!((status, &world["regions"][0]["name"]), (200, &json!("eastus")));
    let patch = json!({"base_ms": 250, "failures": {"rate": 0.5}, "display": null});
    let (status, region) = call(Method::PATCH, "/regions/eastus", patch).await;
    assert_eq!((status, &region["base_ms"]), (200, &json!(250.0)));
    assert_eq!(running.control().region("eastus").unwrap().failures.unwrap().status, 503);
    assert_eq!(running.control().region("eastus").unwrap().display(), "eastus");
    for (patch, part) in [
        (json!({"base_ms": -1}), "base_ms"),
        (json!({"name": "other"}), "renamed"),
        (json!({"bse_ms": 1}), "bse_ms"),
        (json!(5), "patch"),
    ] {
        let (status, told) = call(Method::PATCH, "/regions/eastus", patch).await;
        assert_eq!(status, 400);
        assert!(told["error"].as_str().unwrap().contains(part), "{told}");
    }
    let (status, stats) = call(Method::GET, "/regions/eastus/stats", Value::Null).await;
    assert_eq!((status, &stats["requests"]), (200, &json!(0)));
    assert_eq!(call(Method::GET, "/regions/mars", Value::Null).await.0, 404);
}

#[tokio::test]
async fn every_task_ends_with_the_token() {
    let running = start_one(eastus()).await;
    let open = running.get("/sim/status/200").await;
    assert_eq!(open.status, 200);
    let (sim, tasks) = (running.sim, running.tasks);
    drop(running.end);
    tokio::time::timeout(Duration::from_secs(5), sim.stopped()).await.unwrap();
    tasks.close();
    tasks.wait().await;
}
