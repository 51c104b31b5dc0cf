//! How long a region asks to be left alone.
//!
//! The proxy and the prober call this for a 429 or 503, and cap the answer themselves: a region may
//! well ask for a day (API fact sheet 4.1).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{HeaderName, RETRY_AFTER};

use crate::error_body::ErrorFacts;

/// The hint in milliseconds, which the SDKs read first.
pub const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The hint in a response: `retry-after-ms`, else `retry-after` in seconds (fractions allowed) or as an
/// HTTP date (RFC 9110 section 10.2.3), else the text "retry after N seconds" in the error's message
/// (API fact sheet 3, 4.1).
///
/// A hint that cannot be meant (negative, not finite, past, unreadable) counts as absent, and the next
/// one is tried.
#[must_use]
pub fn retry_hint(
    headers: &HeaderMap,
    body: Option<&ErrorFacts>,
    now: SystemTime,
) -> Option<Duration> {
    let field = |name| headers.get(name)?.to_str().ok().map(str::trim);
    field(RETRY_AFTER_MS)
        .and_then(|text| span(text, 1_000.0))
        .or_else(|| {
            field(RETRY_AFTER).and_then(|text| span(text, 1.0).or_else(|| until(text, now)))
        })
        .or_else(|| in_text(body?.message.as_deref()?))
}

fn span(text: &str, per_second: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(number / per_second).ok()
}

fn until(text: &str, now: SystemTime) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

fn in_text(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let (_, rest) = message.split_once("retry after ")?;
    let (number, unit) = rest.split_once(' ')?;
    unit.starts_with("second").then(|| span(number, 1.0))?
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;

    use super::*;

    const NOW: Duration = Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    fn hint(ms: &str, after: &str, message: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(RETRY_AFTER_MS, ms), (RETRY_AFTER, after)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        let facts = ErrorFacts { message: Some(message.to_owned()), ..ErrorFacts::default() };
        retry_hint(&headers, Some(&facts), UNIX_EPOCH + NOW)
    }

    #[test]
    fn the_most_exact_hint_wins() {
        let text = "have exceeded token rate limit. Please retry after 33 seconds. Go to";
        for (ms, after, message, milliseconds) in [
            ("1500", "9", text, 1_500),
            ("0.5", "", "", 0),
            ("", "9", text, 9_000),
            ("", "1.25", "", 1_250),
            ("", " 2 ", "", 2_000),
            ("", "0", text, 0),
            ("", "Sun, 06 Nov 1994 08:50:37 GMT", "", 60_000),
            ("", "", text, 33_000),
            ("", "", "RETRY AFTER 1 second", 1_000),
            ("", "999999999", "", 999_999_999_000),
            ("soon", "9", text, 9_000),
            ("-1", "later", text, 33_000),
        ] {
            let expected = Duration::from_millis(milliseconds);
            let got = hint(ms, after, message)
                .map(|hint| Duration::from_millis(u64::try_from(hint.as_millis()).unwrap()));
            assert_eq!(got, Some(expected), "{ms:?} {after:?} {message:?}");
        }
    }

    #[test]
    fn garbage_is_no_hint() {
        for (ms, after, message) in [
            ("", "", ""),
            ("NaN", "NaN", ""),
            ("inf", "infinity", ""),
            ("-5", "-0.1", ""),
            ("1e300", "1e300", ""),
            ("", "Sun, 06 Nov 1994 08:49:36 GMT", ""),
            ("", "1 2", "Please retry later"),
            ("", "\t", "retry after 20 milliseconds"),
            ("", "0x10", "retry after seconds"),
            ("", "", "retry after -3 seconds"),
        ] {
            assert_eq!(hint(ms, after, message), None, "{ms:?} {after:?} {message:?}");
        }
        assert_eq!(retry_hint(&HeaderMap::new(), None, UNIX_EPOCH), None);
    }
}
