//! A response as one JSON object, under way and ended.

use serde_json::{Value, json};

use crate::api::chat::tool::ToolCall;
use crate::api::generation::Generation;

/// Everything that a response says, before it is written down.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) item_id: String,
    /// Comes before what is said.
    pub(super) thought: Option<Thought>,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) prompt_tokens: u32,
    pub(super) stored: bool,
    /// Some of its fields come back in the response.
    pub(super) request: Value,
    pub(super) generation: Generation,
    /// In place of the text.
    pub(super) call: Option<ToolCall>,
}

/// An item of reasoning.
#[derive(Debug)]
pub(super) struct Thought {
    pub(super) id: String,
    /// If it was asked for.
    pub(super) sealed: Option<String>,
}

impl Thought {
    /// As it begins: nothing is sealed yet.
    pub(super) fn opened(&self) -> Value {
        json!({"id": self.id, "type": "reasoning", "summary": []})
    }

    /// As it ends.
    pub(super) fn item(&self) -> Value {
        let mut item = self.opened();
        if let (Some(sealed), Value::Object(item)) = (&self.sealed, &mut item) {
            item.insert("encrypted_content".to_owned(), json!(sealed));
        }
        item
    }
}

impl Said {
    /// The response in the background before anybody looks again.
    pub(super) fn queued(&self) -> Value {
        self.object("queued", &Value::Null, &json!([]), &Value::Null)
    }

    /// The response before its first token.
    pub(super) fn under_way(&self) -> Value {
        self.object("in_progress", &Value::Null, &json!([]), &Value::Null)
    }

    /// The response as it is in the end.
    pub(super) fn ended(&self) -> Value {
        let cut_short = self.cut_short();
        let details = if cut_short { json!({"reason": "max_output_tokens"}) } else { Value::Null };
        let status = if cut_short { "incomplete" } else { "completed" };
        let spent = self.generation.spent();
        let usage = json!({
            "input_tokens": self.prompt_tokens, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spent,
            "output_tokens_details": {"reasoning_tokens": self.generation.reasoning},
            "total_tokens": self.prompt_tokens.saturating_add(spent),
        });
        self.object(status, &details, &json!(self.output()), &usage)
    }

    /// All output items, ended.
    pub(super) fn output(&self) -> Vec<Value> {
        self.thought.iter().map(Thought::item).chain([self.item()]).collect()
    }

    /// The conversation that the response is part of, by its id.
    pub(super) fn conversation(&self) -> Option<&str> {
        let conversation = self.request.get("conversation")?;
        conversation.get("id").unwrap_or(conversation).as_str()
    }

    /// A tool call is always whole.
    pub(super) fn cut_short(&self) -> bool {
        self.generation.cut_short && self.call.is_none()
    }

    /// What is said, or called: the last output item, ended.
    pub(super) fn item(&self) -> Value {
        let status = if self.cut_short() { "incomplete" } else { "completed" };
        match &self.call {
            Some(call) => json!({
                "id": self.item_id, "type": "function_call", "status": status,
                "call_id": call.id, "name": call.name, "arguments": call.arguments,
            }),
            None => json!({
                "id": self.item_id, "type": "message", "status": status, "role": "assistant",
                "content": [part(&self.generation.text())],
            }),
        }
    }

    fn object(&self, status: &str, details: &Value, output: &Value, usage: &Value) -> Value {
        let given = |name: &str, default: Value| {
            self.request.get(name).filter(|value| !value.is_null()).cloned().unwrap_or(default)
        };
        json!({
            "id": self.id, "object": "response", "created_at": self.created, "status": status,
            "background": given("background", json!(false)),
            "conversation": self.conversation().map(|id| json!({"id": id})),
            "error": null, "incomplete_details": details,
            "instructions": given("instructions", Value::Null),
            "max_output_tokens": given("max_output_tokens", Value::Null),
            "metadata": given("metadata", json!({})),
            "model": self.model, "output": output,
            "parallel_tool_calls": given("parallel_tool_calls", json!(true)),
            "previous_response_id": given("previous_response_id", Value::Null),
            "reasoning": given("reasoning", json!({"effort": null, "summary": null})),
            "service_tier": "default", "store": self.stored,
            "temperature": given("temperature", json!(1.0)),
            "text": given("text", json!({"format": {"type": "text"}})),
            "tool_choice": given("tool_choice", json!("auto")),
            "tools": given("tools", json!([])),
            "top_p": given("top_p", json!(1.0)),
            "truncation": given("truncation", json!("disabled")),
            "usage": usage, "user": given("user", Value::Null),
        })
    }
}

/// A piece of content.
pub(super) fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
