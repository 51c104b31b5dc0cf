//! Containers and the files in them.

use serde_json::json;

use crate::harness::{eastus, form, id, ids, multipart, start_one};

const CONTAINERS: &str = "/openai/v1/containers";

#[tokio::test]
async fn files_are_copied_or_sent_into_a_container() {
    let running = start_one(eastus()).await;
    let file = running.file("assistants", "copied").await;
    let made = running.made(CONTAINERS, &json!({"name": "c", "file_ids": [file]})).await;
    let one = format!("{CONTAINERS}/{}", id(&made));
    let files = format!("{one}/files");
    running.made(&files, &json!({"file_id": file})).await;
    let sent = multipart(&files, form(&[], ("file", "s.txt", "sent")));
    let sent = running.whole(sent).await.json();
    assert_eq!((&sent["path"], &sent["bytes"]), (&json!("/mnt/data/s.txt"), &json!(4)));
    let list = running.get(&format!("{files}?order=asc")).await.json();
    let mut contents = Vec::new();
    for id in ids(&list) {
        assert!(id.starts_with("cfile_"), "{id}");
        contents.push(running.get(&format!("{files}/{id}/content")).await.body);
    }
    assert_eq!(contents, ["copied", "copied", "sent"]);
    let tool = json!([{"type": "code_interpreter", "container": id(&made)}]);
    let asked = json!({"model": "gpt-4o", "input": "x", "tools": tool});
    running.made("/openai/v1/responses", &asked).await;
    assert_eq!(running.delete(&one).await.json()["object"], "container.deleted");
    assert_eq!(running.post("/openai/v1/responses", &asked).await.status, 404);
}
