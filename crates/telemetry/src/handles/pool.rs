//! Connections to one region, over all workers. The upstream crate's pool holds one.

use metrics::{Counter, Gauge};

use super::InFlight;
use crate::names;
use crate::registry::Metrics;

/// Connections to one region: opened, reused, closed, and kept idle.
#[derive(Clone, Debug)]
pub struct PoolMetrics {
    opened: Counter,
    reused: Counter,
    closed: Counter,
    idle: Gauge,
}

impl PoolMetrics {
    pub(super) fn new(metrics: &Metrics, region: &str) -> Self {
        let labels = [("region", region)];
        Self {
            opened: metrics.counter(&names::UPSTREAM_CONNECTIONS_OPENED, &labels),
            reused: metrics.counter(&names::UPSTREAM_CONNECTIONS_REUSED, &labels),
            closed: metrics.counter(&names::UPSTREAM_CONNECTIONS_CLOSED, &labels),
            idle: metrics.gauge(&names::UPSTREAM_CONNECTIONS_IDLE, &labels),
        }
    }

    /// A connection is open and ready.
    pub fn opened(&self) {
        self.opened.increment(1);
    }

    /// A request goes out on a connection that was open before.
    pub fn reused(&self) {
        self.reused.increment(1);
    }

    /// A connection ended, whoever ended it.
    pub fn closed(&self) {
        self.closed.increment(1);
    }

    /// A connection lies idle until the guard is dropped: keep it beside the connection, so that
    /// the gauge falls to zero when the pool of a removed region is dropped.
    pub fn idle(&self) -> InFlight {
        InFlight::begin(&self.idle)
    }
}
