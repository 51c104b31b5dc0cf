//! Batches: from a file to a file.

use serde_json::{Value, json};

use crate::harness::{eastus, id, start_one};

const BATCHES: &str = "/openai/v1/batches";

fn of(file: &str) -> Value {
    json!({
        "input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": {"night": "1"},
    })
}

#[tokio::test]
async fn a_batch_answers_each_line_once_it_is_looked_at() {
    let running = start_one(eastus()).await;
    let file = running.file("batch", "{\"custom_id\": \"a\"}\n{\"custom_id\": \"b\"}\n").await;
    let made = running.made(BATCHES, &of(&file)).await;
    assert_eq!((&made["status"], &made["output_file_id"]), (&json!("validating"), &Value::Null));
    assert_eq!(made["metadata"]["night"], "1");

    let done = running.get(&format!("{BATCHES}/{}", id(&made))).await.json();
    assert_eq!((&done["status"], &done["error_file_id"]), (&json!("completed"), &Value::Null));
    assert_eq!(done["request_counts"], json!({"total": 2, "completed": 2, "failed": 0}));
    let output = done["output_file_id"].as_str().unwrap();
    let output = running.get(&format!("/openai/v1/files/{output}/content")).await.body;
    let lines: Vec<Value> = std::str::from_utf8(&output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!([&lines[0]["custom_id"], &lines[1]["custom_id"]], ["a", "b"]);
    assert_eq!(lines[0]["response"]["status_code"], 200);
    let said = &lines[0]["response"]["body"]["choices"][0]["message"]["content"];
    assert_eq!(said, "Hello from East US.");
}

#[tokio::test]
async fn what_is_done_cannot_be_cancelled() {
    let running = start_one(eastus()).await;
    let file = running.file("batch", "{}").await;
    let one = format!("{BATCHES}/{}", id(&running.made(BATCHES, &of(&file)).await));
    let cancel = format!("{one}/cancel");
    assert_eq!(running.made(&cancel, &json!({})).await["status"], "cancelled");
    assert_eq!(running.made(&cancel, &json!({})).await["status"], "cancelled");
    assert_eq!(running.get(&one).await.json()["status"], "cancelled");

    let one = format!("{BATCHES}/{}", id(&running.made(BATCHES, &of(&file)).await));
    running.get(&one).await;
    assert_eq!(running.post(&format!("{one}/cancel"), &json!({})).await.status, 400);
}
