//! Responses: whole, streamed, remembered by one region.

use http::Method;
use nearway_sim::RegionWorld;
use serde_json::{Value, json};

use crate::harness::{KEY, data, eastus, events, read, request, start, start_one};

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
async fn a_stored_response_tells_what_it_was_asked_with() {
    let running = start_one(eastus()).await;
    let made = running.post(TARGET, &hello()).await.json();
    let reference = json!({"type": "item_reference", "id": made["output"][0]["id"]});
    let known = json!({"type": "message", "id": "msg_x", "role": "user", "content": "one"});
    let mut body = hello();
    body["input"] = json!([reference, known, {"role": "user", "content": "two"}]);
    let next = running.post(TARGET, &body).await.json();
    let items = format!("{TARGET}/{}/input_items?order=asc", next["id"].as_str().unwrap());
    let items = running.get(&items).await.json();
    let items = items["data"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!((&items[0], &items[1]["id"]), (&made["output"][0], &json!("msg_x")));
}

#[tokio::test]
async fn reasoning_comes_before_what_is_said_and_is_sealed_if_asked_for() {
    let mut region = eastus();
    region.deployments.push(nearway_sim::Deployment::reasoning("o4"));
    let running = start_one(region).await;
    let mut body = json!({"model": "o4", "input": "hello", "stream": true});
    let items = async |body: &Value| {
        let pieces = events(&running.stream(TARGET, body).await);
        let done = |piece: &&String| piece.starts_with("event: response.output_item.done\n");
        let items: Vec<Value> =
            pieces.iter().filter(done).map(|piece| data(piece).unwrap()).collect();
        let ended = data(pieces.last().unwrap()).unwrap();
        (items, ended["response"]["output"].clone())
    };
    let (plain, output) = items(&body).await;
    assert_eq!([&plain[0]["output_index"], &plain[1]["output_index"]], [0, 1]);
    assert_eq!(plain[0]["item"]["encrypted_content"], Value::Null);
    assert_eq!(output, json!([plain[0]["item"], plain[1]["item"]]));
    body["include"] = json!(["reasoning.encrypted_content"]);
    let (sealed, output) = items(&body).await;
    assert!(sealed[0]["item"]["encrypted_content"].is_string());
    assert_eq!(output[0], sealed[0]["item"]);
}

#[tokio::test]
async fn a_response_in_the_background_is_done_when_looked_at_or_cancelled() {
    let running = start_one(eastus()).await;
    let mut body = hello();
    body["background"] = json!(true);
    let made = running.post(TARGET, &body).await.json();
    assert_eq!((&made["status"], &made["output"]), (&json!("queued"), &json!([])));
    let one = format!("{TARGET}/{}", made["id"].as_str().unwrap());
    assert_eq!(running.get(&one).await.json()["status"], "completed");
    assert_eq!(running.post(&format!("{one}/cancel"), &json!({})).await.status, 400);

    let made = running.post(TARGET, &body).await.json();
    let cancel = format!("{TARGET}/{}/cancel", made["id"].as_str().unwrap());
    assert_eq!(running.post(&cancel, &json!({})).await.json()["status"], "cancelled");
    assert_eq!(running.post(&cancel, &json!({})).await.json()["status"], "cancelled");
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
