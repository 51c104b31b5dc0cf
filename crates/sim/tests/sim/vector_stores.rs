//! Vector stores and the files in them.

use serde_json::json;

use crate::harness::{eastus, id, ids, start_one};

const STORES: &str = "/openai/v1/vector_stores";

#[tokio::test]
async fn files_come_and_go() {
    let running = start_one(eastus()).await;
    let first = running.file("assistants", "alpha").await;
    let second = running.file("assistants", "beta").await;
    let made = running.made(STORES, &json!({"name": "n", "file_ids": [first]})).await;
    assert_eq!((&made["file_counts"]["completed"], &made["usage_bytes"]), (&json!(1), &json!(5)));
    let one = format!("{STORES}/{}", id(&made));
    let files = format!("{one}/files");
    let added = running.made(&files, &json!({"file_id": second})).await;
    assert_eq!((&added["id"], &added["vector_store_id"]), (&json!(second), &made["id"]));
    assert_eq!(ids(&running.get(&files).await.json()), [second.clone(), first.clone()]);
    assert_eq!(running.get(&one).await.json()["file_counts"]["total"], 2);

    let found = running.made(&format!("{one}/search"), &json!({"query": "q"})).await;
    assert_eq!(found["data"][0]["content"][0]["text"], "alpha");

    let deleted = running.delete(&format!("{files}/{first}")).await.json();
    assert_eq!(deleted["object"], "vector_store.file.deleted");
    assert_eq!(running.get(&one).await.json()["file_counts"]["total"], 1);
    // only its place in the store is gone
    assert_eq!(running.get(&format!("/openai/v1/files/{first}")).await.status, 200);
}

#[tokio::test]
async fn a_batch_of_files_lists_its_own() {
    let running = start_one(eastus()).await;
    let other = running.file("assistants", "other").await;
    let file = running.file("assistants", "one").await;
    let made = running.made(STORES, &json!({"file_ids": [other]})).await;
    let batches = format!("{STORES}/{}/file_batches", id(&made));
    let batch = running.made(&batches, &json!({"file_ids": [file]})).await;
    assert_eq!(batch["status"], "in_progress");
    let one = format!("{batches}/{}", id(&batch));
    let done = running.get(&one).await.json();
    assert_eq!(
        (&done["status"], &done["file_counts"]["completed"]),
        (&json!("completed"), &json!(1))
    );
    assert_eq!(ids(&running.get(&format!("{one}/files")).await.json()), [file]);
}
