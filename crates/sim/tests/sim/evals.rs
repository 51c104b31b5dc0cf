//! Evals and their runs.

use serde_json::json;

use crate::harness::{eastus, id, ids, start_one};

const EVALS: &str = "/openai/v1/evals";

#[tokio::test]
async fn a_run_of_an_eval_is_done_when_looked_at() {
    let running = start_one(eastus()).await;
    let file = running.file("evals", "{}").await;
    let config = json!({"type": "custom", "item_schema": {}});
    let eval = running.made(EVALS, &json!({"name": "e", "data_source_config": config})).await;
    let one = format!("{EVALS}/{}", id(&eval));
    let source = json!({"type": "jsonl", "source": {"type": "file_id", "id": file}});
    let run = running.made(&format!("{one}/runs"), &json!({"data_source": source})).await;
    assert_eq!((&run["status"], &run["eval_id"]), (&json!("queued"), &eval["id"]));
    let of_run = format!("{one}/runs/{}", id(&run));
    assert_eq!(running.get(&of_run).await.json()["status"], "completed");
    let items = running.get(&format!("{of_run}/output_items")).await.json();
    assert!(ids(&items)[0].starts_with("outputitem_"));
    assert_eq!(running.delete(&of_run).await.json()["run_id"], run["id"]);
    assert_eq!(running.delete(&one).await.json()["eval_id"], eval["id"]);
}
