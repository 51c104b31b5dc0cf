//! When a client may come back that is sent away for now: what regions asked for, in the words that
//! SDKs follow. Called where everybody is throttled, and where everybody is out.

use std::time::Duration;

use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use nearway_wire::retry_hint::RETRY_AFTER_MS;

/// Says it for the `soonest` of all. SDKs do not wait for longer than a minute, and Node's then asks
/// again at once (API fact sheet 4.4).
pub(crate) fn say_when(headers: &mut HeaderMap, soonest: Duration) {
    let wait = soonest.min(HINT_MAX);
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    headers.insert(RETRY_AFTER_MS, millis.into());
    headers.insert(RETRY_AFTER, millis.div_ceil(1000).into());
    let again = HeaderValue::from_static(if soonest > HINT_MAX { "false" } else { "true" });
    headers.insert(SHOULD_RETRY, again);
}

/// The longest wait that a client is asked for.
pub(crate) const HINT_MAX: Duration = Duration::from_secs(60);
/// Goes before the status in the SDKs' own decision (API fact sheet 4.4).
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
