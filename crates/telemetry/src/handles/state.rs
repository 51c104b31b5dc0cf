//! What is remembered of objects that live in one region. Every worker holds one, and whoever keeps the store.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use crate::labels::{Learning, Lookup, Search};
use crate::names::{self, Family};
use crate::registry::Metrics;

/// Ids learned and looked up, searches and their cost, and the store itself.
#[derive(Clone, Debug)]
pub struct StateMetrics {
    learned: [Counter; Learning::ALL.len()],
    lookups: [Counter; Lookup::ALL.len()],
    searches: [Counter; Search::ALL.len()],
    search_requests: Counter,
    search_seconds: Histogram,
    evictions: Counter,
    entries: Gauge,
    bytes: Gauge,
    file_errors: Counter,
    unwritten: Counter,
    unread: Counter,
}

impl StateMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        // each at zero, so that a first one is seen as a rise
        let counter = |family: &Family, labels: &[(&'static str, &str)]| {
            let counter = metrics.counter(family, labels);
            counter.increment(0);
            counter
        };
        let by_result =
            |family: &Family, result: &'static str| counter(family, &[("result", result)]);
        Self {
            learned: Learning::ALL.map(|one| by_result(&names::STATE_LEARNED, one.as_str())),
            lookups: Lookup::ALL.map(|one| by_result(&names::STATE_LOOKUPS, one.as_str())),
            searches: Search::ALL.map(|one| by_result(&names::STATE_SEARCHES, one.as_str())),
            search_requests: counter(&names::STATE_SEARCH_REQUESTS, &[]),
            search_seconds: metrics.histogram(&names::STATE_SEARCH_SECONDS, &[]),
            evictions: counter(&names::STATE_EVICTIONS, &[]),
            entries: metrics.gauge(&names::STATE_ENTRIES, &[]),
            bytes: metrics.gauge(&names::STATE_BYTES, &[]),
            file_errors: counter(&names::STATE_FILE_ERRORS, &[]),
            unwritten: counter(&names::STATE_UNWRITTEN, &[]),
            unread: counter(&names::STATE_UNREAD, &[]),
        }
    }

    /// An answer named an object.
    pub fn learned(&self, learning: Learning) {
        if let Some(counter) = self.learned.get(learning as usize) {
            counter.increment(1);
        }
    }

    /// Another id was forgotten for it before its time.
    pub fn evicted(&self) {
        self.evictions.increment(1);
    }

    /// A request named objects.
    pub fn looked_up(&self, lookup: Lookup) {
        if let Some(counter) = self.lookups.get(lookup as usize) {
            counter.increment(1);
        }
    }

    /// The regions were asked for an object: so many that did not know it, which took so long.
    pub fn searched(&self, search: Search, in_vain: u32, took: Duration) {
        if let Some(counter) = self.searches.get(search as usize) {
            counter.increment(1);
        }
        self.search_requests.increment(in_vain.into());
        self.search_seconds.record(took);
    }

    /// Not all ids of a request or an answer could be read.
    pub fn unread(&self) {
        self.unread.increment(1);
    }

    /// So many ids are remembered now, in so many bytes.
    pub fn holds(&self, entries: usize, bytes: usize) {
        self.entries.set(entries as f64);
        self.bytes.set(bytes as f64);
    }

    /// Writing to the file failed.
    pub fn file_failed(&self) {
        self.file_errors.increment(1);
    }

    /// A change does not reach the file.
    pub fn unwritten(&self) {
        self.unwritten.increment(1);
    }
}
