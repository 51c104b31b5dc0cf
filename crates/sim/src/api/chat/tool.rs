//! Tool calls: whether one is wanted, and one that fits the function's schema.
//!
//! A simulated model calls a tool when the request requires it, or when the last message is the
//! user's and says "tool" or a function's name. Pure.

use serde_json::{Map, Value, json};

/// One call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

impl ToolCall {
    /// Calls a function with a value for each required parameter. `function` has `name` and
    /// `parameters`.
    pub(crate) fn make(function: &Value, id: String) -> Self {
        let parameters = function.get("parameters").unwrap_or(&Value::Null);
        let required = parameters.get("required").and_then(Value::as_array);
        let arguments: Map<String, Value> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|name| {
                let schema = parameters.get("properties").and_then(|all| all.get(name));
                (name.to_owned(), example(schema.unwrap_or(&Value::Null)))
            })
            .collect();
        let name = function.get("name").and_then(Value::as_str).unwrap_or("function");
        Self { id, name: name.to_owned(), arguments: Value::Object(arguments).to_string() }
    }

    pub(super) fn object(&self) -> Value {
        json!({
            "id": self.id, "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        })
    }

    /// The deltas of a stream: the name first, then the arguments in fragments.
    pub(super) fn deltas(&self) -> Vec<Value> {
        let first = json!({"tool_calls": [{
            "index": 0, "id": self.id, "type": "function",
            "function": {"name": self.name, "arguments": ""},
        }]});
        let more = self
            .fragments()
            .into_iter()
            .map(|part| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}));
        std::iter::once(first).chain(more).collect()
    }

    /// The arguments in pieces of a few characters.
    pub(crate) fn fragments(&self) -> Vec<String> {
        let characters: Vec<char> = self.arguments.chars().collect();
        characters.chunks(FRAGMENT_CHARS).map(|part| part.iter().collect()).collect()
    }
}

/// The function that a chat request makes the model call, if any.
pub(super) fn wanted<'a>(
    messages: &[Value],
    tools: &'a [Value],
    choice: &Value,
) -> Option<&'a Value> {
    let functions = tools.iter().filter_map(|tool| tool.get("function"));
    let named = choice.get("function").and_then(|function| function.get("name"));
    let asked = messages
        .last()
        .filter(|message| message.get("role").and_then(Value::as_str) == Some("user"))
        .and_then(|message| message.get("content"));
    pick(functions, choice, named.and_then(Value::as_str), asked)
}

/// The same rule for any API: by name, because required, or because the user asks for it.
pub(crate) fn pick<'a>(
    mut functions: impl Iterator<Item = &'a Value>,
    choice: &Value,
    named: Option<&str>,
    asked: Option<&Value>,
) -> Option<&'a Value> {
    let name = |function: &'a Value| function.get("name").and_then(Value::as_str);
    if let Some(named) = named {
        return functions.find(|function| name(function) == Some(named));
    }
    match choice.as_str() {
        Some("none") => None,
        Some("required") => functions.next(),
        _ => {
            let asked = asked?.to_string();
            functions.find(|function| {
                asked.contains("tool") || name(function).is_some_and(|name| asked.contains(name))
            })
        }
    }
}

/// A value that a parameter's schema allows.
fn example(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|all| all.first()) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("simulated"),
    }
}

const FRAGMENT_CHARS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Vec<Value> {
        let parameters = json!({
            "type": "object", "required": ["city", "days"],
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        });
        vec![
            json!({"type": "function", "function": {"name": "weather", "parameters": parameters}}),
            json!({"type": "function", "function": {"name": "clock"}}),
        ]
    }

    fn name(text: &str, choice: &Value) -> Option<String> {
        let messages = [json!({"role": "user", "content": text})];
        let tools = tools();
        let function = wanted(&messages, &tools, choice)?;
        Some(function["name"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_tool_is_called_when_required_named_or_asked_for() {
        let auto = json!("auto");
        let named = json!({"type": "function", "function": {"name": "clock"}});
        assert_eq!(name("hello", &auto), None);
        assert_eq!(name("hello", &json!("required")).as_deref(), Some("weather"));
        assert_eq!(name("hello", &named).as_deref(), Some("clock"));
        assert_eq!(name("use a tool", &Value::Null).as_deref(), Some("weather"));
        assert_eq!(name("what says the clock", &auto).as_deref(), Some("clock"));
        assert_eq!(name("use a tool", &json!("none")), None);
    }

    #[test]
    fn the_answer_of_a_tool_is_not_answered_with_a_call() {
        let messages = [json!({"role": "tool", "tool_call_id": "c", "content": "tool says 5"})];
        assert_eq!(wanted(&messages, &tools(), &Value::Null), None);
    }

    #[test]
    fn arguments_fit_the_schema_and_survive_fragmentation() {
        let tools = tools();
        let call = ToolCall::make(&tools[0]["function"], "call_1".to_owned());
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
        assert_eq!(arguments, json!({"city": "simulated", "days": 1}));
        assert_eq!(call.fragments().concat(), call.arguments);
        assert!(call.fragments().len() > 1);
    }
}
