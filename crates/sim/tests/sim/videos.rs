//! Videos.

use serde_json::json;

use crate::harness::{eastus, form, id, ids, multipart, start_one};

const VIDEOS: &str = "/openai/v1/videos";

#[tokio::test]
async fn a_video_is_made_and_made_again_in_another_way() {
    let running = start_one(eastus()).await;
    let fields = [("prompt", "a cat"), ("seconds", "8")];
    let made = running.whole(multipart(VIDEOS, form(&fields, ("x", "x", "")))).await.json();
    assert_eq!((&made["status"], &made["seconds"]), (&json!("queued"), &json!("8")));
    let one = format!("{VIDEOS}/{}", id(&made));
    assert_eq!(running.get(&one).await.json()["status"], "completed");
    assert!(!running.get(&format!("{one}/content")).await.body.is_empty());
    let remix = running.made(&format!("{one}/remix"), &json!({"prompt": "a dog"})).await;
    assert_eq!((&remix["remixed_from_video_id"], &remix["seconds"]), (&made["id"], &json!("8")));
    assert_eq!(ids(&running.get(VIDEOS).await.json()), [id(&remix), id(&made)]);
    assert_eq!(running.delete(&one).await.json()["object"], "video.deleted");
}
