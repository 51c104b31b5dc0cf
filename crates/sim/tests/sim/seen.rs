//! What a region remembers of its requests.

use http::Method;
use nearway_sim::RegionWorld;
use serde_json::json;

use crate::harness::{eastus, request, start_one};

#[tokio::test]
async fn the_latest_request_is_kept_as_it_came() {
    let running = start_one(eastus()).await;
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    let target = "/openai/deployments/gpt%2D4o/chat/completions?api-version=1&x=%20";
    let mut sent = request(Method::POST, target, body.to_string());
    sent.headers_mut().insert("x-odd", http::HeaderValue::from_bytes(b"a\xffb").unwrap());
    assert_eq!(running.whole(sent).await.status, 200);
    running.get("/v1/models").await;
    let stats = running.stats();
    assert_eq!((stats.requests, stats.count("chat_completions"), stats.count("models")), (2, 1, 1));
    assert_eq!((stats.connections, stats.cancelled, stats.in_flight), (2, 0, 0));
    let seen = stats.last_of("chat_completions").unwrap();
    assert_eq!(seen.target, target);
    assert_eq!(seen.header("x-odd"), Some("a\u{ff}b"));
    assert_eq!(seen.body.as_ref().unwrap().text.as_deref(), Some(body.to_string().as_str()));
    assert_eq!(stats.last().unwrap().target, "/v1/models");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let region = RegionWorld { tokens: 30, ..eastus() };
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let running = start_one(region.clone()).await;
        let answer = running.post("/v1/chat/completions", &body).await.json();
        answers.push((answer["id"].clone(), answer["choices"].clone()));
    }
    assert_eq!(answers[0], answers[1]);
}
