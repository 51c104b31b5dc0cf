//! Chat completions that are stored.

use serde_json::json;

use crate::harness::{data, eastus, events, id, ids, start_one};

const CHAT: &str = "/openai/v1/chat/completions";

#[tokio::test]
async fn a_completion_is_kept_if_that_was_asked_for() {
    let running = start_one(eastus()).await;
    let mut asked = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    let passing = running.made(CHAT, &asked).await;
    assert_eq!(running.get(&format!("{CHAT}/{}", id(&passing))).await.status, 404);

    asked["store"] = json!(true);
    asked["metadata"] = json!({"a": "b"});
    let made = running.made(CHAT, &asked).await;
    let one = format!("{CHAT}/{}", id(&made));
    let kept = running.get(&one).await.json();
    assert_eq!((&kept["choices"], &kept["metadata"]["a"]), (&made["choices"], &json!("b")));
    let messages = running.get(&format!("{one}/messages")).await.json();
    assert_eq!(messages["data"][0]["content"], "hello");

    asked["stream"] = json!(true);
    let pieces = events(&running.stream(CHAT, &asked).await);
    let streamed = id(&data(&pieces[1]).unwrap());
    assert_eq!(ids(&running.get(CHAT).await.json()), [streamed, id(&made)]);
    let classic = running.get("/openai/chat/completions?api-version=1&limit=1").await;
    assert_eq!(classic.json()["has_more"], true);

    running.made(&one, &json!({"metadata": {"a": "c"}})).await;
    assert_eq!(running.get(&one).await.json()["metadata"]["a"], "c");
    assert_eq!(running.delete(&one).await.json()["object"], "chat.completion.deleted");
    assert_eq!(running.get(&one).await.status, 404);
}
