//! Items: what responses and conversations consist of, each with an id of its own.
//!
//! Used by `conversations.rs` and `responses.rs`. An item of a stored response or a conversation
//! may be named by its id alone in the input of a later response, in this region.

use serde_json::{Value, json};

use super::objects::{Collection, given, text, with};
use crate::exchange::Exchange;
use crate::kind::Kind;

/// What a client gave as an item, as it is kept: whole, and with an id. A reference becomes the
/// item that it names.
pub(crate) fn make(exchange: &mut Exchange, item: &Value) -> Value {
    let id = text(item, "id").to_owned();
    if text(item, "type") == "item_reference"
        && let Ok(there) = Collection::of(Kind::Item).peek(exchange, &id)
    {
        return there;
    }
    let kind = match text(item, "type") {
        "" => "message",
        kind => kind,
    };
    let id = if id.is_empty() { exchange.object_id(prefix(kind)) } else { id };
    let made = with(item.clone(), json!({"id": id, "type": kind}));
    let made = with(json!({"status": "completed"}), made);
    match item.get("content") {
        Some(Value::String(said)) => {
            let by_model = text(item, "role") == "assistant";
            let kind = if by_model { "output_text" } else { "input_text" };
            with(made, json!({"content": [{"type": kind, "text": said}]}))
        }
        _ => made,
    }
}

/// What a response was asked with, item by item.
pub(crate) fn of_input(exchange: &mut Exchange, input: &Value) -> Vec<Value> {
    match input {
        Value::String(_) => vec![make(exchange, &json!({"role": "user", "content": input}))],
        Value::Array(items) => items.iter().map(|item| make(exchange, item)).collect(),
        _ => Vec::new(),
    }
}

/// Keeps items so that they can be named by their ids.
pub(crate) fn keep(exchange: &Exchange, items: &[Value]) {
    for item in items {
        Collection::of(Kind::Item).keep(exchange, item.clone());
    }
}

/// Puts items at the end of a conversation.
pub(crate) fn append(exchange: &Exchange, conversation: &str, items: &[Value]) {
    let there = Collection::within(Kind::ConversationItem, conversation);
    for item in items {
        there.keep(exchange, item.clone());
    }
    keep(exchange, items);
}

/// Whether the item is nothing but a name for one that the region has to know.
pub(crate) fn is_name(item: &Value) -> bool {
    match text(item, "type") {
        "item_reference" => true,
        // what carries its content need not be known
        "reasoning" => given(item, &["encrypted_content"]) == json!({}),
        _ => false,
    }
}

fn prefix(kind: &str) -> &'static str {
    match kind {
        "reasoning" => "rs_",
        "function_call" | "function_call_output" => "fc_",
        "web_search_call" => "ws_",
        "code_interpreter_call" => "ci_",
        _ => "msg_",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_have_to_be_known() {
        for (item, expected) in [
            (json!({"type": "item_reference", "id": "msg_1"}), true),
            (json!({"type": "reasoning", "id": "rs_1", "summary": []}), true),
            (json!({"type": "reasoning", "id": "rs_1", "encrypted_content": null}), true),
            (json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}), false),
            (json!({"type": "message", "id": "msg_1", "role": "user", "content": "x"}), false),
            (json!({"role": "user", "content": "x"}), false),
            (json!("text"), false),
        ] {
            assert_eq!(is_name(&item), expected, "{item}");
        }
    }
}
