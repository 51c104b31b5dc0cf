//! The runs of a thread and their steps: an assistant says something.
//!
//! A run ends at once, but says so only to who looks again, or as a stream (`stream.rs`).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{messages, stream};
use crate::api::errors::ApiError;
use crate::api::generation::{Bounds, Generation, prompt_tokens};
use crate::api::objects::{Collection, all_here, given, required, text, with};
use crate::api::references::Places;
use crate::api::request::{deployment, posted_or_empty};
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;
use crate::store::Kept;

/// Answers what is below `…/threads/{thread}/runs`. The thread is here.
pub(super) fn answer(
    exchange: &Exchange,
    head: &Parts,
    body: &Bytes,
    (thread, rest): (&str, &[&str]),
) -> Result<Value, ApiError> {
    let runs = Collection::within(Kind::Run, thread);
    match (&head.method, rest) {
        (&Method::GET, []) => runs.list(exchange),
        (&Method::GET, [id]) => runs.look(exchange, id),
        (&Method::POST, [id]) => {
            runs.change(exchange, id, &given(&posted_or_empty(head, body)?, &["metadata"]))
        }
        (&Method::POST, [id, "cancel"]) => runs.cancel(exchange, id, "cancelled"),
        (&Method::GET, [id, "steps", rest @ ..]) => {
            runs.check(exchange, id)?;
            let steps = Collection::within(Kind::Step, id);
            match rest {
                [] => steps.list(exchange),
                [step] => steps.look(exchange, step),
                _ => Err(ApiError::NoRoute),
            }
        }
        _ => Err(ApiError::NoRoute),
    }
}

/// Runs an assistant on a thread, or on one that is made for it.
pub(super) async fn create(
    exchange: &mut Exchange,
    thread: Option<&str>,
    request: Value,
) -> Result<Response<RegionBody>, ApiError> {
    let assistant_id = required(&request, "assistant_id")?;
    let assistant = Collection::of(Kind::Assistant).look(exchange, assistant_id);
    let assistant = assistant.unwrap_or(Value::Null);
    let model = [&request, &assistant].map(|from| text(from, "model"));
    let model = model.into_iter().find(|model| !model.is_empty());
    let model = deployment(exchange, model);
    exchange.admit(model.as_ref().ok()).await?;
    if let Some(thread) = thread {
        Collection::of(Kind::Thread).check(exchange, thread)?;
    }
    all_here(exchange, &request, NAMED)?;
    let model = model?;
    let made = match thread {
        Some(_) => None,
        None => Some(super::create(exchange, request.get("thread").unwrap_or(&Value::Null))?),
    };
    let thread = thread.unwrap_or_else(|| made.as_ref().map_or("", |thread| text(thread, "id")));
    let more = request.get("additional_messages").and_then(Value::as_array);
    for message in more.into_iter().flatten() {
        messages::add(exchange, thread, message);
    }
    let bounds = Bounds { usual: exchange.world.tokens, limit: None, effort: None };
    let world = exchange.world.clone();
    let generation = Generation::make(&model, world.display(), bounds, &mut exchange.rng)?;
    let streams = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let told = Told::make(exchange, thread, &request, &assistant, generation);
    told.keep(exchange, streams);
    if streams {
        let events = stream::events(made.as_ref(), &told, exchange.delays);
        return Ok(exchange.stream(events, || stream::error().into()));
    }
    Ok(exchange.json(StatusCode::OK, &told.run))
}

/// A run and all that comes of it, before it is written down.
#[derive(Debug)]
pub(super) struct Told {
    /// As it is at first: queued.
    pub(super) run: Value,
    /// What is different at its end.
    pub(super) ended: Value,
    pub(super) step: Value,
    pub(super) message: Value,
    pub(super) generation: Generation,
}

impl Told {
    fn make(
        exchange: &mut Exchange,
        thread: &str,
        request: &Value,
        assistant: &Value,
        generation: Generation,
    ) -> Self {
        let now = exchange.created();
        let runs = Collection::within(Kind::Run, thread);
        let assistant_id = text(request, "assistant_id");
        let usual = json!({
            "thread_id": thread, "assistant_id": assistant_id, "status": "queued",
            "expires_at": now + TEN_MINUTES, "started_at": null, "completed_at": null,
            "cancelled_at": null, "failed_at": null, "last_error": null, "required_action": null,
            "incomplete_details": null, "metadata": {}, "usage": null, "tools": [],
        });
        let usual = with(usual, given(assistant, INHERITED));
        let run = runs.draft(exchange, with(usual, given(request, INHERITED)));
        let run = with(run, given(request, &["metadata"]));
        let message = messages::add(
            exchange,
            thread,
            &json!({
                "role": "assistant", "content": generation.text(),
                "assistant_id": assistant_id, "run_id": text(&run, "id"),
            }),
        );
        let prompt = prompt_tokens(request);
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": generation.spent(),
            "total_tokens": prompt.saturating_add(generation.spent()),
        });
        let step = Collection::within(Kind::Step, text(&run, "id")).make(
            exchange,
            json!({
                "run_id": text(&run, "id"), "thread_id": thread, "assistant_id": assistant_id,
                "type": "message_creation", "status": "completed", "completed_at": now,
                "step_details": {
                    "type": "message_creation",
                    "message_creation": {"message_id": text(&message, "id")},
                },
                "last_error": null, "usage": usage,
            }),
        );
        let ended = json!({
            "status": "completed", "started_at": now, "completed_at": now, "expires_at": null,
            "usage": usage,
        });
        Self { run, ended, step, message, generation }
    }

    /// The run at its end.
    pub(super) fn run_ended(&self) -> Value {
        with(self.run.clone(), self.ended.clone())
    }

    /// A stream has told the end by the time somebody looks.
    fn keep(&self, exchange: &Exchange, streams: bool) {
        let (object, next) = match streams {
            true => (self.run_ended(), None),
            false => (self.run.clone(), Some(self.run_ended())),
        };
        let runs = Collection::within(Kind::Run, text(&self.run, "thread_id"));
        runs.put(exchange, Kept { object, next, ..Kept::default() });
    }
}

const INHERITED: &[&str] =
    &["model", "instructions", "tools", "temperature", "top_p", "response_format"];
const NAMED: Places = &[
    ("assistant_id", Kind::Assistant),
    ("additional_messages[].attachments[].file_id", Kind::File),
    ("thread.messages[].attachments[].file_id", Kind::File),
    ("thread.tool_resources.code_interpreter.file_ids[]", Kind::File),
    ("thread.tool_resources.file_search.vector_store_ids[]", Kind::VectorStore),
];
const TEN_MINUTES: u64 = 600;
