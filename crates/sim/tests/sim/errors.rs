//! How a region refuses: key, deployment, route, body, script, throttle.

use http::Method;
use nearway_sim::{Change, Failures, Hint, Throttle};
use serde_json::{Value, json};

use crate::harness::{eastus, request, start_one};

const CHAT: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

fn hello() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
}

#[tokio::test]
async fn only_the_regions_own_key_passes() {
    let running = start_one(eastus()).await;
    let mut wrong = request(Method::GET, "/openai/v1/models", "");
    wrong.headers_mut().insert("api-key", "secret-west".parse().unwrap());
    let refused = running.whole(wrong).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["code"], "401");
    let bearer = |token: &str| {
        let mut request = request(Method::GET, "/openai/v1/models", "");
        request.headers_mut().remove("api-key");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let refused = running.whole(bearer("nonsense")).await;
    assert_eq!(refused.json()["statusCode"], 401);
    assert_eq!(running.whole(bearer(crate::harness::KEY)).await.status, 200);
}

#[tokio::test]
async fn the_status_path_needs_no_key() {
    let running = start_one(eastus()).await;
    let mut request = request(Method::GET, "/status-0123456789abcdef", "");
    request.headers_mut().remove("api-key");
    assert_eq!(running.whole(request).await.status, 200);
    assert_eq!(running.stats().count("status"), 1);
}

#[tokio::test]
async fn what_the_region_does_not_have_is_not_found() {
    let running = start_one(eastus()).await;
    let classic = "/openai/deployments/gpt-9/chat/completions?api-version=1";
    let mut in_body = hello();
    in_body["model"] = json!("gpt-9");
    for (target, body) in [(classic, hello()), ("/openai/v1/chat/completions", in_body)] {
        let answer = running.post(target, &body).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["error"]["code"], "DeploymentNotFound", "{target}");
    }
    for target in ["/openai/v1/nonsense", "/openai/deployments/gpt-4o/chat/completions", "/"] {
        let answer = running.post(target, &hello()).await;
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(answer.json()["error"]["message"], "Resource not found");
    }
    running.control().set("eastus", Change::DropDeployment("gpt-4o".to_owned())).unwrap();
    assert_eq!(running.post(CHAT, &hello()).await.status, 404);
}

#[tokio::test]
async fn a_bad_body_is_the_clients_fault() {
    let running = start_one(eastus()).await;
    let broken = request(Method::POST, CHAT, "{\"model\": ");
    let answer = running.whole(broken).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    let answer = running.post("/v1/chat/completions", &json!({"messages": []})).await;
    assert_eq!(answer.json()["error"]["param"], "model");
    let answer = running.post(CHAT, &json!({"messages": []})).await;
    assert_eq!(answer.json()["error"]["param"], "messages");
}

#[tokio::test]
async fn scripted_failures_come_and_go() {
    let running = start_one(eastus()).await;
    let control = running.control();
    control.set("eastus", Change::Status(Some(503))).unwrap();
    let answer = running.post(CHAT, &hello()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["type"], "server_error");
    control.set("eastus", Change::Status(None)).unwrap();
    assert_eq!(running.post(CHAT, &hello()).await.status, 200);
    let always = Failures { rate: 1.0, status: 500 };
    control.set("eastus", Change::Failures(Some(always))).unwrap();
    assert_eq!(running.post(CHAT, &hello()).await.status, 500);
    assert_eq!(running.stats().statuses[&200], 1);
}

#[tokio::test]
async fn a_throttled_region_says_when_to_come_back() {
    let running = start_one(eastus()).await;
    let limit = |hint| Throttle { per_minute: 0, hint, retry_after_ms: Some(1_500) };
    let table = [
        (Hint::Both, Some("1500"), Some("2"), true),
        (Hint::Millis, Some("1500"), None, true),
        (Hint::Seconds, None, Some("2"), true),
        (Hint::Text, None, None, true),
        (Hint::None, None, None, false),
    ];
    for (hint, millis, seconds, text) in table {
        running.control().set("eastus", Change::Throttle(Some(limit(hint)))).unwrap();
        let answer = running.post(CHAT, &hello()).await;
        let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(answer.status, 429);
        assert_eq!(answer.json()["error"]["code"], "429");
        assert_eq!((header("retry-after-ms"), header("retry-after")), (millis, seconds));
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(message.contains("retry after 2 seconds"), text, "{hint:?}: {message}");
    }
    running.control().set("eastus", Change::Throttle(Some(limit(Hint::Date)))).unwrap();
    let answer = running.post(CHAT, &hello()).await;
    assert!(httpdate::parse_http_date(answer.header("retry-after")).is_ok());
}
