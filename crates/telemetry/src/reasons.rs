//! Counters of one family by a reason that another crate names: `&'static str` of its closed enum.
//!
//! The reasons live where the faults arise, above this crate, so they cannot be an enum here. A
//! reason is registered when it is first counted (or declared) and then found by comparing a few
//! static strings: no lock, no allocation. Bounded: what does not fit counts as `other`.

use std::sync::OnceLock;

use metrics::Counter;

use crate::labels::OTHER;
use crate::names::Family;
use crate::registry::Metrics;

/// Most reasons told apart in one family and set of labels; above any enum of the product.
const MAX_REASONS: usize = 32;

/// The counters of one family, by reason.
#[derive(Debug)]
pub(crate) struct CountersByReason {
    slots: [OnceLock<(&'static str, Counter)>; MAX_REASONS],
    other: OnceLock<Counter>,
    metrics: Metrics,
    family: Family,
    label: &'static str,
    shared: Vec<(&'static str, String)>,
}

impl CountersByReason {
    /// `label` names the reason; `shared` are the labels that all these counters have.
    pub(crate) fn new(
        metrics: &Metrics,
        family: Family,
        label: &'static str,
        shared: &[(&'static str, &str)],
    ) -> Self {
        Self {
            slots: [const { OnceLock::new() }; MAX_REASONS],
            other: OnceLock::new(),
            metrics: metrics.clone(),
            family,
            label,
            shared: shared.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
        }
    }

    /// The counter of a reason; its series exists, at zero, from the first call.
    pub(crate) fn of(&self, reason: &'static str) -> &Counter {
        for slot in &self.slots {
            let (taken, counter) = slot.get_or_init(|| (reason, self.register(reason)));
            if *taken == reason {
                return counter;
            }
        }
        self.other.get_or_init(|| self.register(OTHER))
    }

    fn register(&self, reason: &str) -> Counter {
        let shared = self.shared.iter().map(|(name, value)| (*name, value.as_str()));
        let labels: Vec<_> = shared.chain([(self.label, reason)]).collect();
        self.metrics.counter(&self.family, &labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;
    use crate::registry::Build;

    fn counters(metrics: &Metrics) -> CountersByReason {
        CountersByReason::new(metrics, names::FAILOVERS, "reason", &[])
    }

    fn metrics() -> Metrics {
        Metrics::new(Build { version: "1", commit: None }).unwrap()
    }

    #[test]
    fn each_reason_has_its_own_series() {
        let metrics = metrics();
        let counters = counters(&metrics);
        counters.of("timeout").increment(2);
        counters.of("reset").increment(1);
        counters.of("timeout").increment(1);
        let text = metrics.render();
        assert!(text.contains("nearway_failovers_total{reason=\"timeout\"} 3\n"), "{text}");
        assert!(text.contains("nearway_failovers_total{reason=\"reset\"} 1\n"), "{text}");
    }

    #[test]
    fn reasons_beyond_the_bound_are_one_series() {
        let metrics = metrics();
        let counters = counters(&metrics);
        for number in 0..MAX_REASONS + 5 {
            counters.of(number.to_string().leak()).increment(1);
        }
        let text = metrics.render();
        let series = text.lines().filter(|line| line.starts_with("nearway_failovers_total"));
        assert_eq!(series.count(), MAX_REASONS + 1);
        assert!(text.contains("nearway_failovers_total{reason=\"other\"} 5\n"), "{text}");
    }
}
