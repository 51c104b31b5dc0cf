//! Requests that went on from one region to another. Made when the first one does.

use crate::names;
use crate::reasons::CountersByReason;
use crate::registry::Metrics;

/// The failovers from one region to another one.
#[derive(Debug)]
pub struct FailoverMetrics(CountersByReason);

impl FailoverMetrics {
    pub(super) fn new(metrics: &Metrics, from: &str, to: &str) -> Self {
        let labels = [("from", from), ("to", to)];
        Self(CountersByReason::new(metrics, names::FAILOVERS, "reason", &labels))
    }

    /// A request went on; `reason` is what happened in the region before.
    pub fn count(&self, reason: &'static str) {
        self.0.of(reason).increment(1);
    }
}
