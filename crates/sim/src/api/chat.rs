//! Chat completions: one JSON answer or a stream (API fact sheet section 5.1).
//!
//! Called by `api.rs`. Reads the request and decides what is said; `chat/whole.rs` and
//! `chat/stream.rs` write it down, `chat/tool.rs` makes tool calls.

pub(crate) mod stored;
mod stream;
pub(crate) mod tool;
mod whole;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::tool::ToolCall;
use super::errors::ApiError;
use super::generation::{Bounds, Generation, prompt_tokens, reject_unsupported};
use super::objects::all_here;
use super::references::Places;
use super::request::{deployment, posted, typed};
use super::sse;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/chat/completions`.
pub(crate) async fn complete(
    exchange: &mut Exchange,
    head: &Parts,
    body: &Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    if head.method == Method::GET {
        return stored::answer(exchange, head, body).await;
    }
    let raw = posted(head, body)?;
    let request: ChatRequest = typed(&raw)?;
    let model = deployment(exchange, request.model.as_deref())?;
    exchange.prompt = prompt_tokens(&json!(request.messages));
    exchange.admit(Some(&model)).await?;
    if request.messages.is_empty() {
        return Err(ApiError::Missing("messages"));
    }
    reject_unsupported(&model, &raw, REJECTED_BY_REASONING)?;
    all_here(exchange, &raw, NAMED)?;
    let many = request.n.unwrap_or(1);
    if !(1..=CHOICES_MOST).contains(&many) {
        return Err(ApiError::Invalid { param: "n", expected: "1 to 128" });
    }
    let bounds = Bounds {
        usual: exchange.world.tokens,
        limit: request.max_completion_tokens.or(request.max_tokens),
        effort: request.reasoning_effort.as_deref(),
    };
    let world = exchange.world.clone();
    let choices = (0..many)
        .map(|_| Generation::make(&model, world.display(), bounds, &mut exchange.rng))
        .collect::<Result<Vec<_>, _>>()?;
    let call = tool::wanted(&request.messages, &request.tools, &request.tool_choice)
        .map(|function| ToolCall::make(function, exchange.id("call_")));
    let said = Said {
        id: exchange.object_id(Kind::ChatCompletion.prefix()),
        created: exchange.created(),
        model: model.model,
        azure: exchange.route.is_azure(),
        prompt_tokens: exchange.prompt,
        choices,
        call,
    };
    if request.store.unwrap_or(false) {
        stored::keep(exchange, &whole::object(&said), &raw, &request.messages);
    }
    if request.stream.unwrap_or(false) {
        let options = request.stream_options.unwrap_or_default();
        let events = stream::events(&said, exchange.delays, options.include_usage);
        return Ok(exchange.stream(events, || sse::chat_error().into()));
    }
    exchange.until(exchange.delays.total(said.tokens())).await;
    Ok(exchange.json(StatusCode::OK, &whole::object(&said)))
}

/// What the handler reads; everything else is ignored.
#[derive(Debug, Deserialize)]
struct ChatRequest {
    model: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
    stream: Option<bool>,
    store: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    n: Option<u32>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    tool_choice: Value,
    reasoning_effort: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Everything that an answer says, before it is written down.
#[derive(Debug)]
struct Said {
    id: String,
    created: u64,
    model: String,
    azure: bool,
    prompt_tokens: u32,
    choices: Vec<Generation>,
    /// In place of the text.
    call: Option<ToolCall>,
}

impl Said {
    /// Of the longest choice: they are made side by side.
    fn tokens(&self) -> u32 {
        self.choices.iter().map(Generation::spent).max().unwrap_or(0)
    }

    fn finish_reason(&self, choice: &Generation) -> &'static str {
        match self.call {
            Some(_) => "tool_calls",
            None if choice.cut_short => "length",
            None => "stop",
        }
    }
}

/// Azure's verdict on a harmless text.
fn filter_results() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

fn prompt_filter_results() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": filter_results()}])
}

const REJECTED_BY_REASONING: &[&str] = &[
    "max_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
];
const NAMED: Places = &[("messages[].content[].file.file_id", Kind::File)];
const CHOICES_MOST: u32 = 128;
