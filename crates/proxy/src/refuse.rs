//! The one place where Nearway's own errors become answers.
//!
//! The client gets the API's error shape, so that SDKs raise their usual exceptions (DESIGN "Names
//! on the wire"); every code begins with `nearway_`. What is said comes from Nearway alone: no
//! header, body or credential of anybody is quoted.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use nearway_route::Condition;
use nearway_upstream::FaultKind;
use nearway_wire::error_body::openai_error;
use nearway_wire::headers::ATTEMPTS_HEADER;

use crate::ClientBody;
use crate::say_when::{SHOULD_RETRY, say_when};

/// Why a request got no answer of a region.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request is HTTP that must not be passed on.
    #[error("{0}")]
    Malformed(&'static str),
    /// The body is over the configured limit.
    #[error("The request body is larger than the {0} bytes that this gateway accepts.")]
    BodyTooLarge(u64),
    /// The client's body did not come to its end.
    #[error("The request body ended early.")]
    BodyBroken,
    /// The client's body paused for too long.
    #[error("The request body paused for longer than {0:?}.")]
    BodyStalled(Duration),
    /// The whole time was spent before a region could be asked.
    #[error("The request took longer than {0:?} before a region could be asked.")]
    OutOfTime(Duration),
    /// The client asked for a region that is not configured or must not serve this.
    #[error("Region {0:?}, which x-nearway-region asks for, is not available for this request.")]
    UnknownRegion(String),
    /// No configured region serves the deployment.
    #[error("No region is configured for deployment {0:?}.")]
    NoRegion(String),
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
    /// Every code, for metrics that exist from the start.
    pub(crate) const CODES: [&'static str; 10] = [
        "nearway_malformed_request",
        "nearway_body_too_large",
        "nearway_body_broken",
        "nearway_body_timeout",
        "nearway_request_timeout",
        "nearway_unknown_region",
        "nearway_no_region",
        "nearway_all_regions_out",
        "nearway_unreachable",
        "nearway_timeout",
    ];

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BodyBroken | Self::UnknownRegion(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyStalled(_) | Self::OutOfTime(_) => StatusCode::REQUEST_TIMEOUT,
            Self::NoRegion(_) | Self::AllOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(tried) if timed_out(tried) => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The `code` in the body, and the label of the metric.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "nearway_malformed_request",
            Self::BodyTooLarge(_) => "nearway_body_too_large",
            Self::BodyBroken => "nearway_body_broken",
            Self::BodyStalled(_) => "nearway_body_timeout",
            Self::OutOfTime(_) => "nearway_request_timeout",
            Self::UnknownRegion(_) => "nearway_unknown_region",
            Self::NoRegion(_) => "nearway_no_region",
            Self::AllOut { .. } => "nearway_all_regions_out",
            Self::Unreachable(tried) if timed_out(tried) => "nearway_timeout",
            Self::Unreachable(_) => "nearway_unreachable",
        }
    }

    /// Whether the same request would be refused again.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_) | Self::BodyTooLarge(_) | Self::UnknownRegion(_) | Self::NoRegion(_)
        )
    }

    /// The answer, behind so many attempts.
    pub(crate) fn respond(&self, attempts: HeaderValue) -> Response<ClientBody> {
        let kind =
            if self.status().is_client_error() { "invalid_request_error" } else { "server_error" };
        let body = openai_error(&self.to_string(), kind, self.code(), None);
        let mut response = Response::new(ClientBody::whole(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ATTEMPTS_HEADER, attempts);
        if self.is_final() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Self::AllOut { back_in: Some(back_in), .. } = self {
            say_when(headers, *back_in);
        }
        // what follows such a request on its connection can't be trusted, or is not worth reading
        if self.status().is_client_error() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn timed_out(tried: &[Tried]) -> bool {
    tried.last().is_some_and(|tried| tried.kind.is_timeout())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(kinds: &[FaultKind]) -> Refusal {
        let names = ["eastus", "westus"];
        let tried = kinds.iter().zip(names);
        Refusal::Unreachable(
            tried
                .map(|(&kind, name)| Tried { region: name.into(), kind, hint: None, goes_on: true })
                .collect(),
        )
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
        assert_eq!((refusal.status().as_u16(), refusal.code()), (504, "nearway_timeout"));
    }

    #[test]
    fn every_code_is_declared() {
        let all = [
            Refusal::Malformed("x"),
            Refusal::BodyTooLarge(1),
            Refusal::BodyBroken,
            Refusal::BodyStalled(Duration::from_secs(1)),
            Refusal::OutOfTime(Duration::from_secs(1)),
            Refusal::UnknownRegion("x".into()),
            Refusal::NoRegion("x".into()),
            Refusal::AllOut { out: Vec::new(), back_in: None },
            tried(&[FaultKind::Reset]),
            tried(&[FaultKind::ConnectTimeout]),
        ];
        let codes: Vec<_> = all.iter().map(Refusal::code).collect();
        assert_eq!(codes, Refusal::CODES);
    }
}
