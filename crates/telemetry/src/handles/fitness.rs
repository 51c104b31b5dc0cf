//! How fit one (region, deployment) is for the next request. The control thread holds one for each,
//! as these numbers move with time alone.

use std::time::Duration;

use metrics::Gauge;

use super::flag;
use crate::exposition::ABSENT;
use crate::labels::{RouteBreaker, RouteCondition};
use crate::names;
use crate::registry::Metrics;

/// The breaker, the cool-down and the condition of one (region, deployment).
#[derive(Debug)]
pub struct FitnessMetrics {
    breaker: [Gauge; RouteBreaker::ALL.len()],
    cooldown: Gauge,
    condition: [Gauge; RouteCondition::ALL.len()],
}

impl FitnessMetrics {
    /// All absent until [`FitnessMetrics::is`] is called on the new handle.
    pub(super) fn new(metrics: &Metrics, region: &str, deployment: &str) -> Self {
        let labels = [("region", region), ("deployment", deployment)];
        let made = Self {
            breaker: RouteBreaker::ALL.map(|state| {
                let labels = [labels[0], labels[1], ("state", state.as_str())];
                metrics.gauge(&names::BREAKER_STATE, &labels)
            }),
            cooldown: metrics.gauge(&names::COOLDOWN, &labels),
            condition: RouteCondition::ALL.map(|condition| {
                let labels = [labels[0], labels[1], ("condition", condition.as_str())];
                metrics.gauge(&names::REGION_CONDITION, &labels)
            }),
        };
        made.retire();
        made
    }

    /// How it is now; `cooled` is what is left of the cool-down, if there is one.
    pub fn is(&self, condition: RouteCondition, breaker: RouteBreaker, cooled: Option<Duration>) {
        for (gauge, its) in self.condition.iter().zip(RouteCondition::ALL) {
            gauge.set(flag(its == condition));
        }
        for (gauge, its) in self.breaker.iter().zip(RouteBreaker::ALL) {
            gauge.set(flag(its == breaker));
        }
        self.cooldown.set(cooled.unwrap_or_default().as_secs_f64());
    }

    /// The region or the deployment left the configuration: absent from the next scrape on.
    pub fn retire(&self) {
        for gauge in self.breaker.iter().chain(&self.condition).chain([&self.cooldown]) {
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
    fn one_state_and_one_condition_hold_until_it_is_retired() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let fitness = metrics.fitness("eastus", "gpt-4o");
        assert_eq!(lines(&metrics, "nearway_region_condition"), [""; 0]);
        let cooled = Some(Duration::from_millis(2500));
        fitness.is(RouteCondition::Good, RouteBreaker::Closed, None);
        fitness.is(RouteCondition::Open, RouteBreaker::HalfOpen, cooled);
        let labels = "region=\"eastus\",deployment=\"gpt-4o\"";
        for (name, label) in
            [("breaker_state", "state=\"half_open\""), ("region_condition", "condition=\"open\"")]
        {
            let held = lines(&metrics, &format!("nearway_{name}"));
            let holding: Vec<_> = held.iter().filter(|line| line.ends_with(" 1")).collect();
            assert_eq!(holding, [&format!("nearway_{name}{{{labels},{label}}} 1")]);
        }
        let left = format!("nearway_cooldown_seconds{{{labels}}} 2.5");
        assert_eq!(lines(&metrics, "nearway_cooldown"), [left]);

        fitness.retire();
        for name in ["nearway_breaker_state", "nearway_region_condition", "nearway_cooldown"] {
            assert_eq!(lines(&metrics, name), [""; 0]);
        }
    }
}
