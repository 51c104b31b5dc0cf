//! Models: the deployments of the region.

use crate::harness::{eastus, start_one};

#[tokio::test]
async fn models_are_listed_and_looked_up() {
    let running = start_one(eastus()).await;
    let list = running.get("/openai/models?api-version=2024-10-21").await.json();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["gpt-4o", "embed"]);
    assert_eq!(running.get("/v1/models/gpt-4o").await.json()["object"], "model");
    let missing = running.get("/v1/models/gpt-9").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["code"], "model_not_found");
}
