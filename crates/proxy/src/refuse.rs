//! The one place where Nearway's own errors become answers.
//!
//! The client gets the API's error shape, so that SDKs raise their usual exceptions (DESIGN "Names
//! on the wire"); every code begins with `nearway_`. What is said comes from Nearway alone: no
//! header, body or credential of anybody is quoted.

mod bound;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use nearway_route::Condition;
use nearway_upstream::FaultKind;
use nearway_wire::error_body::openai_error;
use nearway_wire::headers::ATTEMPTS_HEADER;

pub use bound::Bound;

use crate::ClientBody;
use crate::retry::may_pass;
use crate::say_when::{SHOULD_RETRY, say_when};

/// Why a request got no answer of a region.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request is HTTP that must not be passed on.
    #[error("{0}")]
    Malformed(&'static str),
    /// It carries no key of a client.
    #[error("The request carries no API key that this gateway knows.")]
    UnknownKey,
    /// The client may not use the deployment, or it can't be told which one that is.
    #[error("{}", not_for_client(.0.as_deref()))]
    NotForClient(Option<String>),
    /// The body is over the configured limit.
    #[error("The request body is larger than the {0} bytes that this gateway accepts.")]
    BodyTooLarge(u64),
    /// The request's head, once begun, did not come to its end.
    #[error("The request head took longer than {0:?}.")]
    HeadStalled(Duration),
    /// The client's body did not come to its end.
    #[error("The request body ended early.")]
    BodyBroken,
    /// The client's body paused for too long.
    #[error("The request body paused for longer than {0:?}.")]
    BodyStalled(Duration),
    /// Too many bodies must be read before a region can be chosen.
    #[error(
        "Too many large request bodies are being searched for \"model\". Write it first, or name the \
         deployment in the path."
    )]
    Overloaded,
    /// The pages that a list of all regions is made of find no room beside what else is held.
    #[error(
        "There is no room now for the pages that this list is made of. Ask for fewer items with `limit`, or \
         again in a moment."
    )]
    NoRoomForList,
    /// The whole time was spent before a region could be asked.
    #[error("The request took longer than {0:?} before a region could be asked.")]
    OutOfTime(Duration),
    /// The client asked for a region that is not configured or must not serve this.
    #[error("Region {0:?}, which x-nearway-region asks for, is not available for this request.")]
    UnknownRegion(String),
    /// No configured region serves the deployment.
    #[error("No region is configured for deployment {0:?}.")]
    NoRegion(String),
    /// Regions serve the deployment, and fences keep the request from all of them.
    #[error(
        "No region that may be used for deployment {0:?} is inside the fences around this client and \
         this deployment."
    )]
    FencedIn(String),
    /// Every region that serves this is known to be out, and none is asked as a last resort.
    #[error("No region is fit to answer now: {}.", states(.out))]
    AllOut {
        /// Each region and what keeps requests away from it.
        out: Vec<(Arc<str>, Condition)>,
        /// Until the first of them may be fit again, if a deadline tells.
        back_in: Option<Duration>,
    },
    /// Every region that was tried failed.
    #[error("No region answered: {}.", list(.0))]
    Unreachable(Vec<Tried>),
    /// The whole time was spent on regions that did not answer.
    #[error("No region answered in time: {}.", list(.0))]
    TimeIsUp(Vec<Tried>),
    /// It belongs to one region, and that one can't answer.
    #[error(transparent)]
    Bound(#[from] Bound),
}

/// One attempt that brought nothing.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The region's name.
    pub region: Arc<str>,
    /// What happened there.
    pub kind: FaultKind,
    /// When it asked to be asked again.
    pub hint: Option<Duration>,
    /// Whether a further attempt may follow.
    pub goes_on: bool,
    /// It may have created something there: whoever repeats the request may get two of it.
    pub may_have_created: bool,
}

/// As OpenAI says it of a model that is not there, so that nobody learns which ones are.
fn not_for_client(deployment: Option<&str>) -> String {
    match deployment {
        Some(name) => format!("The model {name:?} does not exist or you do not have access to it."),
        None => "Your API key is for certain models, and the request names none that can be read."
            .to_owned(),
    }
}

fn list(tried: &[Tried]) -> String {
    let attempts = tried.iter().map(|tried| format!("{} ({})", tried.region, tried.kind));
    attempts.collect::<Vec<_>>().join(", ")
}

fn states(out: &[(Arc<str>, Condition)]) -> String {
    let each = out.iter().map(|(region, condition)| format!("{region} ({})", condition.as_str()));
    each.collect::<Vec<_>>().join(", ")
}

impl Refusal {
    /// Every code but those of [`Bound`], for metrics that exist from the start.
    pub(crate) const CODES: [&'static str; 20] = [
        "nearway_malformed_request",
        "nearway_invalid_api_key",
        "nearway_model_not_found",
        "nearway_body_too_large",
        "nearway_header_timeout",
        "nearway_body_broken",
        "nearway_body_timeout",
        "nearway_overloaded",
        "nearway_request_timeout",
        "nearway_unknown_region",
        "nearway_no_region",
        "nearway_all_regions_out",
        "nearway_unreachable",
        "nearway_connect_timeout",
        "nearway_tls_timeout",
        "nearway_write_timeout",
        "nearway_head_timeout",
        "nearway_first_token_timeout",
        IDLE_TIMEOUT,
        TIMEOUT,
    ];

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BodyBroken | Self::UnknownRegion(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownKey => StatusCode::UNAUTHORIZED,
            Self::NotForClient(_) => StatusCode::NOT_FOUND,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadStalled(_) | Self::BodyStalled(_) | Self::OutOfTime(_) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::Overloaded
            | Self::NoRoomForList
            | Self::NoRegion(_)
            | Self::FencedIn(_)
            | Self::AllOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(tried) => match timeout_code(tried) {
                Some(_) => StatusCode::GATEWAY_TIMEOUT,
                None => StatusCode::BAD_GATEWAY,
            },
            Self::TimeIsUp(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Bound(bound) => bound.status(),
        }
    }

    /// The `code` in the body, and the label of the metric.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "nearway_malformed_request",
            Self::UnknownKey => "nearway_invalid_api_key",
            Self::NotForClient(_) => "nearway_model_not_found",
            Self::BodyTooLarge(_) => "nearway_body_too_large",
            Self::HeadStalled(_) => "nearway_header_timeout",
            Self::BodyBroken => "nearway_body_broken",
            Self::BodyStalled(_) => "nearway_body_timeout",
            Self::Overloaded | Self::NoRoomForList => "nearway_overloaded",
            Self::OutOfTime(_) => "nearway_request_timeout",
            Self::UnknownRegion(_) => "nearway_unknown_region",
            Self::NoRegion(_) | Self::FencedIn(_) => "nearway_no_region",
            Self::AllOut { .. } => "nearway_all_regions_out",
            Self::Unreachable(tried) => timeout_code(tried).unwrap_or("nearway_unreachable"),
            Self::TimeIsUp(_) => TIMEOUT,
            Self::Bound(bound) => bound.code(),
        }
    }

    /// Whether the same request would be refused again, or had better not come again.
    fn is_final(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::UnknownKey
            | Self::NotForClient(_)
            | Self::BodyTooLarge(_)
            | Self::UnknownRegion(_)
            | Self::NoRegion(_)
            | Self::FencedIn(_) => true,
            Self::HeadStalled(_)
            | Self::BodyBroken
            | Self::BodyStalled(_)
            | Self::OutOfTime(_)
            | Self::Overloaded
            | Self::NoRoomForList
            | Self::AllOut { .. } => false,
            Self::Unreachable(tried) | Self::TimeIsUp(tried) => {
                tried.last().is_some_and(|last| last.may_have_created)
                    || tried.iter().all(|tried| will_last(tried.kind))
            }
            Self::Bound(bound) => bound.is_final(),
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Bytes {
        let kind =
            if self.status().is_client_error() { "invalid_request_error" } else { "server_error" };
        openai_error(&self.to_string(), kind, self.code(), None)
    }

    /// The answer as bytes of HTTP/1.1, for a client whose request is not whole: hyper has none for it.
    pub(crate) fn written(&self) -> Vec<u8> {
        let (status, body) = (self.status(), self.body());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             {ATTEMPTS_HEADER}: 0\r\nconnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }

    /// The answer, behind so many attempts.
    pub(crate) fn respond(&self, attempts: HeaderValue) -> Response<ClientBody> {
        let mut response = Response::new(ClientBody::whole(self.body()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ATTEMPTS_HEADER, attempts);
        if self.is_final() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        match self {
            Self::AllOut { back_in: Some(back_in), .. } => say_when(headers, *back_in),
            Self::Overloaded | Self::NoRoomForList => say_when(headers, OVERLOADED_FOR),
            _ => {}
        }
        // what follows such a request on its connection can't be trusted, or is not worth reading
        if matches!(self, Self::Overloaded) || self.status().is_client_error() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The one refused has waited already, so little is left of the others.
const OVERLOADED_FOR: Duration = Duration::from_secs(2);

/// Whoever is throttled is not for long.
fn will_last(kind: FaultKind) -> bool {
    kind != FaultKind::Throttled && !may_pass(kind)
}

/// One for each of `timeouts`, by the last attempt; `None` if that did not end for lack of time.
fn timeout_code(tried: &[Tried]) -> Option<&'static str> {
    match tried.last()?.kind {
        FaultKind::ConnectTimeout => Some("nearway_connect_timeout"),
        FaultKind::TlsTimeout => Some("nearway_tls_timeout"),
        FaultKind::WriteTimeout => Some("nearway_write_timeout"),
        FaultKind::HeadTimeout => Some("nearway_head_timeout"),
        FaultKind::FirstTokenTimeout => Some("nearway_first_token_timeout"),
        FaultKind::IdleTimeout => Some(IDLE_TIMEOUT),
        FaultKind::TotalTimeout => Some(TIMEOUT),
        _ => None,
    }
}

/// Also that of a stream that has begun.
pub(crate) const IDLE_TIMEOUT: &str = "nearway_idle_timeout";
/// The whole time was spent; also that of a stream that has begun.
pub(crate) const TIMEOUT: &str = "nearway_timeout";

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(kinds: &[FaultKind]) -> Vec<Tried> {
        let attempt = |(&kind, name): (&FaultKind, &str)| Tried {
            region: name.into(),
            kind,
            hint: None,
            goes_on: true,
            may_have_created: false,
        };
        kinds.iter().zip(["eastus", "westus"]).map(attempt).collect()
    }

    fn tried(kinds: &[FaultKind]) -> Refusal {
        Refusal::Unreachable(attempts(kinds))
    }

    #[test]
    fn an_unreachable_answer_names_each_region_and_cause() {
        let refusal = tried(&[FaultKind::Connect, FaultKind::Tls]);
        assert_eq!(refusal.to_string(), "No region answered: eastus (connect), westus (tls).");
        assert_eq!((refusal.status().as_u16(), refusal.code()), (502, "nearway_unreachable"));
    }

    #[test]
    fn the_last_attempt_decides_between_502_and_504() {
        let refusal = tried(&[FaultKind::Connect, FaultKind::HeadTimeout]);
        assert_eq!((refusal.status().as_u16(), refusal.code()), (504, "nearway_head_timeout"));
        let refusal = tried(&[FaultKind::HeadTimeout, FaultKind::Connect]);
        assert_eq!((refusal.status().as_u16(), refusal.code()), (502, "nearway_unreachable"));
    }

    #[test]
    fn a_failure_is_final_if_it_will_last_everywhere_or_may_have_created_something() {
        use FaultKind::{Connect, HeadTimeout, Tls, Unauthorized};
        for (kinds, expected) in [
            (&[Tls, Unauthorized][..], true),
            (&[Tls, HeadTimeout], false),
            (&[Connect, Tls], false),
            (&[HeadTimeout], false),
        ] {
            assert_eq!(tried(kinds).is_final(), expected, "{kinds:?}");
        }
        let mut one = attempts(&[HeadTimeout]);
        one.iter_mut().for_each(|tried| tried.may_have_created = true);
        assert!(Refusal::Unreachable(one.clone()).is_final() && Refusal::TimeIsUp(one).is_final());
    }

    #[test]
    fn what_is_written_is_a_whole_answer() {
        let written = Refusal::HeadStalled(Duration::from_secs(10)).written();
        let text = String::from_utf8(written).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("nearway_header_timeout"), "{body}");
    }

    #[test]
    fn every_code_is_declared() {
        let all = [
            Refusal::Malformed("x"),
            Refusal::UnknownKey,
            Refusal::NotForClient(None),
            Refusal::BodyTooLarge(1),
            Refusal::HeadStalled(Duration::from_secs(1)),
            Refusal::BodyBroken,
            Refusal::BodyStalled(Duration::from_secs(1)),
            Refusal::Overloaded,
            Refusal::OutOfTime(Duration::from_secs(1)),
            Refusal::UnknownRegion("x".into()),
            Refusal::NoRegion("x".into()),
            Refusal::AllOut { out: Vec::new(), back_in: None },
            tried(&[FaultKind::Reset]),
            tried(&[FaultKind::ConnectTimeout]),
            tried(&[FaultKind::TlsTimeout]),
            tried(&[FaultKind::WriteTimeout]),
            tried(&[FaultKind::HeadTimeout]),
            tried(&[FaultKind::FirstTokenTimeout]),
            tried(&[FaultKind::IdleTimeout]),
            Refusal::TimeIsUp(attempts(&[FaultKind::HeadTimeout])),
        ];
        let codes: Vec<_> = all.iter().map(Refusal::code).collect();
        assert_eq!(codes, Refusal::CODES);
    }
}
