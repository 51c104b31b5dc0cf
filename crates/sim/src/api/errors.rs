//! Every way in which a region refuses, and the answer it gives: the only file that knows both.
//!
//! Bodies are those of API fact sheet section 4.1; handlers return the cause and nothing else.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use thiserror::Error;

use super::references::Reference;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::faults::Hint;
use crate::kind::Kind;

/// Why a region does not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error(
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide \
         a valid key for an active subscription and use a correct regional API endpoint for your \
         resource."
    )]
    WrongKey,
    #[error(
        "Unauthorized. Access token is missing, invalid, audience is incorrect \
         (https://cognitiveservices.azure.com), or have expired."
    )]
    WrongToken,
    #[error("Incorrect API key provided.")]
    WrongOpenAiKey,
    #[error(
        "The API deployment for this resource does not exist. If you created the \
         deployment within the last 5 minutes, please wait a moment and try again."
    )]
    NoDeployment,
    #[error("Resource not found")]
    NoRoute,
    #[error("The model '{0}' does not exist.")]
    NoModel(String),
    #[error("Call with id '{0}' not found.")]
    NoCall(String),
    /// An object that the path or a cursor names lives elsewhere, or nowhere.
    #[error("{}", kind.not_here(id))]
    NotHere { kind: Kind, id: String, param: Option<&'static str> },
    /// An object that the body names lives elsewhere, or nowhere.
    #[error("{}", no_reference(.0))]
    NoReference(Reference),
    #[error(
        "The encrypted content {0}… could not be verified. Reason: Encrypted content could not be \
         decrypted or parsed."
    )]
    Undecryptable(String),
    #[error("Cannot cancel a {} with status '{status}'.", kind.object())]
    Ended { kind: Kind, status: String },
    #[error("We could not parse the body of your request: {0}")]
    Malformed(String),
    #[error("Missing required parameter: '{0}'.")]
    Missing(&'static str),
    #[error("Invalid value for '{param}': expected {expected}.")]
    Invalid { param: &'static str, expected: &'static str },
    #[error("Unsupported parameter: '{0}' is not supported with this model.")]
    UnsupportedParameter(&'static str),
    #[error("Unsupported value: '{param}' does not support '{value}' with this model.")]
    UnsupportedValue { param: &'static str, value: String },
    #[error("Invalid '{param}': integer below minimum value. Expected a value >= {least}.")]
    BelowMinimum { param: &'static str, least: u32 },
    #[error(
        "Could not finish the message because max_tokens or model output limit was \
         reached. Please try again with higher max_tokens."
    )]
    CapReached,
    #[error("This path only takes WebSocket upgrades.")]
    NotWebSocket,
    #[error("The request body ended early.")]
    BodyCut,
    #[error("The request body is larger than this region takes.")]
    BodyTooLarge,
    #[error("{}", throttled(*hint, *wait))]
    Throttled { wait: Duration, hint: Hint },
    #[error("{}", scripted(*status))]
    Scripted { status: u16 },
}

impl ApiError {
    /// The answer to the client.
    pub(crate) fn answer(&self, exchange: &mut Exchange) -> Response<RegionBody> {
        let mut response = exchange.json(self.status(), &self.body());
        if let Self::Throttled { wait, hint } = *self {
            let date = httpdate::fmt_http_date(exchange.region.clock.wall() + wait);
            let millis = (hint == Hint::Both || hint == Hint::Millis)
                .then(|| ("retry-after-ms", wait.as_millis().to_string()));
            let after = match hint {
                Hint::Both | Hint::Seconds => Some(seconds(wait).to_string()),
                Hint::Date => Some(date),
                Hint::Millis | Hint::Text | Hint::None => None,
            };
            for (name, value) in millis.into_iter().chain(after.map(|a| ("retry-after", a))) {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }

    /// The request names an object that this region does not have: the answer of a wrong region.
    pub(crate) fn is_not_here(&self) -> bool {
        matches!(self, Self::NotHere { .. } | Self::NoReference(_) | Self::Undecryptable(_))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::WrongKey | Self::WrongToken | Self::WrongOpenAiKey => StatusCode::UNAUTHORIZED,
            Self::NoDeployment
            | Self::NoRoute
            | Self::NoModel(_)
            | Self::NoCall(_)
            | Self::NotHere { .. } => StatusCode::NOT_FOUND,
            // the assistants' API and tools say 404, what reads files and responses says 400
            Self::NoReference(reference) => match reference.kind {
                Kind::File | Kind::Part | Kind::Response | Kind::Item => StatusCode::BAD_REQUEST,
                _ => StatusCode::NOT_FOUND,
            },
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Scripted { status } => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Undecryptable(_)
            | Self::Ended { .. }
            | Self::Malformed(_)
            | Self::Missing(_)
            | Self::Invalid { .. }
            | Self::UnsupportedParameter(_)
            | Self::UnsupportedValue { .. }
            | Self::BelowMinimum { .. }
            | Self::CapReached
            | Self::BodyCut => StatusCode::BAD_REQUEST,
        }
    }

    fn body(&self) -> Value {
        let message = self.to_string();
        let openai = |param: Option<&str>, code: Option<&str>| {
            let kind = "invalid_request_error";
            json!({"error": {"message": &message, "type": kind, "param": param, "code": code}})
        };
        match self {
            Self::WrongToken => json!({"statusCode": 401, "message": message}),
            Self::WrongKey => json!({"error": {"code": "401", "message": message}}),
            Self::NoDeployment => {
                json!({"error": {"code": "DeploymentNotFound", "message": message}})
            }
            Self::NoRoute => json!({"error": {"code": "404", "message": message}}),
            Self::Throttled { .. } => json!({"error": {"code": "429", "message": message}}),
            Self::Scripted { status: 429 } => {
                json!({"error": {"code": "429", "message": message}})
            }
            Self::Scripted { .. } => json!({"error": {
                "message": message, "type": "server_error", "param": null, "code": null,
            }}),
            Self::WrongOpenAiKey => openai(None, Some("invalid_api_key")),
            Self::NoModel(_) => openai(Some("model"), Some("model_not_found")),
            Self::NoCall(_) => openai(None, None),
            Self::NotHere { kind: Kind::File, param: None, .. } => openai(Some("id"), None),
            Self::NotHere { param, .. } => openai(*param, None),
            Self::NoReference(reference) => {
                let code =
                    (reference.kind == Kind::Response).then_some("previous_response_not_found");
                openai(Some(reference.param), code)
            }
            Self::Undecryptable(_) => openai(None, Some("invalid_encrypted_content")),
            Self::Ended { .. } => openai(None, None),
            Self::Malformed(_) | Self::BodyCut | Self::BodyTooLarge | Self::NotWebSocket => {
                openai(None, None)
            }
            Self::Missing(param) => openai(Some(param), Some("missing_required_parameter")),
            Self::Invalid { param, .. } => openai(Some(param), Some("invalid_value")),
            Self::UnsupportedParameter(param) => openai(Some(param), Some("unsupported_parameter")),
            Self::UnsupportedValue { param, .. } => openai(Some(param), Some("unsupported_value")),
            Self::BelowMinimum { param, .. } => {
                openai(Some(param), Some("integer_below_min_value"))
            }
            Self::CapReached => openai(None, None),
        }
    }
}

/// What a stream says in place of its rest when it fails half-way (API fact sheet section 5.4).
pub(crate) const MID_STREAM: &str =
    "The server had an error while processing your request. Sorry about that!";

fn no_reference(reference: &Reference) -> String {
    let text = reference.kind.not_here(&reference.id);
    match reference.kind {
        Kind::Response => text.replacen('R', "Previous r", 1),
        _ => text,
    }
}

fn throttled(hint: Hint, wait: Duration) -> String {
    let again = match hint {
        Hint::None => String::new(),
        _ => format!(" Please retry after {} seconds.", seconds(wait)),
    };
    format!(
        "Requests to the simulated Operation under Azure OpenAI API have exceeded call rate limit \
         of your current OpenAI S0 pricing tier.{again}"
    )
}

fn scripted(status: u16) -> &'static str {
    match status {
        429 => "The system is currently experiencing high demand and cannot process your request.",
        503 => "The service is temporarily unable to process your request. Please try again later.",
        _ => "The server had an error while processing your request. Sorry about that!",
    }
}

/// Whole seconds, none too few.
fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
