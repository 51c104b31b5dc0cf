//! Embeddings in both encodings.

use serde_json::{Value, json};

use crate::harness::{eastus, start_one};

const TARGET: &str = "/openai/deployments/embed/embeddings?api-version=2024-10-21";

#[tokio::test]
async fn floats_and_base64_say_the_same() {
    let running = start_one(eastus()).await;
    let mut body = json!({"input": ["a", "b"], "dimensions": 3});
    let floats = running.post(TARGET, &body).await.json();
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    body["encoding_format"] = json!("base64");
    let coded = running.post(TARGET, &body).await.json();
    // twelve bytes are sixteen characters without padding
    let text = coded["data"][0]["embedding"].as_str().unwrap();
    assert_eq!(text.len(), 16);
    let first = floats["data"][0]["embedding"][0].as_f64().unwrap();
    assert!((f64::from(first_float(text)) - first).abs() < 1e-6);
}

#[tokio::test]
async fn a_vector_has_the_usual_length() {
    let running = start_one(eastus()).await;
    let body = json!({"input": "hello", "model": "embed"});
    let answer = running.post("/v1/embeddings", &body).await.json();
    assert_eq!(answer["data"][0]["embedding"].as_array().map(Vec::len), Some(1536));
    let refused = running.post("/v1/embeddings", &json!({"model": "embed", "input": []})).await;
    assert_eq!(refused.json()["error"]["param"], Value::from("input"));
}

fn first_float(base64: &str) -> f32 {
    let sextet = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = base64.bytes().take(6).fold(0_u64, |bits, c| (bits << 6) | u64::from(sextet(c)));
    let bytes = (bits >> 4).to_be_bytes();
    f32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}
