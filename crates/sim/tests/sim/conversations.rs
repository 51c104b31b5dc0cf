//! Conversations, and the responses that are part of one.

use serde_json::{Value, json};

use crate::harness::{eastus, id, start_one};

const CONVERSATIONS: &str = "/openai/v1/conversations";

#[tokio::test]
async fn a_response_is_added_to_its_conversation() {
    let running = start_one(eastus()).await;
    let first = json!({"items": [{"role": "user", "content": "one"}], "metadata": {"a": "b"}});
    let made = running.made(CONVERSATIONS, &first).await;
    let conversation = id(&made);
    // by its id or as an object
    for form in [json!(conversation), json!({"id": conversation})] {
        let asked = json!({"model": "gpt-4o", "input": "two", "conversation": form});
        let said = running.made("/openai/v1/responses", &asked).await;
        assert_eq!(said["conversation"], json!({"id": conversation}));
    }
    let one = format!("{CONVERSATIONS}/{conversation}");
    let items = format!("{one}/items");
    let list = running.get(&format!("{items}?order=asc")).await.json();
    let said: Vec<&Value> =
        list["data"].as_array().unwrap().iter().map(|item| &item["role"]).collect();
    assert_eq!(said, ["user", "user", "assistant", "user", "assistant"]);
    assert_eq!(list["data"][0]["content"], json!([{"type": "input_text", "text": "one"}]));

    let added = json!({"items": [{"type": "message", "role": "user", "content": "three"}]});
    let added = running.made(&items, &added).await;
    let item = format!("{items}/{}", id(&added["data"][0]));
    assert_eq!(running.get(&item).await.json(), added["data"][0]);
    assert_eq!(running.delete(&item).await.json(), made);
    assert_eq!(running.get(&item).await.status, 404);
    assert_eq!(running.delete(&one).await.json()["object"], "conversation.deleted");
    assert_eq!(running.get(&items).await.status, 404);
}
