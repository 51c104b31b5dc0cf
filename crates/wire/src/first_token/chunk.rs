//! What one event says: content, the end, or neither.
//!
//! The table of API fact sheet 5.3 in code. Reads an event's JSON once, without building anything from
//! it; what has another shape than expected is no token.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What an event contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Nothing,
    /// A content token.
    Token,
    /// No token can follow: an error or the end of the stream (API fact sheet 5.2, 5.4).
    End,
}

/// The data of a chat or legacy completion event.
pub(super) fn content(data: &[u8]) -> Content {
    if data == b"[DONE]" {
        return Content::End;
    }
    match serde_json::from_slice(data) {
        Ok(Chunk { error: Filled(true), .. }) => Content::End,
        Ok(Chunk { choices: Choices(true), .. }) => Content::Token,
        _ => Content::Nothing,
    }
}

/// The data of a Responses event that came without a name.
pub(super) fn typed(data: &[u8]) -> Content {
    if data == b"[DONE]" {
        return Content::End;
    }
    serde_json::from_slice(data).map_or(Content::Nothing, |Typed { name }| event(name.as_bytes()))
}

/// Whether the data of a Responses event begins an item of reasoning.
pub(super) fn reasons(data: &[u8]) -> bool {
    let added = serde_json::from_slice(data);
    added.is_ok_and(|Added { item: Typed { name } }| name == "reasoning")
}

/// The name of a Responses event.
pub(super) fn event(name: &[u8]) -> Content {
    match name {
        b"response.output_text.delta"
        | b"response.refusal.delta"
        | b"response.reasoning_text.delta"
        | b"response.reasoning_summary_text.delta"
        | b"response.function_call_arguments.delta"
        | b"response.custom_tool_call_input.delta"
        | b"response.mcp_call_arguments.delta"
        | b"response.code_interpreter_call_code.delta"
        | b"response.output_audio.delta"
        | b"response.image_generation_call.partial_image" => Content::Token,
        b"response.completed" | b"response.incomplete" | b"response.failed" | b"error" => {
            Content::End
        }
        _ => Content::Nothing,
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Added<'a> {
    #[serde(borrow)]
    item: Typed<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk {
    choices: Choices,
    error: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Option<Delta>,
    text: Filled,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Filled,
    refusal: Filled,
    reasoning_content: Filled,
    /// vLLM's other name for it (API fact sheet 12).
    reasoning: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
}

impl Choice {
    fn has_token(&self) -> bool {
        self.text.0 || self.delta.as_ref().is_some_and(Delta::has_token)
    }
}

impl Delta {
    fn has_token(&self) -> bool {
        let fields = [
            self.content,
            self.refusal,
            self.reasoning_content,
            self.reasoning,
            self.tool_calls,
            self.function_call,
            self.audio,
        ];
        fields.contains(&Filled(true))
    }
}

/// Whether any choice has a token.
#[derive(Default)]
struct Choices(bool);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AnyChoice).map(Self)
    }
}

struct AnyChoice;

impl<'de> Visitor<'de> for AnyChoice {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of choices")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut choices: A) -> Result<bool, A::Error> {
        let mut any = false;
        while let Some(choice) = choices.next_element::<Choice>()? {
            any |= choice.has_token();
        }
        Ok(any)
    }
}

/// Whether a value says anything: neither null nor false nor an empty text, list or object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Filled(bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(!text.is_empty())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut any = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            any = true;
        }
        Ok(any)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut any = false;
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            any = true;
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_token_is_anything_that_the_model_made() {
        for (delta, expected) in [
            (r#"{"content":"a"}"#, Content::Token),
            (r#"{"content":"\n"}"#, Content::Token),
            (r#"{"refusal":"no"}"#, Content::Token),
            (r#"{"reasoning_content":"hm"}"#, Content::Token),
            (r#"{"content":null,"reasoning":"hm"}"#, Content::Token),
            (r#"{"tool_calls":[{"index":0}]}"#, Content::Token),
            (r#"{"function_call":{"name":"f"}}"#, Content::Token),
            (r#"{"audio":{"id":"a"}}"#, Content::Token),
            (r#"{"role":"assistant"}"#, Content::Nothing),
            (r#"{"role":"assistant","content":"","refusal":null}"#, Content::Nothing),
            (r#"{"tool_calls":[],"audio":{}}"#, Content::Nothing),
            (r#"{"obfuscation":"xyz"}"#, Content::Nothing),
            ("{}", Content::Nothing),
            ("null", Content::Nothing),
            (r#""content""#, Content::Nothing),
        ] {
            let data = format!(r#"{{"choices":[{{"delta":{{}}}},{{"index":1,"delta":{delta}}}]}}"#);
            assert_eq!(content(data.as_bytes()), expected, "{delta}");
        }
    }

    #[test]
    fn chunks_without_a_token_are_known() {
        for (data, expected) in [
            (r#"{"choices":[],"usage":{"prompt_tokens":9}}"#, Content::Nothing),
            (
                r#"{"choices":[{"index":0,"content_filter_offsets":{"check_offset":4}}]}"#,
                Content::Nothing,
            ),
            (r#"{"choices":[{"index":0,"text":""}]}"#, Content::Nothing),
            (r#"{"choices":[{"index":0,"text":" "}]}"#, Content::Token),
            (r#"{"choices":null}"#, Content::Nothing),
            (r#"{"error":null,"choices":[{"text":"a"}]}"#, Content::Token),
            (r#"{"error":{"message":"m"}}"#, Content::End),
            (r#"{"error":"overloaded"}"#, Content::End),
            ("[DONE]", Content::End),
            (r#"{"choices":[{"text":"a"}"#, Content::Nothing),
            ("", Content::Nothing),
        ] {
            assert_eq!(content(data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn responses_events_are_known_by_type() {
        for (name, expected) in [
            ("response.output_text.delta", Content::Token),
            ("response.image_generation_call.partial_image", Content::Token),
            ("response.output_text.done", Content::Nothing),
            ("response.created", Content::Nothing),
            ("response.completed", Content::End),
            ("error", Content::End),
        ] {
            assert_eq!(event(name.as_bytes()), expected, "{name}");
            let data = format!(r#"{{"sequence_number":3,"type":"{name}"}}"#);
            assert_eq!(typed(data.as_bytes()), expected, "{name}");
        }
        assert_eq!(typed(b"[DONE]"), Content::End);
        assert_eq!(typed(b"{}"), Content::Nothing);
    }
}
