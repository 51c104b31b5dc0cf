//! Probes of one (region, deployment), and where it stands. The prober holds one for each.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::flag;
use crate::exposition::ABSENT;
use crate::labels::{ProbeSkip, RouteState, TokenKind};
use crate::names;
use crate::reasons::CountersByReason;
use crate::registry::Metrics;

/// The `outcome` of a probe that succeeded.
const OK: &str = "ok";

/// Probes of one (region, deployment), and its score, rank and state.
#[derive(Debug)]
pub struct ProbeMetrics {
    outcomes: CountersByReason,
    duration: Histogram,
    first_token: Histogram,
    tokens: [Counter; TokenKind::ALL.len()],
    skipped: [Counter; ProbeSkip::ALL.len()],
    budget_used: Gauge,
    score: Gauge,
    rank: Gauge,
    leader: Gauge,
    states: [Gauge; RouteState::ALL.len()],
}

impl ProbeMetrics {
    /// The standing is absent until [`ProbeMetrics::stands`] is called on the new handle.
    pub(super) fn new(metrics: &Metrics, region: &str, deployment: &str) -> Self {
        let labels = [("region", region), ("deployment", deployment)];
        let made = Self {
            outcomes: CountersByReason::new(metrics, names::PROBES, "outcome", &labels),
            duration: metrics.histogram(&names::PROBE_DURATION, &labels),
            first_token: metrics.histogram(&names::PROBE_TIME_TO_FIRST_TOKEN, &labels),
            tokens: TokenKind::ALL.map(|kind| {
                let labels = [labels[0], labels[1], ("kind", kind.as_str())];
                metrics.counter(&names::PROBE_TOKENS, &labels)
            }),
            skipped: ProbeSkip::ALL.map(|reason| {
                let labels = [labels[0], labels[1], ("reason", reason.as_str())];
                metrics.counter(&names::PROBES_SKIPPED, &labels)
            }),
            budget_used: metrics.gauge(&names::PROBE_BUDGET_USED, &labels),
            score: metrics.gauge(&names::ROUTE_SCORE, &labels),
            rank: metrics.gauge(&names::ROUTE_RANK, &labels),
            leader: metrics.gauge(&names::ROUTE_LEADER, &labels),
            states: RouteState::ALL.map(|state| {
                let labels = [labels[0], labels[1], ("state", state.as_str())];
                metrics.gauge(&names::ROUTE_STATE, &labels)
            }),
        };
        made.outcomes.of(OK).increment(0);
        made.retire();
        made
    }

    /// A probe succeeded in `total`. No `first_token` where there is no answer to read
    /// (reachability).
    pub fn succeeded(&self, first_token: Option<Duration>, total: Duration) {
        self.outcomes.of(OK).increment(1);
        self.duration.record(total);
        if let Some(first_token) = first_token {
            self.first_token.record(first_token);
        }
    }

    /// A probe failed after this long; `reason` is the label of the kind of fault.
    pub fn failed(&self, reason: &'static str, after: Duration) {
        self.outcomes.of(reason).increment(1);
        self.duration.record(after);
    }

    /// A probe used tokens.
    pub fn tokens(&self, kind: TokenKind, count: u32) {
        if let Some(tokens) = self.tokens.get(kind as usize) {
            tokens.increment(count.into());
        }
    }

    /// An interval went by without a probe.
    pub fn skipped(&self, reason: ProbeSkip) {
        if let Some(skipped) = self.skipped.get(reason as usize) {
            skipped.increment(1);
        }
    }

    /// Which share of the tokens that may be spent ahead is spent, from 0; `None` where there is no
    /// budget.
    pub fn budget_used(&self, share: Option<f64>) {
        self.budget_used.set(share.unwrap_or(ABSENT));
    }

    /// Where the region stands in the table just published: `rank` counts from 1, which leads.
    /// Without a score the score's series is absent, not zero: zero would be the best.
    pub fn stands(&self, rank: u32, score: Option<Duration>, state: RouteState) {
        self.rank.set(rank);
        self.leader.set(flag(rank == 1));
        self.score.set(score.map_or(ABSENT, |score| score.as_secs_f64()));
        for (gauge, its) in self.states.iter().zip(RouteState::ALL) {
            gauge.set(flag(its == state));
        }
    }

    /// The region or the deployment left the configuration: score, rank, leader, state and budget are
    /// absent from the next scrape on. Counters and histograms stay, as they must not fall; a region that
    /// comes back under its name goes on from them.
    pub fn retire(&self) {
        let standing = [&self.score, &self.rank, &self.leader, &self.budget_used];
        for gauge in standing.into_iter().chain(&self.states) {
            gauge.set(ABSENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Build;

    fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
        let text = metrics.render();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    #[test]
    fn exactly_one_state_holds_and_no_score_is_no_series() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let probe = metrics.probe("eastus", "gpt-4o");
        probe.stands(2, Some(Duration::from_millis(125)), RouteState::Fresh);
        let labels = "region=\"eastus\",deployment=\"gpt-4o\"";
        assert_eq!(
            lines(&metrics, "nearway_route_score"),
            [format!("nearway_route_score_seconds{{{labels}}} 0.125")]
        );
        probe.stands(3, None, RouteState::Down);
        assert_eq!(lines(&metrics, "nearway_route_score"), [""; 0]);
        assert_eq!(
            lines(&metrics, "nearway_route_rank"),
            [format!("nearway_route_rank{{{labels}}} 3")]
        );
        let held: Vec<_> = lines(&metrics, "nearway_route_state");
        assert_eq!(held.len(), 4);
        assert_eq!(held.iter().filter(|line| line.ends_with(" 1")).count(), 1);
        assert!(held.contains(&format!("nearway_route_state{{{labels},state=\"down\"}} 1")));
    }

    #[test]
    fn a_retired_region_leaves_no_gauge_and_may_return() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let probe = metrics.probe("eastus", "gpt-4o");
        probe.stands(1, Some(Duration::from_millis(125)), RouteState::Fresh);
        probe.succeeded(None, Duration::from_millis(90));
        probe.retire();
        assert_eq!(lines(&metrics, "nearway_route_"), [""; 0]);
        assert_eq!(lines(&metrics, "nearway_probes_total").len(), 1);

        metrics.probe("eastus", "gpt-4o").stands(1, None, RouteState::Unknown);
        assert_eq!(lines(&metrics, "nearway_route_rank").len(), 1);
    }

    #[test]
    fn a_new_handle_shows_no_standing_before_a_table_is_published() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let _probe = metrics.probe("eastus", "gpt-4o");
        assert_eq!(lines(&metrics, "nearway_route_"), [""; 0]);
    }
}
