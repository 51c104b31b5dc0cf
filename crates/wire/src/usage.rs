//! What a completion cost, in tokens.
//!
//! The prober reads this from its own completions, so that the cost of probing can be seen: one whole
//! JSON text, a response's body or the data of one event. The proxy reads it from the end of a stream
//! whose request was sent to two regions.

use serde::Deserialize;

/// Tokens of one completion, as the region counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Generated tokens, hidden reasoning included.
    pub completion: u32,
}

/// The usage in a JSON text: `usage` of chat, completions and embeddings (API fact sheet 5.1), or
/// `response.usage` of a Responses event. `None` where there is none, or a null as on every chunk but
/// the last.
#[must_use]
pub fn usage_in(event_data: &[u8]) -> Option<Usage> {
    let event: Event = serde_json::from_slice(event_data).ok()?;
    let counts = event.usage.or_else(|| event.response?.usage)?;
    let prompt = counts.prompt_tokens.or(counts.input_tokens);
    let completion = counts.completion_tokens.or(counts.output_tokens);
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    Some(Usage { prompt: bounded(prompt), completion: bounded(completion) })
}

fn bounded(count: Option<u64>) -> u32 {
    u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
}

#[derive(Deserialize)]
struct Event {
    usage: Option<Counts>,
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_found_wherever_an_api_puts_it() {
        for (data, expected) in [
            (
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
                Some((9, 2)),
            ),
            (
                r#"{"object":"list","data":[],"usage":{"prompt_tokens":1,"total_tokens":1}}"#,
                Some((1, 0)),
            ),
            (
                r#"{"type":"response.completed","response":{"usage":{"input_tokens":8,"output_tokens":16}}}"#,
                Some((8, 16)),
            ),
            (r#"{"usage":{"input_tokens":8,"output_tokens":16}}"#, Some((8, 16))),
            (
                r#"{"usage":{"prompt_tokens":99999999999,"completion_tokens":0}}"#,
                Some((u32::MAX, 0)),
            ),
            (r#"{"choices":[],"usage":null}"#, None),
            (r#"{"response":{"usage":null}}"#, None),
            (r#"{"usage":{}}"#, None),
            (r#"{"usage":{"prompt_tokens":-1}}"#, None),
            (r#"{"usage":"#, None),
            ("[DONE]", None),
            ("", None),
        ] {
            let expected = expected.map(|(prompt, completion)| Usage { prompt, completion });
            assert_eq!(usage_in(data.as_bytes()), expected, "{data}");
        }
    }
}
