//! Embeddings: a vector per input, the same for the same input.
//!
//! Called by `api.rs`. The SDKs ask for base64 unless told otherwise: little-endian 32-bit floats.

use bytes::Bytes;
use fastrand::Rng;
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::base64;
use super::errors::ApiError;
use super::generation::prompt_tokens;
use super::request::{deployment, posted, typed};
use crate::body::RegionBody;
use crate::exchange::Exchange;

/// Answers `POST …/embeddings`.
pub(crate) async fn embed(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    let request: EmbeddingRequest = typed(&posted(head, body)?)?;
    let model = deployment(exchange, request.model.as_deref())?;
    exchange.admit(Some(&model)).await?;
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=DIMENSIONS_MOST).contains(&dimensions) {
        return Err(ApiError::Invalid { param: "dimensions", expected: "1 to 3072" });
    }
    let inputs = inputs(&request.input)?;
    let as_base64 = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let expected = "`float` or `base64`";
            return Err(ApiError::Invalid { param: "encoding_format", expected });
        }
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, dimensions);
            let embedding = if as_base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(base64::encode(&bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = prompt_tokens(&request.input);
    exchange.until(exchange.delays.first_token).await;
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let object = json!({"object": "list", "data": data, "model": model.model, "usage": usage});
    Ok(exchange.json(StatusCode::OK, &object))
}

#[derive(Debug, Deserialize)]
struct EmbeddingRequest {
    model: Option<String>,
    #[serde(default)]
    input: Value,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

/// A text, a list of texts, a list of token numbers, or a list of such lists.
fn inputs(input: &Value) -> Result<Vec<String>, ApiError> {
    let inputs = match input {
        Value::String(text) => vec![text.clone()],
        Value::Array(many) if many.iter().all(Value::is_u64) && !many.is_empty() => {
            vec![input.to_string()]
        }
        Value::Array(many) => many
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    if inputs.is_empty() || inputs.len() > INPUTS_MOST {
        return Err(ApiError::Invalid { param: "input", expected: "1 to 2048 texts" });
    }
    Ok(inputs)
}

/// A vector of length one that depends on the input alone.
fn vector(input: &str, dimensions: usize) -> Vec<f32> {
    let seed = input.bytes().fold(u64::from(b'n'), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = Rng::with_seed(seed);
    let raw: Vec<f32> = std::iter::repeat_with(|| rng.f32() - 0.5).take(dimensions).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / length).collect()
}

/// Of `text-embedding-3-small`.
const DIMENSIONS: usize = 1536;
const DIMENSIONS_MOST: usize = 3072;
/// API fact sheet section 11.1.
const INPUTS_MOST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_vector_of_length_one() {
        let one = vector("hello", 64);
        assert_eq!(one, vector("hello", 64));
        assert_ne!(one, vector("hullo", 64));
        let length: f32 = one.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
    }

    #[test]
    fn every_form_of_input_is_counted() {
        let table = [
            (json!("a"), 1),
            (json!(["a", "b"]), 2),
            (json!([1, 2, 3]), 1),
            (json!([[1, 2], [3]]), 2),
        ];
        for (input, count) in table {
            assert_eq!(inputs(&input).unwrap().len(), count, "{input}");
        }
        assert!(inputs(&json!([])).is_err());
        assert!(inputs(&json!(null)).is_err());
    }
}
