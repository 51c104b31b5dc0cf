//! Assistants.

use serde_json::json;

use crate::harness::{eastus, id, ids, start_one};

const ASSISTANTS: &str = "/openai/v1/assistants";

#[tokio::test]
async fn an_assistant_is_made_changed_listed_and_deleted() {
    let running = start_one(eastus()).await;
    let file = running.file("assistants", "x").await;
    let resources = json!({"code_interpreter": {"file_ids": [file]}});
    let asked = json!({"model": "gpt-4o", "name": "one", "tool_resources": resources});
    let made = running.made(ASSISTANTS, &asked).await;
    assert_eq!((&made["name"], &made["tool_resources"]), (&json!("one"), &resources));
    let one = format!("{ASSISTANTS}/{}", id(&made));
    let changed = running.made(&one, &json!({"name": "two"})).await;
    assert_eq!((&changed["name"], &changed["model"]), (&json!("two"), &json!("gpt-4o")));
    assert_eq!(running.get(&one).await.json(), changed);
    assert_eq!(ids(&running.get(ASSISTANTS).await.json()), [id(&made)]);
    let deleted = running.delete(&one).await.json();
    assert_eq!(deleted["object"], "assistant.deleted");
    assert_eq!(running.get(&one).await.status, 404);
    assert_eq!(running.post(ASSISTANTS, &json!({})).await.json()["error"]["param"], "model");
}
