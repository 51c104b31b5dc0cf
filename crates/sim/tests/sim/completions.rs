//! Legacy completions.

use serde_json::{Value, json};

use crate::harness::{data, eastus, start_one};

const TARGET: &str = "/openai/deployments/gpt-4o/completions?api-version=2024-10-21";

#[tokio::test]
async fn text_comes_whole_and_as_a_stream() {
    let running = start_one(eastus()).await;
    let mut body = json!({"prompt": "hello", "max_tokens": 3});
    let whole = running.post(TARGET, &body).await.json();
    assert_eq!(whole["choices"][0]["text"], "Hello from East");
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let events: Vec<Option<Value>> =
        running.stream(TARGET, &body).await.iter().map(|(_, event)| data(event)).collect();
    let text: String = events
        .iter()
        .flatten()
        .filter_map(|event| event["choices"].get(0)?["text"].as_str())
        .collect();
    assert_eq!(text, "Hello from East");
    assert_eq!(events[4].as_ref().unwrap()["usage"]["completion_tokens"], 3);
    assert_eq!(events[5], None);
}
