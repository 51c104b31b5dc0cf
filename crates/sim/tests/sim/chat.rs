//! Chat completions, whole and streamed, in the three dialects.

use std::time::Duration;

use nearway_sim::{Deployment, RegionWorld};
use serde_json::{Value, json};

use crate::harness::{data, eastus, start_one};

const CLASSIC: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

fn hello() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = hello();
    body[name] = value;
    body
}

#[tokio::test]
async fn each_dialect_answers_and_only_azure_filters() {
    let running = start_one(eastus()).await;
    for (target, azure) in
        [(CLASSIC, true), ("/openai/v1/chat/completions", true), ("/v1/chat/completions", false)]
    {
        let answer = running.post(target, &hello()).await;
        let body = answer.json();
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("x-ms-region"), "East US");
        assert_ne!(answer.header("apim-request-id"), answer.header("x-request-id"));
        assert_eq!(answer.header("x-ms-deployment-name"), "gpt-4o");
        assert!(answer.headers.contains_key("x-ratelimit-remaining-requests"));
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["model"], "gpt-4o-sim");
        let text = body["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.starts_with("Hello from East US."), "{text}");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["usage"]["completion_tokens"], 10);
        assert_eq!(body.get("prompt_filter_results").is_some(), azure, "{target}");
    }
}

#[tokio::test]
async fn limits_and_choices_are_honoured() {
    let running = start_one(eastus()).await;
    let body = running.post(CLASSIC, &with("max_tokens", json!(2))).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Hello from");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    let body = running.post(CLASSIC, &with("n", json!(3))).await.json();
    assert_eq!(body["choices"].as_array().unwrap().len(), 3);
    assert_eq!(running.post(CLASSIC, &with("n", json!(0))).await.status, 400);
}

#[tokio::test]
async fn thinking_until_the_limit_takes_its_time() {
    let model = Deployment::reasoning("o");
    let world = RegionWorld { base_ms: 40.0, per_token_ms: 2.0, ..eastus() };
    let running = start_one(RegionWorld { deployments: vec![model], ..world }).await;
    let question = json!([{"role": "user", "content": "hello"}]);
    for (target, limit, asked) in [
        ("/v1/chat/completions", "max_completion_tokens", "messages"),
        ("/v1/responses", "max_output_tokens", "input"),
    ] {
        let body = json!({"model": "o", "stream": true, limit: 16, asked: question});
        let events = running.stream(target, &body).await;
        let (ended, _) = events.last().unwrap();
        // the first token's time and fifteen more, though none of them is seen
        assert!(*ended >= Duration::from_millis(70), "{target}: {ended:?}");
    }
}

#[tokio::test]
async fn a_stream_has_the_order_of_the_api() {
    let running = start_one(RegionWorld { tokens: 3, ..eastus() }).await;
    let mut body = with("stream", json!(true));
    body["stream_options"] = json!({"include_usage": true});
    let events: Vec<Option<Value>> =
        running.stream(CLASSIC, &body).await.iter().map(|(_, event)| data(event)).collect();
    let event = |index: usize| events[index].as_ref().unwrap();
    assert_eq!(events.len(), 8);
    assert!(event(0)["prompt_filter_results"].is_array());
    assert_eq!(event(0)["choices"], json!([]));
    assert_eq!(event(1)["choices"][0]["delta"]["role"], "assistant");
    let text: String = (2..5)
        .map(|index| event(index)["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Hello from East");
    assert_eq!(event(2)["usage"], Value::Null);
    assert_eq!(event(5)["choices"][0]["finish_reason"], "stop");
    assert_eq!(event(6)["usage"]["completion_tokens"], 3);
    assert_eq!(event(6)["choices"], json!([]));
    assert_eq!(events[7], None);
}

#[tokio::test]
async fn without_azure_a_stream_begins_with_the_role() {
    let running = start_one(eastus()).await;
    let events = running.stream("/v1/chat/completions", &with("stream", json!(true))).await;
    let first = data(&events[0].1).unwrap();
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    assert!(first.get("usage").is_none());
}

#[tokio::test]
async fn events_arrive_one_by_one_as_time_goes() {
    let region = RegionWorld { per_token_ms: 150.0, tokens: 4, ..eastus().with_base_ms(100.0) };
    let running = start_one(region).await;
    let pieces = running.stream(CLASSIC, &with("stream", json!(true))).await;
    assert!(pieces.iter().all(|(_, piece)| piece.matches("data: ").count() == 1), "{pieces:?}");
    let words = [r#""content":"Hello""#, r#":" from""#, r#":" East""#, r#":" US""#];
    let at = words.map(|word| pieces.iter().find(|(_, piece)| piece.contains(word)).unwrap().0);
    let due = [100, 250, 400, 550].map(Duration::from_millis);
    assert!(at.iter().zip(due).all(|(at, due)| *at >= due), "none comes early: {at:?}");
    assert!(at[0] < due[3], "the first waited for the last: {at:?}");
}

#[tokio::test]
async fn a_whole_answer_takes_as_long_as_its_tokens() {
    let region = RegionWorld { per_token_ms: 20.0, tokens: 4, ..eastus().with_base_ms(60.0) };
    let running = start_one(region).await;
    let before = tokio::time::Instant::now();
    running.post(CLASSIC, &hello()).await;
    let took = tokio::time::Instant::now().duration_since(before);
    assert!(took >= Duration::from_millis(120), "{took:?}");
}

#[tokio::test]
async fn a_tool_is_called_whole_and_in_fragments() {
    let running = start_one(eastus()).await;
    let parameters = json!({
        "type": "object", "required": ["city"], "properties": {"city": {"type": "string"}},
    });
    let mut body = hello();
    body["tools"] = json!([
        {"type": "function", "function": {"name": "weather", "parameters": parameters}},
    ]);
    body["tool_choice"] = json!("required");
    let answer = running.post(CLASSIC, &body).await.json();
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(call["function"]["name"], "weather");
    body["stream"] = json!(true);
    let arguments: String = running
        .stream(CLASSIC, &body)
        .await
        .iter()
        .filter_map(|(_, event)| data(event))
        .filter_map(|event| {
            let delta = event["choices"].get(0)?["delta"]["tool_calls"].get(0)?.clone();
            delta["function"]["arguments"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(arguments, r#"{"city":"simulated"}"#);
}

#[tokio::test]
async fn a_reasoning_model_has_its_own_rules() {
    let mut region = eastus();
    region.deployments.push(Deployment::reasoning("o4"));
    let running = start_one(region).await;
    let target = "/openai/v1/chat/completions";
    let mut body = with("max_tokens", json!(5));
    body["model"] = json!("o4");
    let refused = running.post(target, &body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["code"], "unsupported_parameter");
    assert_eq!(refused.json()["error"]["param"], "max_tokens");
    let mut body = with("max_completion_tokens", json!(16));
    body["model"] = json!("o4");
    let capped = running.post(target, &body).await.json();
    assert_eq!(capped["choices"][0]["message"]["content"], "");
    assert_eq!(capped["choices"][0]["finish_reason"], "length");
    body["reasoning_effort"] = json!("none");
    let refused = running.post(target, &body).await.json();
    assert_eq!(refused["error"]["code"], "unsupported_value");
}
