//! Fine-tuning jobs.

use serde_json::json;

use crate::harness::{eastus, id, ids, start_one};

const JOBS: &str = "/openai/v1/fine_tuning/jobs";

#[tokio::test]
async fn a_job_succeeds_and_has_events_and_checkpoints() {
    let running = start_one(eastus()).await;
    let file = running.file("fine-tune", "{}").await;
    let asked = json!({"model": "gpt-4o", "training_file": file});
    let made = running.made(JOBS, &asked).await;
    assert_eq!(made["status"], "queued");
    let one = format!("{JOBS}/{}", id(&made));
    let done = running.get(&one).await.json();
    assert_eq!(done["status"], "succeeded");
    assert!(done["fine_tuned_model"].as_str().unwrap().starts_with("gpt-4o.ft-"));
    for (what, prefix) in [("events", "ftevent-"), ("checkpoints", "ftckpt_")] {
        let list = running.get(&format!("{one}/{what}")).await.json();
        let there = ids(&list);
        assert_eq!(there.len(), 2);
        assert!(there.iter().all(|id| id.starts_with(prefix)), "{there:?}");
    }
    assert_eq!(ids(&running.get(JOBS).await.json()), [id(&made)]);
    assert_eq!(running.post(&format!("{one}/cancel"), &json!({})).await.status, 400);
}
