//! What the client side did, whichever region served it. Every worker holds one.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::InFlight;
use crate::labels::{AffinityResult, HedgeEvent, TokenKind, TunnelEnd};
use crate::names;
use crate::reasons::CountersByReason;
use crate::registry::Metrics;

/// Client connections, refusals and Nearway's own time.
#[derive(Debug)]
pub struct ProxyMetrics {
    added_time: Histogram,
    tunnels_ended: [Counter; TunnelEnd::ALL.len()],
    refused: CountersByReason,
    malformed: Counter,
    retries_refused: Counter,
    hedges: [Counter; HedgeEvent::ALL.len()],
    rescues: [Counter; HedgeEvent::ALL.len()],
    hedge_prompts: Counter,
    affinity: [Counter; AffinityResult::ALL.len()],
    affinity_evictions: Counter,
    affinity_cached: Gauge,
    reports_dropped: Counter,
    accepted: Counter,
    accept_pauses: Counter,
    open: Gauge,
}

impl ProxyMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            added_time: metrics.histogram(&names::ADDED_TIME, &[]),
            tunnels_ended: TunnelEnd::ALL.map(|end| {
                let ended = metrics.counter(&names::TUNNELS_ENDED, &[("reason", end.as_str())]);
                // so that a first one is seen as a rise
                ended.increment(0);
                ended
            }),
            refused: CountersByReason::new(metrics, names::REQUESTS_REFUSED, "code", &[]),
            malformed: metrics.counter(&names::REQUESTS_MALFORMED, &[]),
            retries_refused: metrics.counter(&names::RETRIES_REFUSED, &[]),
            hedges: HedgeEvent::ALL
                .map(|event| metrics.counter(&names::HEDGES, &[("event", event.as_str())])),
            rescues: HedgeEvent::ALL
                .map(|event| metrics.counter(&names::RESCUES, &[("event", event.as_str())])),
            hedge_prompts: metrics
                .counter(&names::HEDGE_TOKENS, &[("kind", TokenKind::Prompt.as_str())]),
            affinity: AffinityResult::ALL
                .map(|result| metrics.counter(&names::AFFINITY, &[("result", result.as_str())])),
            affinity_evictions: metrics.counter(&names::AFFINITY_EVICTIONS, &[]),
            affinity_cached: metrics.gauge(&names::AFFINITY_CACHED, &[]),
            reports_dropped: metrics.counter(&names::REPORTS_DROPPED, &[]),
            accepted: metrics.counter(&names::CLIENT_CONNECTIONS_ACCEPTED, &[]),
            accept_pauses: metrics.counter(&names::CLIENT_ACCEPT_PAUSES, &[]),
            open: metrics.gauge(&names::CLIENT_CONNECTIONS_OPEN, &[]),
        }
    }

    /// Makes the series of these codes exist at zero, so that a first one is seen as a rise.
    /// Optional; call it at start with the values of the closed enum.
    pub fn declare(&self, codes: &[&'static str]) {
        for code in codes {
            self.refused.of(code).increment(0);
        }
    }

    /// A request took this much of Nearway's own time.
    pub fn added_time(&self, added: Duration) {
        self.added_time.record(added);
    }

    /// A tunnel is over.
    pub fn tunnel_ended(&self, end: TunnelEnd) {
        if let Some(ended) = self.tunnels_ended.get(end as usize) {
            ended.increment(1);
        }
    }

    /// Nearway answered with an error of its own; `code` is the one in the body.
    pub fn refused(&self, code: &'static str) {
        self.refused.of(code).increment(1);
    }

    /// A connection was closed because what came over it was not acceptable HTTP.
    pub fn malformed(&self) {
        self.malformed.increment(1);
    }

    /// A request could have gone to a further region, but for the budget.
    pub fn retry_refused(&self) {
        self.retries_refused.increment(1);
    }

    /// A second attempt was made beside one that was late, or is over.
    pub fn hedged(&self, event: HedgeEvent) {
        if let Some(counter) = self.hedges.get(event as usize) {
            counter.increment(1);
        }
    }

    /// The same beside one that was stuck.
    pub fn rescued(&self, event: HedgeEvent) {
        if let Some(counter) = self.rescues.get(event as usize) {
            counter.increment(1);
        }
    }

    /// A prompt of so many tokens was sent to a region whose answer came too late to be used.
    pub fn hedge_prompt(&self, tokens: u32) {
        self.hedge_prompts.increment(tokens.into());
    }

    /// A request was answered that belongs to others.
    pub fn affinity(&self, result: AffinityResult) {
        if let Some(counter) = self.affinity.get(result as usize) {
            counter.increment(1);
        }
    }

    /// Others were forgotten for it before their time.
    pub fn affinity_evicted(&self) {
        self.affinity_evictions.increment(1);
    }

    /// This share of the prompts that stay in their region, 0 to 1, is read from its cache.
    pub fn affinity_cached(&self, share: f64) {
        self.affinity_cached.set(share);
    }

    /// A live measurement was dropped because the ranking's queue was full.
    pub fn report_dropped(&self) {
        self.reports_dropped.increment(1);
    }

    /// A client connected. It counts as open until the guard is dropped.
    pub fn connected(&self) -> InFlight {
        self.accepted.increment(1);
        InFlight::begin(&self.open)
    }

    /// The limit on open connections is reached: further clients wait until one leaves.
    pub fn accept_paused(&self) {
        self.accept_pauses.increment(1);
    }
}
