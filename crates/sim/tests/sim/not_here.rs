//! What a region answers when the object lives in another one, or nowhere: the texts that a proxy
//! has to understand, and the counters that tell what it cost.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Running, eastus, id, request, start_one, start_two};

/// What a path names.
#[tokio::test]
async fn an_object_is_looked_for_in_vain() {
    let running = start_one(eastus()).await;
    for (target, text) in [
        ("files/x", "No such File object: x"),
        ("files/x/content", "No such File object: x"),
        ("batches/x", "No batch found with id 'x'."),
        ("assistants/x", "No assistant found with id 'x'."),
        ("threads/x", "No thread found with id 'x'."),
        ("threads/x/messages", "No thread found with id 'x'."),
        ("threads/x/messages/y", "No thread found with id 'x'."),
        ("threads/x/runs/y/steps", "No thread found with id 'x'."),
        ("vector_stores/x", "Vector store with id [x] not found."),
        ("vector_stores/x/files/y", "Vector store with id [x] not found."),
        ("vector_stores/x/file_batches/y", "Vector store with id [x] not found."),
        ("responses/x", "Response with id 'x' not found."),
        ("responses/x/input_items", "Response with id 'x' not found."),
        ("conversations/x", "Conversation with id 'x' not found."),
        ("conversations/x/items", "Conversation with id 'x' not found."),
        ("containers/x", "Container with id 'x' not found."),
        ("containers/x/files/y/content", "Container with id 'x' not found."),
        ("fine_tuning/jobs/x", "Fine-tuning job with id 'x' not found."),
        ("fine_tuning/jobs/x/events", "Fine-tuning job with id 'x' not found."),
        ("evals/x/runs/y/output_items", "Eval with id 'x' not found."),
        ("videos/x/content", "Video with id 'x' not found."),
        ("chat/completions/x", "Chat completion with id 'x' not found."),
    ] {
        let before = running.stats().not_here_in_all();
        let refused = running.get(&format!("/openai/v1/{target}")).await;
        assert_eq!(refused.status, 404, "{target}");
        assert_eq!(refused.json()["error"]["message"], text, "{target}");
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error", "{target}");
        assert_eq!(running.stats().not_here_in_all(), before + 1, "{target}");
    }
    assert_eq!(running.stats().not_here_writes, 0);
    assert_eq!(running.stats().not_here["threads"], 4);
}

/// What a body names: known to the first region, refused by the second, which counts it.
#[tokio::test]
async fn a_body_that_names_an_object_of_another_region_is_refused() {
    let running = start_two().await;
    let made = Made::in_eastus(&running).await;
    let responses = |more: Value| {
        let mut body = json!({"model": "gpt-4o", "input": "x"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("responses", body)
    };
    let input = |item: Value| responses(json!({"input": [item]}));
    let file_part = json!([{"type": "input_file", "file_id": made.file}]);
    let search = json!([{"type": "file_search", "vector_store_ids": [made.store]}]);
    let python = json!([{"type": "code_interpreter", "container": made.container}]);
    let auto = json!({"type": "auto", "file_ids": [made.file]});
    let auto = json!([{"type": "code_interpreter", "container": auto}]);
    let resources = json!({"file_search": {"vector_store_ids": [made.store]}});
    let batch = json!({
        "input_file_id": made.file, "endpoint": "/v1/responses", "completion_window": "24h",
    });
    let source = json!({"type": "jsonl", "source": {"type": "file_id", "id": made.file}});
    let attachments = json!([{"file_id": made.file, "tools": []}]);
    let message = json!({"role": "user", "content": "x", "attachments": attachments});
    let part = json!([{"type": "file", "file": {"file_id": made.file}}]);
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": part}]});
    let table = [
        ("batches", batch, 400, "input_file_id"),
        ("chat/completions", chat, 400, "messages"),
        (
            "fine_tuning/jobs",
            json!({"model": "m", "training_file": made.file}),
            400,
            "training_file",
        ),
        (
            "assistants",
            json!({"model": "gpt-4o", "tool_resources": resources}),
            404,
            "tool_resources",
        ),
        ("threads", json!({"messages": [message]}), 400, "messages"),
        ("threads/runs", json!({"assistant_id": made.assistant}), 404, "assistant_id"),
        ("vector_stores", json!({"file_ids": [made.file]}), 400, "file_ids"),
        ("containers", json!({"name": "c", "file_ids": [made.file]}), 400, "file_ids"),
        at(responses(json!({"previous_response_id": made.response})), 400, "previous_response_id"),
        at(responses(json!({"conversation": made.conversation})), 404, "conversation"),
        at(responses(json!({"conversation": {"id": made.conversation}})), 404, "conversation"),
        at(responses(json!({"tools": search})), 404, "tools"),
        at(responses(json!({"tools": python})), 404, "tools"),
        at(responses(json!({"tools": auto})), 400, "tools"),
        at(input(json!({"role": "user", "content": file_part})), 400, "input"),
        at(input(json!({"type": "item_reference", "id": made.item})), 400, "input"),
    ];
    for (number, (target, body, status, param)) in (1..).zip(&table) {
        let target = format!("/openai/v1/{target}");
        let posted = || request(Method::POST, &target, body.to_string());
        assert_eq!(running.whole(posted()).await.status, 200, "{target} {body}");
        let refused = running.ask(1, posted()).await;
        assert_eq!(refused.status, *status, "{target} {body}");
        assert_eq!(refused.json()["error"]["param"], *param, "{target} {body}");
        let stats = running.control().stats("westus").unwrap();
        assert_eq!((stats.not_here_in_all(), stats.not_here_writes), (number, number), "{target}");
    }
    // an eval lives where its runs do
    let eval = id(&running.made("/openai/v1/evals", &json!({"name": "e"})).await);
    let runs = format!("/openai/v1/evals/{eval}/runs");
    let missing = json!({"data_source": {"source": {"id": "file-x"}}});
    assert_eq!(running.post(&runs, &missing).await.status, 400);
    running.made(&runs, &json!({"data_source": source})).await;
}

#[tokio::test]
async fn a_previous_response_and_sealed_reasoning_have_codes_of_their_own() {
    let running = start_two().await;
    let target = "/openai/v1/responses";
    let asked = json!({
        "model": "gpt-4o", "input": "x", "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    let made = running.made(target, &asked).await;
    let reasoning = &made["output"][0];
    assert_eq!(reasoning["type"], "reasoning");
    assert!(reasoning["id"].as_str().unwrap().starts_with("rs_"));
    let sealed = reasoning["encrypted_content"].as_str().unwrap();
    assert!(sealed.starts_with("gAAA") && sealed.len() > 2048, "{}", sealed.len());

    let mut again = asked.clone();
    again["input"] =
        json!([made["output"][0], made["output"][1], {"role": "user", "content": "y"}]);
    running.made(target, &again).await;
    let elsewhere = request(Method::POST, target, again.to_string());
    let elsewhere = running.ask(1, elsewhere).await;
    assert_eq!(
        (elsewhere.status.as_u16(), &elsewhere.json()["error"]["code"]),
        (400, &json!("invalid_encrypted_content"))
    );
    let text = elsewhere.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.ends_with("Encrypted content could not be decrypted or parsed."), "{text}");

    // changed, cut, and without its content
    let mut changed = again.clone();
    changed["input"][0]["encrypted_content"] = json!(sealed.replacen("gAAAA", "gAAAB", 1));
    assert_eq!(
        running.post(target, &changed).await.json()["error"]["code"],
        "invalid_encrypted_content"
    );
    changed["input"][0]["encrypted_content"] = json!("gAAA");
    assert_eq!(
        running.post(target, &changed).await.json()["error"]["code"],
        "invalid_encrypted_content"
    );
    changed["input"][0]["encrypted_content"] = Value::Null;
    let unknown = running.post(target, &changed).await.json();
    let expected = format!("Item with id '{}' not found.", id(reasoning));
    assert_eq!(unknown["error"]["message"], expected);

    let chained = json!({"model": "gpt-4o", "input": "x", "previous_response_id": id(&made)});
    let unknown = running.post(target, &chained).await.json();
    assert_eq!(unknown["error"]["code"], "previous_response_not_found");
    let expected = format!("Previous response with id '{}' not found.", id(&made));
    assert_eq!(unknown["error"]["message"], expected);
}

type Row = (&'static str, Value, u16, &'static str);

fn at((target, body): (&'static str, Value), status: u16, param: &'static str) -> Row {
    (target, body, status, param)
}

/// One object of each kind that a body may name.
struct Made {
    file: String,
    store: String,
    assistant: String,
    container: String,
    conversation: String,
    response: String,
    item: String,
}

impl Made {
    async fn in_eastus(running: &Running) -> Self {
        let make = async |target: &str, body: Value| {
            running.made(&format!("/openai/v1/{target}"), &body).await
        };
        let response = make("responses", json!({"model": "gpt-4o", "input": "x"})).await;
        Self {
            file: running.file("batch", "{}").await,
            store: id(&make("vector_stores", json!({})).await),
            assistant: id(&make("assistants", json!({"model": "gpt-4o"})).await),
            container: id(&make("containers", json!({"name": "c"})).await),
            conversation: id(&make("conversations", json!({})).await),
            response: id(&response),
            item: id(&response["output"][0]),
        }
    }
}
