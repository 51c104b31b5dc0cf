//! Lists: whole and page by page. Which objects are on a page is tested in `page.rs`.

use serde_json::json;

use crate::harness::{eastus, id, ids, start_one};

const ASSISTANTS: &str = "/openai/v1/assistants";

#[tokio::test]
async fn pages_follow_each_other_until_the_end() {
    let running = start_one(eastus()).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(id(&running.made(ASSISTANTS, &json!({"model": "gpt-4o"})).await));
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = running.get(&format!("{ASSISTANTS}?limit=2{after}")).await.json();
        seen.extend(ids(&page));
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_page_that_is_none_is_refused() {
    let running = start_one(eastus()).await;
    for (target, status, param) in [
        ("assistants?limit=101", 400, "limit"),
        ("assistants?after=asst_x", 404, "after"),
        ("vector_stores?before=vs_x", 404, "before"),
        ("files?limit=10001", 400, "limit"),
    ] {
        let refused = running.get(&format!("/openai/v1/{target}")).await;
        assert_eq!(refused.status, status, "{target}");
        assert_eq!(refused.json()["error"]["param"], param, "{target}");
    }
    assert_eq!(running.get("/openai/v1/files?limit=10000").await.status, 200);
    // a cursor that is not here is an object that is not here
    assert_eq!(running.stats().not_here_in_all(), 2);
}
