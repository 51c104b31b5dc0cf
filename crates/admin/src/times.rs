//! How times are told: milliseconds to three places.

use std::time::Duration;

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

/// Milliseconds to three places.
pub(crate) fn rounded(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}
