//! What is kept of request bodies for another attempt. Every worker holds one.

use metrics::{Counter, Gauge};

use crate::labels::NotKept;
use crate::names;
use crate::registry::Metrics;

/// The bytes kept, and the bodies that were not.
#[derive(Debug)]
pub struct ReplayMetrics {
    held: Gauge,
    not_kept: [Counter; NotKept::ALL.len()],
}

impl ReplayMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |why: NotKept| {
            let counter = metrics.counter(&names::BODIES_NOT_KEPT, &[("reason", why.as_str())]);
            // so that a first one is seen as a rise
            counter.increment(0);
            counter
        };
        Self { held: metrics.gauge(&names::REPLAY_BYTES, &[]), not_kept: NotKept::ALL.map(counter) }
    }

    /// So many bytes are kept now, by all workers together.
    pub fn held(&self, bytes: usize) {
        self.held.set(bytes as f64);
    }

    /// A body is not kept, or no longer.
    pub fn not_kept(&self, why: NotKept) {
        if let Some(counter) = self.not_kept.get(why as usize) {
            counter.increment(1);
        }
    }
}
