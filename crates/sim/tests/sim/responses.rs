//! Responses: whole, streamed, remembered by one region.

use http::Method;
use nearway_sim::RegionWorld;
use serde_json::{Value, json};

use crate::harness::{KEY, data, eastus, read, request, start, start_one};

const TARGET: &str = "/openai/v1/responses";

fn hello() -> Value {
    json!({"model": "gpt-4o", "input": "hello"})
}

#[tokio::test]
async fn a_response_is_known_to_its_region_alone() {
    let westus = RegionWorld::new("westus", KEY).with_deployments(&["gpt-4o"]);
    let running = start(vec![eastus(), westus]).await;
    let made = running.post(TARGET, &hello()).await.json();
    assert_eq!(made["status"], "completed");
    let text = made["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Hello from East US."), "{text}");
    let id = made["id"].as_str().unwrap();
    let mut next = hello();
    next["previous_response_id"] = json!(id);
    assert_eq!(running.post(TARGET, &next).await.json()["previous_response_id"], json!(id));

    let elsewhere = request(Method::POST, TARGET, next.to_string());
    let elsewhere = read(running.send_to(running.address_of(1), elsewhere).await.unwrap()).await;
    assert_eq!(elsewhere.status, 400);
    assert_eq!(elsewhere.json()["error"]["code"], "previous_response_not_found");
    assert_eq!(elsewhere.json()["error"]["param"], "previous_response_id");

    let one = format!("{TARGET}/{id}");
    assert_eq!(running.get(&one).await.json(), made);
    let deleted = running.whole(request(Method::DELETE, &one, "")).await;
    assert_eq!(deleted.json()["deleted"], true);
    assert_eq!(running.get(&one).await.status, 404);
}

#[tokio::test]
async fn what_is_not_stored_is_not_found() {
    let running = start_one(eastus()).await;
    let mut body = hello();
    body["store"] = json!(false);
    let made = running.post(TARGET, &body).await.json();
    let one = format!("{TARGET}/{}", made["id"].as_str().unwrap());
    assert_eq!(running.get(&one).await.status, 404);
}

#[tokio::test]
async fn events_come_in_the_order_of_the_api() {
    let running = start_one(RegionWorld { tokens: 2, ..eastus() }).await;
    let mut body = hello();
    body["stream"] = json!(true);
    let pieces = running.stream(TARGET, &body).await;
    let kinds: Vec<&str> = pieces
        .iter()
        .map(|(_, piece)| piece.lines().next().unwrap().strip_prefix("event: ").unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, (_, piece)) in pieces.iter().enumerate() {
        let event = data(piece).unwrap();
        assert_eq!(event["sequence_number"], json!(number));
        assert_eq!(event["type"], kinds[number]);
    }
    assert_eq!(data(&pieces[6].1).unwrap()["text"], "Hello from");
}

#[tokio::test]
async fn limits_end_a_response_early() {
    let running = start_one(RegionWorld { tokens: 40, ..eastus() }).await;
    let mut body = hello();
    body["max_output_tokens"] = json!(16);
    let made = running.post(TARGET, &body).await.json();
    assert_eq!(made["status"], "incomplete");
    assert_eq!(made["incomplete_details"]["reason"], "max_output_tokens");
    body["max_output_tokens"] = json!(15);
    let refused = running.post(TARGET, &body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["code"], "integer_below_min_value");
}

#[tokio::test]
async fn a_function_is_called() {
    let running = start_one(eastus()).await;
    let mut body = hello();
    body["tools"] = json!([{"type": "function", "name": "weather", "parameters": {}}]);
    body["tool_choice"] = json!("required");
    let made = running.post(TARGET, &body).await.json();
    assert_eq!(made["output"][0]["type"], "function_call");
    assert_eq!(made["output"][0]["name"], "weather");
}
