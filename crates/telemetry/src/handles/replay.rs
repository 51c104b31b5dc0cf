//! What is kept of request bodies for another attempt. Every worker holds one.

use metrics::{Counter, Gauge};

use crate::labels::NotKept;
use crate::names;
use crate::registry::Metrics;

/// The bytes kept, the bodies that were not, and what is read ahead.
#[derive(Debug)]
pub struct ReplayMetrics {
    held: Gauge,
    ahead: Gauge,
    waits: Counter,
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
        let waits = metrics.counter(&names::READ_AHEAD_WAITS, &[]);
        waits.increment(0);
        Self {
            held: metrics.gauge(&names::REPLAY_BYTES, &[]),
            ahead: metrics.gauge(&names::READ_AHEAD_BYTES, &[]),
            waits,
            not_kept: NotKept::ALL.map(counter),
        }
    }

    /// So many bytes are kept now, by all workers together.
    pub fn held(&self, bytes: usize) {
        self.held.set(bytes as f64);
    }

    /// So many bytes are taken now by bodies that are read ahead, of all workers together.
    pub fn ahead(&self, bytes: usize) {
        self.ahead.set(bytes as f64);
    }

    /// A body has to wait for room to be read ahead.
    pub fn waits(&self) {
        self.waits.increment(1);
    }

    /// A body is not kept, or no longer.
    pub fn not_kept(&self, why: NotKept) {
        if let Some(counter) = self.not_kept.get(why as usize) {
            counter.increment(1);
        }
    }
}
