//! A gauge that counts what exists now: up when the guard is made, down when it is dropped.

use metrics::Gauge;

/// One request in flight, one open client connection or one idle connection. Dropping it ends the
/// count, also when the work is cancelled and after the handle that made it is gone.
#[derive(Debug)]
#[must_use = "it counts only while this lives"]
pub struct InFlight {
    gauge: Gauge,
}

impl InFlight {
    pub(super) fn begin(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self { gauge: gauge.clone() }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}
