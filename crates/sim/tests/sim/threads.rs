//! Threads, their messages and their runs.

use serde_json::json;

use crate::harness::{Running, data, eastus, events, id, ids, start_one};

const THREADS: &str = "/openai/v1/threads";

async fn assistant(running: &Running) -> String {
    let asked = json!({"model": "gpt-4o", "instructions": "Be kind."});
    id(&running.made("/openai/v1/assistants", &asked).await)
}

#[tokio::test]
async fn a_run_answers_the_messages_of_its_thread() {
    let running = start_one(eastus()).await;
    let assistant = assistant(&running).await;
    let asked = json!({"messages": [{"role": "user", "content": "one"}]});
    let thread = format!("{THREADS}/{}", id(&running.made(THREADS, &asked).await));
    let messages = format!("{thread}/messages");
    let second = json!({"role": "user", "content": [{"type": "text", "text": "two"}]});
    running.made(&messages, &second).await;

    let run = running.made(&format!("{thread}/runs"), &json!({"assistant_id": assistant})).await;
    assert_eq!((&run["status"], &run["instructions"]), (&json!("queued"), &json!("Be kind.")));
    let one = format!("{thread}/runs/{}", id(&run));
    let done = running.get(&one).await.json();
    assert_eq!(
        (&done["status"], &done["usage"]["completion_tokens"]),
        (&json!("completed"), &json!(10))
    );

    let list = running.get(&format!("{messages}?order=asc")).await.json();
    let said: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"][0]["text"]["value"].as_str().unwrap())
        .collect();
    assert_eq!(said[..2], ["one", "two"]);
    assert!(said[2].starts_with("Hello from East US."), "{said:?}");
    let of_run = running.get(&format!("{messages}?run_id={}", id(&run))).await.json();
    assert_eq!(ids(&of_run), [id(&list["data"][2])]);

    let steps = running.get(&format!("{one}/steps")).await.json();
    let step = &steps["data"][0];
    assert_eq!(step["step_details"]["message_creation"]["message_id"], list["data"][2]["id"]);
    assert_eq!(running.get(&format!("{one}/steps/{}", id(step))).await.json(), *step);
    assert_eq!(ids(&running.get(&format!("{thread}/runs")).await.json()), [id(&run)]);
    assert_eq!(running.post(&format!("{one}/cancel"), &json!({})).await.status, 400);
}

#[tokio::test]
async fn a_run_that_makes_its_thread_streams_all_of_it() {
    let running = start_one(eastus()).await;
    let assistant = assistant(&running).await;
    let asked = json!({
        "assistant_id": assistant, "stream": true,
        "thread": {"messages": [{"role": "user", "content": "hello"}]},
    });
    let pieces = events(&running.stream(&format!("{THREADS}/runs"), &asked).await);
    let mut kinds: Vec<&str> = pieces
        .iter()
        .map(|piece| piece.lines().next().unwrap().strip_prefix("event: ").unwrap())
        .collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "thread.created",
            "thread.run.created",
            "thread.run.queued",
            "thread.run.in_progress",
            "thread.run.step.created",
            "thread.run.step.in_progress",
            "thread.message.created",
            "thread.message.in_progress",
            "thread.message.delta",
            "thread.message.completed",
            "thread.run.step.completed",
            "thread.run.completed",
            "done",
        ]
    );
    let thread = id(&data(&pieces[0]).unwrap());
    let run = data(&pieces[pieces.len() - 2]).unwrap();
    assert_eq!((&run["status"], &run["thread_id"]), (&json!("completed"), &json!(thread)));
    let there = running.get(&format!("{THREADS}/{thread}/runs/{}", id(&run))).await.json();
    assert_eq!(there, run);
    let text: String = pieces
        .iter()
        .filter(|piece| piece.starts_with("event: thread.message.delta\n"))
        .map(|piece| data(piece).unwrap()["delta"]["content"][0]["text"]["value"].clone())
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    assert!(text.starts_with("Hello from East US."), "{text}");
}

#[tokio::test]
async fn what_is_in_one_thread_is_not_in_another() {
    let running = start_one(eastus()).await;
    let mut threads = Vec::new();
    for _ in 0..2 {
        threads.push(format!("{THREADS}/{}", id(&running.made(THREADS, &json!({})).await)));
    }
    let message = json!({"role": "user", "content": "x"});
    let message = id(&running.made(&format!("{}/messages", threads[0]), &message).await);
    assert_eq!(running.get(&format!("{}/messages/{message}", threads[0])).await.status, 200);
    let elsewhere = running.get(&format!("{}/messages/{message}", threads[1])).await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(running.delete(&threads[0]).await.json()["object"], "thread.deleted");
    let gone = running.get(&format!("{}/messages/{message}", threads[0])).await.json();
    assert!(gone["error"]["message"].as_str().unwrap().starts_with("No thread found"));
}
