//! What a region says of its quota: how much of it is left, so that it is spared before it has to refuse,
//! and how much there is, so that probes keep to a small part of it.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

/// What an answer says of the region's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What it allows.
    pub limits: Limits,
    /// For how long the quota of requests or of tokens, or the capacity of a provisioned deployment, will
    /// be nearly used up; `None` while there is enough, or when nothing can be told.
    pub nearly_spent: Option<Duration>,
}

/// Reads it, in one pass over its headers.
///
/// Azure counts in seconds until a reset, `OpenAI` in durations (API fact sheet 3). A limit of 0 or less
/// is what some routes say that know none; then what is left says nothing either. A provisioned deployment
/// says how busy it is (`57.3%`), or that the answer spilled over from it; not for how long.
#[must_use]
pub fn read(headers: &HeaderMap) -> Said {
    let [requests, tokens] = QUOTAS.each_ref().map(|quota| quota.limit(headers));
    let limits = Limits { requests, tokens };
    let left = |(quota, limit): (&Quota, Option<u64>)| quota.nearly_spent(limit?, headers);
    let full = (is_full(headers) || headers.contains_key(SPILLED)).then_some(USUAL_RESET);
    let nearly_spent = QUOTAS.iter().zip([requests, tokens]).filter_map(left).chain(full).max();
    Said { limits, nearly_spent }
}

/// What a region allows in a minute, as far as it says (API fact sheet 3, 8.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests, at least 1.
    pub requests: Option<u64>,
    /// Tokens of questions and answers, at least 1.
    pub tokens: Option<u64>,
}

fn is_full(headers: &HeaderMap) -> bool {
    let text = headers.get(UTILIZATION).and_then(|value| value.to_str().ok());
    let percent = text.and_then(|text| text.trim().trim_end_matches('%').trim_end().parse().ok());
    percent.is_some_and(|percent: f64| percent >= FULL)
}

const UTILIZATION: HeaderName = HeaderName::from_static("azure-openai-deployment-utilization");
const SPILLED: HeaderName = HeaderName::from_static("x-ms-spillover-from-deployment");

struct Quota {
    remaining: HeaderName,
    limit: HeaderName,
    reset: HeaderName,
}

const QUOTAS: [Quota; 2] = [
    Quota {
        remaining: HeaderName::from_static("x-ratelimit-remaining-requests"),
        limit: HeaderName::from_static("x-ratelimit-limit-requests"),
        reset: HeaderName::from_static("x-ratelimit-reset-requests"),
    },
    Quota {
        remaining: HeaderName::from_static("x-ratelimit-remaining-tokens"),
        limit: HeaderName::from_static("x-ratelimit-limit-tokens"),
        reset: HeaderName::from_static("x-ratelimit-reset-tokens"),
    },
];

impl Quota {
    fn nearly_spent(&self, limit: u64, headers: &HeaderMap) -> Option<Duration> {
        let remaining = number(headers, &self.remaining)?;
        if remaining > limit / NEARLY {
            return None;
        }
        let reset = text(headers, &self.reset).and_then(span).filter(|reset| !reset.is_zero());
        Some(reset.unwrap_or(USUAL_RESET))
    }

    fn limit(&self, headers: &HeaderMap) -> Option<u64> {
        number(headers, &self.limit).filter(|limit| *limit > 0)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A negative one is what some routes say that know none.
fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// `10`, `17ms` or `6m0s`.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|sign: char| !(sign.is_ascii_digit() || sign == '.'))?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let end = behind.find(|sign: char| sign.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = behind;
    }
    Some(total)
}

/// Percent at which a provisioned deployment begins to refuse (API fact sheet 9.1).
const FULL: f64 = 100.0;
/// Below one part in so many of the limit: the next requests of other clients will use it up.
const NEARLY: u64 = 50;
/// Where the region does not say when: Azure's window seems to be ten seconds (API fact sheet 3).
const USUAL_RESET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn millis(headers: &[(&'static str, &str)]) -> Option<u128> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        read(&map).nearly_spent.map(|spent| spent.as_millis())
    }

    #[test]
    fn little_left_is_told_until_the_reset() {
        let (left, limit, reset) = (
            "x-ratelimit-remaining-requests",
            "x-ratelimit-limit-requests",
            "x-ratelimit-reset-requests",
        );
        let tokens = ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens");
        assert_eq!(millis(&[]), None);
        assert_eq!(millis(&[(left, "10"), (limit, "450")]), None);
        assert_eq!(millis(&[(left, "9"), (limit, "450")]), Some(10_000));
        assert_eq!(millis(&[(left, "0"), (limit, "450"), (reset, "3")]), Some(3_000));
        assert_eq!(millis(&[(left, "0"), (limit, "20"), (reset, "6m0s")]), Some(360_000));
        assert_eq!(millis(&[(left, "0"), (limit, "20"), (reset, "17ms")]), Some(17));
        assert_eq!(millis(&[(left, "0"), (limit, "20"), (reset, "soon")]), Some(10_000));
        assert_eq!(
            millis(&[(left, "400"), (limit, "450"), (tokens.0, "1"), (tokens.1, "100")]),
            Some(10_000)
        );
        for unknown in ["0", "-1", "", "x"] {
            assert_eq!(millis(&[(left, "0"), (limit, unknown)]), None, "{unknown}");
        }
        for unknown in ["-1", "", "x"] {
            assert_eq!(millis(&[(left, unknown), (limit, "450")]), None, "{unknown}");
        }
        assert_eq!(millis(&[(left, "0")]), None, "without a limit");
    }

    #[test]
    fn limits_are_told_where_they_limit() {
        let told = |requests: &'static str| {
            let mut map = HeaderMap::new();
            map.insert("x-ratelimit-limit-requests", HeaderValue::from_static(requests));
            read(&map).limits
        };
        assert_eq!(read(&HeaderMap::new()), Said::default());
        assert_eq!(told("450"), Limits { requests: Some(450), tokens: None });
        for none in ["0", "-1", "", "x"] {
            assert_eq!(told(none), Limits::default(), "{none}");
        }
    }

    #[test]
    fn a_provisioned_deployment_that_is_full_is_spared() {
        let utilization = "azure-openai-deployment-utilization";
        for (text, expected) in [
            ("100%", Some(10_000)),
            ("100.0", Some(10_000)),
            (" 131.5 % ", Some(10_000)),
            ("99.9%", None),
            ("0%", None),
            ("", None),
            ("%", None),
            ("NaN", None),
            ("-100%", None),
        ] {
            assert_eq!(millis(&[(utilization, text)]), expected, "{text:?}");
        }
        assert_eq!(millis(&[("x-ms-spillover-from-deployment", "ptu")]), Some(10_000));
    }

    proptest! {
        #[test]
        fn any_text_is_a_span_or_none(text in "[0-9.msh -]{0,12}") {
            let _ = span(&text);
        }
    }
}
