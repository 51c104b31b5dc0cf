//! Leader changes, the table's version, and reloads. Held by the control thread, not by workers: it may
//! look a series up by name.

use metrics::{Counter, Gauge};

use crate::labels::ReloadResult;
use crate::names;
use crate::registry::Metrics;

/// Leader changes per deployment, the table's version, the configuration's generation, reloads.
#[derive(Clone, Debug)]
pub struct RankMetrics {
    metrics: Metrics,
    table_version: Gauge,
    config_generation: Gauge,
    reloads: [Counter; ReloadResult::ALL.len()],
    last_reload_applied: Gauge,
}

impl RankMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let made = Self {
            table_version: metrics.gauge(&names::TABLE_VERSION, &[]),
            config_generation: metrics.gauge(&names::CONFIG_GENERATION, &[]),
            reloads: ReloadResult::ALL.map(|result| {
                metrics.counter(&names::CONFIG_RELOADS, &[("result", result.as_str())])
            }),
            last_reload_applied: metrics.gauge(&names::CONFIG_LAST_RELOAD_APPLIED, &[]),
            metrics: metrics.clone(),
        };
        made.last_reload_applied.set(1.0);
        made
    }

    /// Makes the series of a measured deployment exist at zero.
    pub fn declare(&self, deployment: &str) {
        self.leader_changes(deployment).increment(0);
    }

    /// Another region than before leads for a deployment. The first leader after start is no
    /// change and is not reported here.
    pub fn leader_changed(&self, deployment: &str) {
        self.leader_changes(deployment).increment(1);
    }

    /// A table was published.
    pub fn published(&self, version: u64) {
        self.table_version.set(number(version));
    }

    /// A configuration is in force.
    pub fn in_force(&self, generation: u64) {
        self.config_generation.set(number(generation));
    }

    /// A changed file was read.
    pub fn reloaded(&self, result: ReloadResult) {
        if let Some(reloads) = self.reloads.get(result as usize) {
            reloads.increment(1);
        }
        self.last_reload_applied.set(if result == ReloadResult::Applied { 1.0 } else { 0.0 });
    }

    fn leader_changes(&self, deployment: &str) -> Counter {
        self.metrics.counter(&names::LEADER_CHANGES, &[("deployment", deployment)])
    }
}

/// A gauge holds a float: exact up to 2^53, which no version reaches.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Build;

    #[test]
    fn changes_count_from_a_declared_zero() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let rank = metrics.rank();
        rank.declare("gpt-4o");
        let series = "nearway_leader_changes_total{deployment=\"gpt-4o\"}";
        assert!(metrics.render().contains(&format!("{series} 0\n")));
        rank.leader_changed("gpt-4o");
        rank.declare("gpt-4o");
        assert!(metrics.render().contains(&format!("{series} 1\n")));
    }

    #[test]
    fn a_rejected_reload_shows_until_one_is_applied() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let rank = metrics.rank();
        rank.in_force(7);
        rank.reloaded(ReloadResult::Rejected);
        let text = metrics.render();
        for line in [
            "nearway_config_generation 7\n",
            "nearway_config_reloads_total{result=\"applied\"} 0\n",
            "nearway_config_reloads_total{result=\"rejected\"} 1\n",
            "nearway_config_last_reload_applied 0\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        rank.reloaded(ReloadResult::Applied);
        assert!(metrics.render().contains("nearway_config_last_reload_applied 1\n"));
    }
}
