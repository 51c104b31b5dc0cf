//! The tiny completion that measures a region: its target and its body.
//!
//! The prober builds each probe here, on the rung of the ladder that the deployment accepts, and
//! remembers that rung for each deployment. What an answer means beyond the ladder is not decided here.

mod rung;

use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

pub use rung::{Effort, Form, Rung, counts_as_alive};

use crate::endpoint::RESERVED;

/// The least `max_output_tokens` of the Responses API, and enough for a reasoning model to begin to
/// answer (API fact sheet 8.1).
pub const REASONING_MAX_TOKENS: u32 = 16;

/// Which URL form a region's API has (API fact sheet 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiStyle {
    /// Azure classic: the deployment in the path, `api-version` in the query.
    Azure,
    /// Azure v1: `/openai/v1/…`, the deployment in the body.
    V1,
    /// `OpenAI` and compatible servers: `/v1/…`, the model in the body.
    OpenAi,
}

/// What all probes of one configuration have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeSpec<'a> {
    /// Which URL form to use.
    pub style: ApiStyle,
    /// The `api-version` of [`ApiStyle::Azure`]; the other styles send none.
    pub api_version: &'a str,
    /// What the model is asked. Harmless, since a filtered probe fails and is billed all the same.
    pub prompt: &'a str,
    /// How many tokens the answer may have, at least 1. Raised to 16 where less is refused.
    pub max_tokens: u32,
}

/// The target that a probe is posted to. `deployment` is the name in the region, percent-encoded here.
#[must_use]
pub fn probe_target(spec: &ProbeSpec<'_>, deployment: &str, rung: Rung) -> String {
    let operation = match rung.form {
        Form::Plain | Form::Reasoning(_) => "chat/completions",
        Form::Responses(_) => "responses",
        Form::Embeddings => "embeddings",
    };
    let version = utf8_percent_encode(spec.api_version, RESERVED);
    match (spec.style, rung.form) {
        (ApiStyle::Azure, Form::Responses(_)) => {
            format!("/openai/{operation}?api-version={version}")
        }
        (ApiStyle::Azure, _) => {
            let deployment = utf8_percent_encode(deployment, RESERVED);
            format!("/openai/deployments/{deployment}/{operation}?api-version={version}")
        }
        (ApiStyle::V1, _) => format!("/openai/v1/{operation}"),
        (ApiStyle::OpenAi, _) => format!("/v1/{operation}"),
    }
}

/// The JSON body of a probe (API fact sheet 8.1). Streams wherever the API can.
///
/// Sets no sampling parameter: the first token does not depend on one, and reasoning models refuse them.
#[must_use]
pub fn probe_body(spec: &ProbeSpec<'_>, deployment: &str, rung: Rung) -> Bytes {
    let reasoning_tokens = spec.max_tokens.max(REASONING_MAX_TOKENS);
    let mut body = match rung.form {
        Form::Plain => json!({"messages": messages(spec), "max_tokens": spec.max_tokens}),
        Form::Reasoning(_) => {
            json!({"messages": messages(spec), "max_completion_tokens": reasoning_tokens})
        }
        Form::Responses(_) => {
            json!({"input": spec.prompt, "max_output_tokens": reasoning_tokens, "store": false})
        }
        Form::Embeddings => json!({"input": spec.prompt}),
    };
    let mut set = |name: &str, value: Value| {
        if let Some(members) = body.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    match rung.form {
        Form::Reasoning(effort) => {
            effort.as_str().map(|effort| set("reasoning_effort", effort.into()))
        }
        Form::Responses(effort) => {
            effort.as_str().map(|effort| set("reasoning", json!({"effort": effort})))
        }
        Form::Plain | Form::Embeddings => None,
    };
    if spec.style != ApiStyle::Azure || matches!(rung.form, Form::Responses(_)) {
        set("model", deployment.into());
    }
    if rung.streams() {
        set("stream", true.into());
    }
    if rung.asks_usage() {
        set("stream_options", json!({"include_usage": true}));
    }
    body.to_string().into()
}

fn messages(spec: &ProbeSpec<'_>) -> Value {
    json!([{"role": "user", "content": spec.prompt}])
}

/// The target of a GET that costs no tokens (API fact sheet 8.2): on an Azure host the front end's own
/// status page, which needs no key, elsewhere the list of models.
#[must_use]
pub fn reachability_target(style: ApiStyle, azure_host: bool) -> &'static str {
    if azure_host {
        return "/status-0123456789abcdef";
    }
    match style {
        ApiStyle::Azure => "/openai/models?api-version=2024-10-21",
        ApiStyle::V1 => "/openai/v1/models",
        ApiStyle::OpenAi => "/v1/models",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(style: ApiStyle) -> ProbeSpec<'static> {
        ProbeSpec { style, api_version: "2024-10-21", prompt: "say \"1\"", max_tokens: 10 }
    }

    fn rung(form: Form) -> Rung {
        Rung { form, usage: true }
    }

    #[test]
    fn targets_follow_the_style_and_the_form() {
        let responses = Form::Responses(Effort::Minimal);
        for (style, form, target) in [
            (
                ApiStyle::Azure,
                Form::Plain,
                "/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21",
            ),
            (
                ApiStyle::Azure,
                Form::Embeddings,
                "/openai/deployments/gpt%204/embeddings?api-version=2024-10-21",
            ),
            (ApiStyle::Azure, responses, "/openai/responses?api-version=2024-10-21"),
            (ApiStyle::V1, Form::Reasoning(Effort::Low), "/openai/v1/chat/completions"),
            (ApiStyle::V1, responses, "/openai/v1/responses"),
            (ApiStyle::OpenAi, Form::Plain, "/v1/chat/completions"),
            (ApiStyle::OpenAi, Form::Embeddings, "/v1/embeddings"),
        ] {
            assert_eq!(probe_target(&spec(style), "gpt 4", rung(form)), target);
        }
    }

    #[test]
    fn bodies_follow_the_style_and_the_form() {
        let messages = json!([{"role": "user", "content": "say \"1\""}]);
        let usage = json!({"include_usage": true});
        for (style, form, expected) in [
            (
                ApiStyle::Azure,
                Form::Plain,
                json!({"messages": messages, "max_tokens": 10, "stream": true, "stream_options": usage}),
            ),
            (
                ApiStyle::V1,
                Form::Reasoning(Effort::None),
                json!({"messages": messages, "max_completion_tokens": 16, "reasoning_effort": "none",
                       "model": "d", "stream": true, "stream_options": usage}),
            ),
            (
                ApiStyle::OpenAi,
                Form::Reasoning(Effort::Unsaid),
                json!({"messages": messages, "max_completion_tokens": 16, "model": "d",
                       "stream": true, "stream_options": usage}),
            ),
            (
                ApiStyle::Azure,
                Form::Responses(Effort::Low),
                json!({"input": "say \"1\"", "max_output_tokens": 16, "store": false,
                       "reasoning": {"effort": "low"}, "model": "d", "stream": true}),
            ),
            (ApiStyle::Azure, Form::Embeddings, json!({"input": "say \"1\""})),
            (ApiStyle::V1, Form::Embeddings, json!({"input": "say \"1\"", "model": "d"})),
        ] {
            let body = probe_body(&spec(style), "d", rung(form));
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
        }
        let silent = Rung { form: Form::Plain, usage: false };
        let body = probe_body(&spec(ApiStyle::Azure), "d", silent);
        let expected = json!({"messages": messages, "max_tokens": 10, "stream": true});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn reachability_needs_no_key_on_azure() {
        assert_eq!(reachability_target(ApiStyle::V1, true), "/status-0123456789abcdef");
        assert_eq!(reachability_target(ApiStyle::V1, false), "/openai/v1/models");
        assert_eq!(reachability_target(ApiStyle::OpenAi, false), "/v1/models");
        assert!(reachability_target(ApiStyle::Azure, false).starts_with("/openai/models?"));
    }
}
