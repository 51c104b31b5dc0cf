//! What requests tell the ranking: collected by the worker, handed over in batches.
//!
//! A hand-over wakes another thread, which costs more than a request's whole bookkeeping; so
//! reports wait in the worker until its next tick. Both the batch and the channel have a bound, and
//! what does not fit is dropped and counted: a ranking can do without, a client can not.

use std::cell::RefCell;
use std::sync::Arc;

use nearway_route::{RegionId, Sample};
use nearway_telemetry::ProxyMetrics;
use tokio::sync::mpsc;

/// Most reports a worker keeps between two ticks.
const BATCH_MAX: usize = 256;

/// One observation of live traffic.
#[derive(Clone, Debug)]
pub struct Report {
    /// Where it was made.
    pub region: RegionId,
    /// The deployment as the client names it, if it is a configured one.
    pub deployment: Option<Arc<str>>,
    /// What was seen.
    pub sample: Sample,
}

/// The worker's end of the channel.
#[derive(Debug)]
pub(crate) struct Reports {
    batch: RefCell<Vec<Report>>,
    sender: mpsc::Sender<Report>,
}

impl Reports {
    pub(crate) fn new(sender: mpsc::Sender<Report>) -> Self {
        Self { batch: RefCell::new(Vec::with_capacity(BATCH_MAX)), sender }
    }

    /// Keeps a report for the next [`Self::flush`].
    pub(crate) fn push(&self, report: Report, metrics: &ProxyMetrics) {
        let mut batch = self.batch.borrow_mut();
        if batch.len() < BATCH_MAX {
            batch.push(report);
        } else {
            metrics.report_dropped();
        }
    }

    /// Hands everything over.
    pub(crate) fn flush(&self, metrics: &ProxyMetrics) {
        for report in self.batch.borrow_mut().drain(..) {
            if self.sender.try_send(report).is_err() {
                metrics.report_dropped();
            }
        }
    }
}
