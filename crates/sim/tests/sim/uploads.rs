//! Files that come in parts.

use serde_json::json;

use crate::harness::{eastus, form, id, multipart, start_one};

const UPLOADS: &str = "/openai/v1/uploads";

#[tokio::test]
async fn parts_become_a_file_in_the_order_that_is_asked_for() {
    let running = start_one(eastus()).await;
    let asked = json!({
        "filename": "a.txt", "purpose": "batch", "bytes": 10, "mime_type": "text/plain",
    });
    let upload = id(&running.made(UPLOADS, &asked).await);
    let mut parts = Vec::new();
    for content in ["world", "hello"] {
        let part = form(&[], ("data", "part", content));
        let part = running.whole(multipart(&format!("{UPLOADS}/{upload}/parts"), part)).await;
        assert!(part.json()["id"].as_str().unwrap().starts_with("part_"));
        parts.push(id(&part.json()));
    }
    let complete = format!("{UPLOADS}/{upload}/complete");
    let unknown = running.post(&complete, &json!({"part_ids": ["part_x"]})).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(running.post(&complete, &json!({"part_ids": [parts[0]]})).await.status, 400);

    let done = running.made(&complete, &json!({"part_ids": [parts[1], parts[0]]})).await;
    assert_eq!(done["status"], "completed");
    let file = format!("/openai/v1/files/{}", id(&done["file"]));
    assert_eq!(running.get(&format!("{file}/content")).await.body, "helloworld");
    assert_eq!(running.post(&complete, &json!({"part_ids": parts})).await.status, 400);
}

#[tokio::test]
async fn a_cancelled_upload_takes_no_more() {
    let running = start_one(eastus()).await;
    let asked = json!({"filename": "a", "purpose": "batch", "bytes": 1});
    let one = format!("{UPLOADS}/{}", id(&running.made(UPLOADS, &asked).await));
    let cancelled = running.made(&format!("{one}/cancel"), &json!({})).await;
    assert_eq!(cancelled["status"], "cancelled");
    let part = multipart(&format!("{one}/parts"), form(&[], ("data", "part", "x")));
    assert_eq!(running.whole(part).await.status, 400);
}
