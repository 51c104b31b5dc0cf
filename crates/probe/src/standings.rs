//! Shows each published table in metrics, and each new leader in the log.
//!
//! Holds the metric handles of every (region, deployment) and lets go of those that a reload
//! removed. The loop in `run.rs` owns it; it decides nothing.

use std::collections::HashMap;
use std::sync::Arc;

use nearway_route::{Outcome, Published, Ranking, State, Table};
use nearway_telemetry::{
    LeaderChange, Metrics, ProbeMetrics, ProbeSkip, RankMetrics, RouteState, TokenKind,
    leader_change,
};

use crate::attempt::Finding;

/// The metrics of all (region, deployment)s.
pub(crate) struct Standings {
    metrics: Metrics,
    rank: RankMetrics,
    // by the labels, so that a region that comes back under its name goes on from its series
    handles: HashMap<Labels, ProbeMetrics>,
}

/// The region's name and the deployment's label.
type Labels = (Arc<str>, Arc<str>);

impl Standings {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { rank: metrics.rank(), metrics, handles: HashMap::new() }
    }

    /// Counts a probe that ended.
    pub(crate) fn count(&mut self, region: &Arc<str>, deployment: &str, finding: &Finding) {
        let handle = self.handle(region, deployment);
        match finding.outcome {
            Outcome::Answer { first_token, total, .. } => handle.succeeded(first_token, total),
            Outcome::Reachable { head } => handle.succeeded(None, head),
            Outcome::Failure { reason, after, .. } => handle.failed(reason, after),
            // a probe is waited for
            Outcome::GivenUp { .. } => {}
        }
        if let Some(usage) = finding.usage {
            handle.tokens(TokenKind::Prompt, usage.prompt);
            handle.tokens(TokenKind::Completion, usage.completion);
        }
    }

    /// Shows what a budget has left, and an interval that went by without a probe.
    pub(crate) fn spared(
        &mut self,
        region: &Arc<str>,
        deployment: &str,
        budget_used: Option<f64>,
        skipped: Option<ProbeSkip>,
    ) {
        let handle = self.handle(region, deployment);
        handle.budget_used(budget_used);
        if let Some(reason) = skipped {
            handle.skipped(reason);
        }
    }

    /// Shows a table that was just published.
    pub(crate) fn show(&mut self, published: &Published) {
        let table = &*published.table;
        self.rank.published(table.version);
        let only_one = table.rankings().count() == 1;
        for change in &published.changes {
            if change.from.is_some() {
                self.rank.leader_changed(change.label());
            }
            // beside others the fallback only repeats what they said
            if only_one || !change.deployment.is_empty() {
                leader_change(&LeaderChange {
                    deployment: if only_one { ANY } else { change.label() },
                    from: change.from.as_deref(),
                    to: &change.to,
                    verdict: &change.verdict.to_string(),
                });
            }
        }
        for ranking in table.rankings() {
            self.show_ranking(ranking);
        }
    }

    /// A configuration is in force, and this is its first table: what is in no ranking any more
    /// leaves the metrics.
    pub(crate) fn settle(&mut self, table: &Table) {
        self.rank.in_force(table.generation);
        for ranking in table.rankings() {
            self.rank.declare(ranking.label());
        }
        self.handles.retain(|(region, deployment), handle| {
            let mut rankings = table.rankings();
            let kept = rankings.any(|ranking| {
                ranking.label() == &**deployment
                    && ranking.order.iter().any(|entry| entry.name == *region)
            });
            if !kept {
                handle.retire();
            }
            kept
        });
    }

    fn show_ranking(&mut self, ranking: &Ranking) {
        for (entry, place) in ranking.order.iter().zip(1..) {
            let handle = self.handle(&entry.name, ranking.label());
            handle.stands(place, entry.score, route_state(entry.state));
        }
    }

    fn handle(&mut self, region: &Arc<str>, deployment: &str) -> &ProbeMetrics {
        let labels = (region.clone(), Arc::from(deployment));
        let metrics = &self.metrics;
        self.handles.entry(labels).or_insert_with(|| metrics.probe(region, deployment))
    }
}

fn route_state(state: State) -> RouteState {
    match state {
        State::Fresh => RouteState::Fresh,
        State::Stale => RouteState::Stale,
        State::Unknown => RouteState::Unknown,
        State::Down => RouteState::Down,
    }
}

/// How the log calls the deployment where none is probed.
const ANY: &str = "any deployment";
