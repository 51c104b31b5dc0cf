//! What a region's answer to a probe means: plain values in, a fault or none out.
//!
//! `attempt.rs` calls it with what came over the wire. It does no IO and keeps nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header};
use nearway_route::Outcome;
use nearway_upstream::{Fault, FaultKind, Side};
use nearway_wire::error_body::ErrorFacts;
use nearway_wire::retry_hint::retry_hint;
use nearway_wire::usage::Usage;

use crate::settings::Settings;
use crate::timetable::Then;

/// The fault in the status of a probe's answer; `None` for a success.
///
/// The prober makes its own requests, so what would be the client's mistake is a mistake of the
/// configuration here: a 404, and the 400 of a model that can't do this operation, mean that the
/// region has no such deployment (API fact sheet 4.1, 4.3). A redirect leads nowhere.
pub(crate) fn fault_of(status: StatusCode, facts: &ErrorFacts) -> Option<Fault> {
    if status.is_success() {
        return None;
    }
    let detail = format!("answered {}", status.as_u16());
    let mut fault = Fault::from_status(status)
        .unwrap_or_else(|| Fault { detail, ..Fault::unsent(FaultKind::Rejected, "") });
    let unsupported = facts.code.as_deref() == Some(OPERATION_NOT_SUPPORTED);
    if status == StatusCode::NOT_FOUND || (status == StatusCode::BAD_REQUEST && unsupported) {
        fault.kind = FaultKind::MissingDeployment;
    }
    if let Some(code) = facts.code.as_deref().filter(|code| can_be_shown(code)) {
        fault.detail = format!("{} ({code})", fault.detail);
    }
    let filtered = (facts.code.as_deref() == Some(CONTENT_FILTER)).then_some(OTHER_PROMPT);
    if let Some(remedy) = filtered.or_else(|| remedy(fault.kind)) {
        fault.detail = format!("{}: {remedy}", fault.detail);
    }
    Some(fault)
}

/// Whether a region's error code is a word, as all known ones are (API fact sheet 4.1): what could
/// hold a key, or only repeats the status, is not shown.
fn can_be_shown(code: &str) -> bool {
    const LONGEST: usize = 48;
    code.len() <= LONGEST && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// What to look at, for the faults that the configuration can mend.
const fn remedy(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Unauthorized => Some("check the region's api_key and auth_header"),
        FaultKind::MissingDeployment => {
            Some("check the region's deployments, and probe.style and probe.api_version")
        }
        FaultKind::Rejected => Some("check probe.style, probe.api_version and the region's url"),
        _ => None,
    }
}

/// The fault in the status of a token-free answer: any answer shows that the region can be reached,
/// unless it throttles, fails, or refuses the credential that Nearway has for it.
pub(crate) fn unreachable(status: StatusCode, own_credential: bool) -> Option<Fault> {
    let fault = fault_of(status, &ErrorFacts::default())?;
    match fault.kind {
        FaultKind::Throttled | FaultKind::ServerError => Some(fault),
        FaultKind::Unauthorized if own_credential => Some(fault),
        _ => None,
    }
}

/// Whether a token-free check shows that the region is not there: nothing of it answered. Whatever it
/// did answer, a completion must tell what that means.
pub(crate) fn is_gone(fault: &Fault) -> bool {
    let answered = matches!(
        fault.kind,
        FaultKind::Throttled | FaultKind::Unauthorized | FaultKind::ServerError
    );
    !answered && fault.kind.side() != Side::Nearway
}

/// How long the region asks to be left alone, at most [`LONGEST_HINT`].
///
/// A date is read against the region's own clock, which is in the same answer; without one the
/// longest hint counts.
pub(crate) fn hint(
    status: StatusCode,
    headers: &HeaderMap,
    facts: &ErrorFacts,
) -> Option<Duration> {
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let hint = asks.then(|| retry_hint(headers, Some(facts), answered_at(headers)))??;
    Some(hint.min(LONGEST_HINT))
}

/// Adds to a fault when the region wants to be asked again.
pub(crate) fn say_when(fault: &mut Fault, retry_after: Option<Duration>) {
    if let Some(wait) = retry_after {
        fault.detail = format!("{}, to be asked again in {wait:?}", fault.detail);
    }
}

/// The failed sample.
pub(crate) fn failure(fault: &Fault, after: Duration, retry_after: Option<Duration>) -> Outcome {
    Outcome::Failure { reason: fault.kind.as_str(), after, retry_after }
}

/// Tokens that a probe used: as the region counts them, or, where an answer does not tell, about what
/// was asked for. What failed is not billed.
pub(crate) fn cost(outcome: &Outcome, usage: Option<Usage>, settings: &Settings) -> u32 {
    match (outcome, usage) {
        (_, Some(usage)) => usage.prompt.saturating_add(usage.completion),
        (Outcome::Answer { .. }, None) => usual_cost(settings),
        _ => 0,
    }
}

/// About how many tokens a probe asks for.
pub(crate) fn usual_cost(settings: &Settings) -> u32 {
    prompt_tokens(&settings.prompt).saturating_add(settings.max_tokens)
}

/// About how many tokens a probe's prompt is, with what every chat has around it.
#[must_use]
pub fn prompt_tokens(prompt: &str) -> u32 {
    let letters = u32::try_from(prompt.chars().count()).unwrap_or(u32::MAX);
    CHAT_TOKENS.saturating_add(letters.div_ceil(LETTERS_PER_TOKEN))
}

/// How the round goes on. One blip does not end it: the newest sample decides whether the region is
/// down. What is slow to find out, or will surely be the same in a moment, is not asked again.
pub(crate) fn then(fault: Option<&Fault>, retry_after: Option<Duration>) -> Then {
    let Some(fault) = fault else { return Then::Next };
    if let Some(wait) = retry_after {
        return Then::Hold(wait);
    }
    match fault.kind {
        FaultKind::Throttled
        | FaultKind::Unauthorized
        | FaultKind::MissingDeployment
        | FaultKind::Rejected
        | FaultKind::Dns
        | FaultKind::Tls => Then::Skip,
        kind if kind.is_timeout() => Then::Skip,
        _ => Then::Next,
    }
}

fn answered_at(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(UNIX_EPOCH)
}

/// Tokens around the prompt of a chat (API fact sheet 8.1).
const CHAT_TOKENS: u32 = 7;
/// On average, in English; `Hello` is one.
const LETTERS_PER_TOKEN: u32 = 5;

/// The longest hint that is believed: tiny quotas ask for a day (API fact sheet 4.1), and a region
/// that is never probed can't return. The SDKs believe about as much (4.4).
pub(crate) const LONGEST_HINT: Duration = Duration::from_secs(60);

/// The code of a 400 for the prompt alone (API fact sheet 4.1, 8.1).
const CONTENT_FILTER: &str = "content_filter";

/// What to look at then.
const OTHER_PROMPT: &str = "choose a probe.prompt that no filter refuses";

/// The code of a 400 that another region need not share (API fact sheet 4.1).
const OPERATION_NOT_SUPPORTED: &str = "OperationNotSupported";

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    fn facts(code: &str, message: &str) -> ErrorFacts {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ErrorFacts { code: text(code), message: text(message), ..ErrorFacts::default() }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields.map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_fault_says_what_to_check_and_never_quotes_what_could_be_a_key() {
        let said = |code, error| fault_of(status(code), &facts(error, "m")).unwrap().detail;
        assert_eq!(said(401, "401"), "answered 401: check the region's api_key and auth_header");
        assert_eq!(
            said(404, "DeploymentNotFound"),
            "answered 404 (DeploymentNotFound): check the region's deployments, and probe.style \
             and probe.api_version"
        );
        assert_eq!(
            said(400, "content_filter"),
            "answered 400 (content_filter): choose a probe.prompt that no filter refuses"
        );
        assert_eq!(said(500, "internal_error"), "answered 500 (internal_error)");
        for key in ["sk-abc", "0123456789abcdef", "a b", &"x".repeat(49)] {
            assert_eq!(said(500, key), "answered 500");
        }
    }

    #[test]
    fn every_status_has_one_meaning() {
        for (code, error, expected) in [
            (200, "", None),
            (206, "", None),
            (302, "", Some(FaultKind::Rejected)),
            (400, "", Some(FaultKind::Rejected)),
            (400, "OperationNotSupported", Some(FaultKind::MissingDeployment)),
            (401, "401", Some(FaultKind::Unauthorized)),
            (403, "", Some(FaultKind::Unauthorized)),
            (404, "DeploymentNotFound", Some(FaultKind::MissingDeployment)),
            (404, "404", Some(FaultKind::MissingDeployment)),
            (408, "", Some(FaultKind::ServerError)),
            (424, "", Some(FaultKind::ServerError)),
            (429, "429", Some(FaultKind::Throttled)),
            (500, "OperationNotSupported", Some(FaultKind::ServerError)),
            (503, "", Some(FaultKind::ServerError)),
        ] {
            let kind = fault_of(status(code), &facts(error, "")).map(|fault| fault.kind);
            assert_eq!(kind, expected, "{code} {error}");
        }
    }

    #[test]
    fn whatever_answers_is_reachable_unless_it_says_otherwise() {
        for (code, own_credential, expected) in [
            (200, true, None),
            (301, true, None),
            (404, true, None),
            (401, false, None),
            (401, true, Some(FaultKind::Unauthorized)),
            (429, false, Some(FaultKind::Throttled)),
            (502, false, Some(FaultKind::ServerError)),
        ] {
            let kind = unreachable(status(code), own_credential).map(|fault| fault.kind);
            assert_eq!(kind, expected, "{code} {own_credential}");
        }
    }

    #[test]
    fn hints_are_bounded_and_dates_are_the_regions_own() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let text = "Please retry after 33 seconds.";
        for (code, fields, message, seconds) in [
            (429, headers(&[("retry-after", "7")]), text, Some(7)),
            (429, headers(&[]), text, Some(33)),
            (503, headers(&[("retry-after", "7")]), "", Some(7)),
            (500, headers(&[("retry-after", "7")]), "", None),
            (429, headers(&[("retry-after", "86400")]), "", Some(60)),
            (429, headers(&[("retry-after", "-3")]), "", None),
            (
                429,
                headers(&[("date", date), ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")]),
                "",
                Some(10),
            ),
            (429, headers(&[("retry-after", date)]), "", Some(60)),
        ] {
            let hint = hint(status(code), &fields, &facts("429", message));
            assert_eq!(hint, seconds.map(Duration::from_secs), "{code} {fields:?}");
        }
    }

    #[test]
    fn a_blip_is_asked_again_and_what_will_not_change_is_not() {
        let fault = |kind| Fault::unsent(kind, "");
        let second = Duration::from_secs(1);
        assert_eq!(then(None, None), Then::Next);
        assert_eq!(then(Some(&fault(FaultKind::ServerError)), None), Then::Next);
        assert_eq!(then(Some(&fault(FaultKind::Reset)), None), Then::Next);
        assert_eq!(then(Some(&fault(FaultKind::TotalTimeout)), None), Then::Skip);
        assert_eq!(then(Some(&fault(FaultKind::Unauthorized)), None), Then::Skip);
        assert_eq!(then(Some(&fault(FaultKind::Throttled)), None), Then::Skip);
        assert_eq!(then(Some(&fault(FaultKind::Throttled)), Some(second)), Then::Hold(second));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic_or_wait_for_long(
            code in 100_u16..=999,
            value in "[ -~]{0,24}",
            message in ".{0,40}",
        ) {
            let mut fields = HeaderMap::new();
            for name in ["retry-after", "retry-after-ms", "date"] {
                fields.insert(name, HeaderValue::from_str(&value).unwrap());
            }
            let facts = facts("", &format!("retry after {message}"));
            prop_assert!(hint(status(code), &fields, &facts).is_none_or(|hint| hint <= LONGEST_HINT));
            let success = (200..300).contains(&code);
            prop_assert_eq!(fault_of(status(code), &facts).is_none(), success);
        }
    }
}
