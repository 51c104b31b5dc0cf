//! What the types of a world cannot say: unique names, finite numbers in their ranges.
//!
//! Checked when a world is read, when a simulator starts and at every change, so that nobody
//! else has to.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::world::{RegionWorld, World};

/// Why a world cannot be simulated. Always the fault of who wrote it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The text is not YAML or does not have this shape.
    #[error("the world cannot be read: {0}")]
    Shape(#[from] serde_yaml::Error),
    /// Two regions share a name.
    #[error("two regions are named `{0}`")]
    DuplicateRegion(String),
    /// A number is out of its range.
    #[error("region `{region}`: `{field}` must be {expected}")]
    OutOfRange {
        /// The region that holds it.
        region: String,
        /// The key as written in the file.
        field: &'static str,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl World {
    /// Checks what the types cannot say: unique names, finite and sensible numbers.
    ///
    /// # Errors
    /// The first problem found.
    pub fn check(&self) -> Result<(), WorldError> {
        let mut names = BTreeSet::new();
        for region in &self.regions {
            if !names.insert(&region.name) {
                return Err(WorldError::DuplicateRegion(region.name.clone()));
            }
            region.check()?;
            if self.repeat_every_s.is_some_and(|s| !(s.is_finite() && s > 0.0)) {
                return Err(region.out_of_range("repeat_every_s", "more than 0 seconds"));
            }
        }
        Ok(())
    }
}

impl RegionWorld {
    /// Checks the numbers of this region.
    ///
    /// # Errors
    /// [`WorldError::OutOfRange`] with the first key that is wrong.
    pub fn check(&self) -> Result<(), WorldError> {
        let times = [
            ("connect_ms", self.connect_ms),
            ("idle_close_ms", self.idle_close_ms.unwrap_or(0.0)),
            ("network_ms", self.network_ms),
            ("base_ms", self.base_ms),
            ("jitter_ms", self.jitter_ms),
            ("per_token_ms", self.per_token_ms),
            ("per_in_flight_ms", self.per_in_flight_ms),
            ("per_thousand_prompt_ms", self.per_thousand_prompt_ms),
            ("tail.factor", self.tail.map_or(0.0, |tail| tail.factor)),
        ];
        let steps =
            self.steps.iter().flat_map(|s| [("steps.at_s", s.at_s), ("steps.base_ms", s.base_ms)]);
        let brownouts = self.brownouts.iter().flat_map(|b| {
            [
                ("brownouts.from_s", b.from_s),
                ("brownouts.for_s", b.for_s),
                ("brownouts.factor", b.factor),
            ]
        });
        let hangs =
            self.hangs.iter().flat_map(|h| [("hangs.from_s", h.from_s), ("hangs.for_s", h.for_s)]);
        let drift = self
            .drift
            .iter()
            .flat_map(|d| [("drift.amount_ms", d.amount_ms), ("drift.period_s", d.period_s)]);
        let deployments =
            self.deployments.iter().filter_map(|d| Some(("deployments.base_ms", d.base_ms?)));
        for (field, value) in times
            .into_iter()
            .chain(steps)
            .chain(brownouts)
            .chain(hangs)
            .chain(drift)
            .chain(deployments)
        {
            if !(0.0..=MOST).contains(&value) {
                return Err(self.out_of_range(field, "from 0 to 100000000"));
            }
        }
        let rates = self
            .failures
            .iter()
            .map(|f| f.rate)
            .chain(self.brownouts.iter().map(|b| b.failure_rate))
            .chain(self.tail.map(|tail| tail.rate));
        if rates.into_iter().any(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err(self.out_of_range("failure rate", "from 0 to 1"));
        }
        let statuses = self.failures.iter().map(|f| f.status).chain(self.status);
        if statuses.into_iter().any(|status| !(400..=599).contains(&status)) {
            return Err(self.out_of_range("status", "from 400 to 599"));
        }
        if self.tokens > TOKENS_MOST {
            return Err(self.out_of_range("tokens", "at most 100000"));
        }
        let wait = self.throttle.and_then(|throttle| throttle.retry_after_ms);
        if wait.is_some_and(|ms| ms > HINT_MOST_MS) {
            return Err(self.out_of_range("throttle.retry_after_ms", "at most 10000000000000"));
        }
        Ok(())
    }

    fn out_of_range(&self, field: &'static str, expected: &'static str) -> WorldError {
        WorldError::OutOfRange { region: self.name.clone(), field, expected }
    }
}

/// The largest time or factor.
const MOST: f64 = 1e8;
/// An answer is made whole before it is sent.
const TOKENS_MOST: u32 = 100_000;
/// Three hundred years, so that a hint still is a date.
const HINT_MOST_MS: u64 = 10_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_simulated_is_refused_by_name() {
        let region = |more: &str| format!("regions: [{{name: a, key: k, {more}}}]");
        for (text, part) in [
            (region("base_ms: -1"), "base_ms"),
            (region("jitter_ms: .nan"), "jitter_ms"),
            (region("connect_ms: -1"), "connect_ms"),
            (region("idle_close_ms: .inf"), "idle_close_ms"),
            (region("failures: {rate: 2}"), "failure rate"),
            (region("status: 200"), "status"),
            (region("tokens: 4000000000"), "tokens"),
            (region("bas_ms: 1"), "bas_ms"),
            ("regions: [{name: a, key: k}, {name: a, key: l}]".to_owned(), "two regions"),
            ("regions: 5".to_owned(), "regions"),
        ] {
            let error = World::from_yaml(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
