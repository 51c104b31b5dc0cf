//! Changes of one circuit breaker. The proxy counts those that requests cause, the control thread
//! those that time brings; both hold a handle to the same series.

use metrics::Counter;

use crate::labels::RouteBreaker;
use crate::names;
use crate::registry::Metrics;

/// The transitions of one breaker, by the state that it went to.
#[derive(Clone, Debug)]
pub struct BreakerMetrics([Counter; RouteBreaker::ALL.len()]);

impl BreakerMetrics {
    pub(super) fn new(metrics: &Metrics, region: &str, deployment: &str) -> Self {
        Self(RouteBreaker::ALL.map(|to| {
            let labels = [("region", region), ("deployment", deployment), ("to", to.as_str())];
            metrics.counter(&names::BREAKER_TRANSITIONS, &labels)
        }))
    }

    /// It stands elsewhere than before.
    pub fn went(&self, to: RouteBreaker) {
        if let Some(counter) = self.0.get(to as usize) {
            counter.increment(1);
        }
    }
}
