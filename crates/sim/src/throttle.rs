//! Requests per minute: fixed windows per deployment, decided from numbers only.
//!
//! `exchange.rs` asks once per request and turns a refusal into 429, an admission into the
//! rate-limit headers.

use std::collections::HashMap;
use std::time::Duration;

use crate::faults::Throttle;

/// The current minute of each deployment that was asked for. Deployments are those of the
/// world, so the map is as small.
#[derive(Debug, Default)]
pub(crate) struct Windows(HashMap<String, Window>);

#[derive(Debug, Default)]
struct Window {
    minute: u64,
    used: u32,
}

/// What is left after a request was let through, or how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Granted { limit: u32, remaining: u32, reset: Duration },
    Refused { wait: Duration },
}

impl Windows {
    /// Counts one request to a deployment at a time since the start of the world.
    pub(crate) fn admit(
        &mut self,
        throttle: Option<Throttle>,
        deployment: &str,
        elapsed: Duration,
    ) -> Admission {
        let minute = elapsed.as_secs() / MINUTE.as_secs();
        let reset = Duration::from_secs((minute + 1) * MINUTE.as_secs()).saturating_sub(elapsed);
        if !self.0.contains_key(deployment) {
            self.0.insert(deployment.to_owned(), Window::default());
        }
        let Some(window) = self.0.get_mut(deployment) else {
            return Admission::Refused { wait: reset };
        };
        if window.minute != minute {
            *window = Window { minute, used: 0 };
        }
        let limit = throttle.map_or(UNTHROTTLED_LIMIT, |throttle| throttle.per_minute);
        if throttle.is_some() && window.used >= limit {
            return Admission::Refused { wait: reset };
        }
        window.used = window.used.saturating_add(1);
        Admission::Granted { limit, remaining: limit.saturating_sub(window.used), reset }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// What the rate-limit headers say where nothing is limited.
const UNTHROTTLED_LIMIT: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Hint;

    const TWO: Option<Throttle> =
        Some(Throttle { per_minute: 2, hint: Hint::Both, retry_after_ms: None });

    #[test]
    fn a_deployment_is_refused_until_its_minute_ends() {
        let mut windows = Windows::default();
        let at = Duration::from_secs;
        let granted = |remaining, reset| Admission::Granted { limit: 2, remaining, reset };
        assert_eq!(windows.admit(TWO, "gpt", at(10)), granted(1, at(50)));
        assert_eq!(windows.admit(TWO, "gpt", at(20)), granted(0, at(40)));
        assert_eq!(windows.admit(TWO, "gpt", at(30)), Admission::Refused { wait: at(30) });
        assert_eq!(windows.admit(TWO, "other", at(30)), granted(1, at(30)));
        assert_eq!(windows.admit(TWO, "gpt", at(60)), granted(1, at(60)));
    }

    #[test]
    fn without_a_throttle_nothing_is_refused() {
        let mut windows = Windows::default();
        for _ in 0..1_000 {
            let admission = windows.admit(None, "gpt", Duration::ZERO);
            assert!(matches!(admission, Admission::Granted { .. }));
        }
    }
}
