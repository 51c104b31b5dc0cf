//! What one client's requests came to. The proxy holds one for each that is configured.

use metrics::Counter;

use crate::labels::RequestOutcome;
use crate::names;
use crate::registry::Metrics;

/// Requests of one client, by outcome.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    requests: [Counter; RequestOutcome::ALL.len()],
}

impl ClientMetrics {
    pub(super) fn new(metrics: &Metrics, client: &str) -> Self {
        let counter = |outcome: RequestOutcome| {
            let labels = [("client", client), ("outcome", outcome.as_str())];
            metrics.counter(&names::CLIENT_REQUESTS, &labels)
        };
        Self { requests: RequestOutcome::ALL.map(counter) }
    }

    /// A request ended.
    pub fn ended(&self, outcome: RequestOutcome) {
        if let Some(requests) = self.requests.get(outcome as usize) {
            requests.increment(1);
        }
    }
}
