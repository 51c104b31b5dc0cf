//! How fit each region is, looked at every second: gauges, and the breakers that time moves.
//!
//! A breaker opens and lets its traffic return while a request is settled; the proxy counts and logs
//! those two. It becomes half-open and closed by time alone, when nobody is there to see it. Those
//! two are counted here, as often as a look finds the breaker in another state than the look before;
//! a state that comes and goes between two looks is not counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nearway_route::{BreakerState, Condition, Entry, Lack, Live, Moment, Table, Vitals};
use nearway_telemetry::{
    ALL_DEPLOYMENTS, BreakerMetrics, FitnessMetrics, Metrics, RouteBreaker, RouteCondition,
    breaker_closed,
};
use nearway_upstream::Clock;
use tokio::time::{MissedTickBehavior, interval};

/// Shows how fit each region is, every second; an endless chore of the control thread.
pub(crate) async fn watch(table: Arc<Live<Table>>, metrics: Metrics, clock: Clock) {
    let mut fitness = Fitness::new(metrics);
    let mut every = interval(LOOK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        fitness.look(&table.load(), Moment::from(clock.now()));
    }
}

/// The metrics of what the newest table names.
struct Fitness {
    metrics: Metrics,
    // by region and deployment, empty for the fallback
    routes: HashMap<(Arc<str>, Arc<str>), Route>,
    // by region
    regions: HashMap<Arc<str>, Watched>,
}

struct Route {
    shown: FitnessMetrics,
    breaker: Watched,
}

/// A breaker as the last look found it.
struct Watched {
    vitals: Arc<Vitals>,
    state: BreakerState,
    counted: BreakerMetrics,
}

impl Fitness {
    fn new(metrics: Metrics) -> Self {
        Self { metrics, routes: HashMap::new(), regions: HashMap::new() }
    }

    /// Shows what this table names, and lets go of what it does not.
    fn look(&mut self, table: &Table, now: Moment) {
        for ranking in table.rankings() {
            for entry in &ranking.order {
                self.look_at_route(entry, &ranking.deployment, ranking.label(), now);
                self.look_at_region(entry, now);
            }
        }
        self.routes.retain(|(region, deployment), route| {
            let kept = table.rankings().any(|ranking| {
                ranking.deployment == *deployment
                    && ranking.order.iter().any(|entry| entry.name == *region)
            });
            if !kept {
                route.shown.retire();
            }
            kept
        });
        self.regions.retain(|region, _| {
            let mut entries = table.rankings().flat_map(|ranking| &ranking.order);
            entries.any(|entry| entry.name == *region)
        });
    }

    fn look_at_route(&mut self, entry: &Entry, deployment: &Arc<str>, label: &str, now: Moment) {
        let metrics = &self.metrics;
        let route =
            self.routes.entry((entry.name.clone(), deployment.clone())).or_insert_with(|| Route {
                shown: metrics.fitness(&entry.name, label),
                breaker: Watched::new(&entry.vitals, metrics.breaker(&entry.name, label)),
            });
        if route.breaker.has_closed(&entry.vitals, now) {
            breaker_closed(&entry.name, Some(label));
        }
        route.shown.is(
            // an operation that is lacking says nothing of the others
            route_condition(entry.condition(Lack::DEPLOYMENT, now)),
            route_breaker(entry.breaker_state(now)),
            entry.cooled_for(now),
        );
    }

    fn look_at_region(&mut self, entry: &Entry, now: Moment) {
        let metrics = &self.metrics;
        let breaker = self.regions.entry(entry.name.clone()).or_insert_with(|| {
            Watched::new(&entry.region_vitals, metrics.breaker(&entry.name, ALL_DEPLOYMENTS))
        });
        if breaker.has_closed(&entry.region_vitals, now) {
            breaker_closed(&entry.name, None);
        }
    }
}

impl Watched {
    fn new(vitals: &Arc<Vitals>, counted: BreakerMetrics) -> Self {
        Self { vitals: vitals.clone(), state: BreakerState::Closed, counted }
    }

    /// Looks again; whether the breaker has closed since the last look.
    fn has_closed(&mut self, vitals: &Arc<Vitals>, now: Moment) -> bool {
        if !Arc::ptr_eq(vitals, &self.vitals) {
            // another region of the same name: what the former one had to recover from is over
            self.vitals = vitals.clone();
            self.state = BreakerState::Closed;
        }
        let state = vitals.breaker().state(now);
        let former = std::mem::replace(&mut self.state, state);
        match state {
            _ if state == former => false,
            BreakerState::Open | BreakerState::Returning => false,
            BreakerState::HalfOpen | BreakerState::Closed => {
                self.counted.went(route_breaker(state));
                state == BreakerState::Closed
            }
        }
    }
}

fn route_breaker(state: BreakerState) -> RouteBreaker {
    match state {
        BreakerState::Closed => RouteBreaker::Closed,
        BreakerState::Returning => RouteBreaker::Returning,
        BreakerState::HalfOpen => RouteBreaker::HalfOpen,
        BreakerState::Open => RouteBreaker::Open,
    }
}

fn route_condition(condition: Condition) -> RouteCondition {
    match condition {
        Condition::Good => RouteCondition::Good,
        Condition::NearlySpent => RouteCondition::NearlySpent,
        Condition::Recovering => RouteCondition::Recovering,
        Condition::Silent => RouteCondition::Silent,
        Condition::Cooled => RouteCondition::Cooled,
        Condition::Down => RouteCondition::Down,
        Condition::Open => RouteCondition::Open,
        Condition::Unauthorized => RouteCondition::Unauthorized,
        Condition::Lacking => RouteCondition::Lacking,
    }
}

/// As often as a table is made without news; deadlines are seconds long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use nearway_route::{
        Backoff, BreakerSettings, DeploymentSet, Failure, RankBy, Ranker, RegionId, RegionSpec,
        RoutingSettings, Strategy, Switch,
    };
    use nearway_telemetry::Build;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BREAKER: BreakerSettings = BreakerSettings {
        ratio: 0.5,
        minimum: 10,
        in_a_row: 2,
        window: Duration::from_secs(10),
        pause: Backoff { least: Duration::from_secs(5), most: Duration::from_secs(60) },
        ramp: Duration::from_secs(10),
    };

    fn at(seconds: u32) -> Moment {
        Moment::ZERO + SECOND * seconds
    }

    fn routing() -> RoutingSettings {
        RoutingSettings {
            strategy: Strategy::Average,
            rank_by: RankBy::FirstToken,
            window: SECOND * 300,
            switch: Switch { percent: 15.0, at_least: Duration::ZERO, hold: Duration::ZERO },
            probe_interval: SECOND * 30,
            probe_timeout: SECOND * 10,
            stale_after: SECOND * 90,
        }
    }

    fn spec(id: u32, name: &str) -> RegionSpec {
        let (name, deployments) = (name.into(), DeploymentSet::All);
        RegionSpec { id: RegionId(id), name, tier: 0, zone: None, deployments }
    }

    fn fail(vitals: &Vitals) {
        let now = Moment::ZERO;
        assert!(vitals.breaker().failed(Failure::Unreachable, now, now, &BREAKER));
    }

    /// A region that is looked at.
    struct Scene {
        ranker: Ranker,
        table: Arc<Table>,
        metrics: Metrics,
        fitness: Fitness,
    }

    impl Scene {
        fn new() -> Self {
            let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
            let specs = vec![spec(1, "eastus")];
            let mut ranker = Ranker::new(routing(), 1, specs, vec!["gpt-4o".into()]);
            let table = ranker.rank(Moment::ZERO).table;
            Self { ranker, table, fitness: Fitness::new(metrics.clone()), metrics }
        }

        /// Another configuration that names this region alone.
        fn reload(&mut self, id: u32, name: &str) {
            let deployments = vec!["gpt-4o".into()];
            self.ranker.reconfigure(routing(), 2, vec![spec(id, name)], deployments);
            self.table = self.ranker.rank(Moment::ZERO).table;
        }

        fn entry(&self) -> &Entry {
            self.table.ranking(Some("gpt-4o")).leader().unwrap()
        }

        fn look(&mut self, seconds: u32) -> String {
            self.fitness.look(&self.table, at(seconds));
            self.metrics.render()
        }
    }

    fn holds(text: &str, name: &str, deployment: &str, label: &str) -> bool {
        let labels = format!("region=\"eastus\",deployment=\"{deployment}\"");
        text.contains(&format!("nearway_{name}{{{labels},{label}}} 1\n"))
    }

    #[test]
    fn what_time_does_to_a_breaker_is_counted_once() {
        let mut scene = Scene::new();
        scene.look(0);
        let vitals = scene.entry().vitals.clone();
        fail(&vitals);
        let text = scene.look(1);
        assert!(holds(&text, "breaker_state", "gpt-4o", "state=\"open\""), "{text}");
        assert!(holds(&text, "region_condition", "gpt-4o", "condition=\"open\""), "{text}");
        assert!(holds(&text, "region_condition", "other", "condition=\"good\""), "{text}");
        scene.look(5);
        scene.look(6);
        assert!(vitals.breaker().answered(at(6), at(7), &BREAKER));
        scene.look(7);
        scene.look(17);
        let text = scene.look(18);
        for (to, times) in [("half_open", 1), ("closed", 1), ("open", 0), ("returning", 0)] {
            let line = format!("deployment=\"gpt-4o\",to=\"{to}\"}} {times}\n");
            assert!(text.contains(&line), "{line} {text}");
        }
        assert!(holds(&text, "breaker_state", "gpt-4o", "state=\"closed\""), "{text}");
    }

    #[test]
    fn a_breaker_of_the_region_shows_everywhere_and_counts_once() {
        let mut scene = Scene::new();
        let vitals = scene.entry().region_vitals.clone();
        fail(&vitals);
        let text = scene.look(1);
        for deployment in ["gpt-4o", "other"] {
            assert!(holds(&text, "breaker_state", deployment, "state=\"open\""), "{text}");
        }
        let text = scene.look(6);
        assert!(text.contains("deployment=\"all\",to=\"half_open\"} 1\n"), "{text}");
        assert_eq!(text.matches("to=\"half_open\"} 1\n").count(), 1, "{text}");
    }

    #[test]
    fn a_cool_down_runs_out() {
        let mut scene = Scene::new();
        scene.entry().vitals.cool_until(at(12));
        let left = |text: &str| {
            let name = "nearway_cooldown_seconds{region=\"eastus\",deployment=\"gpt-4o\"} ";
            text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
        };
        assert_eq!(left(&scene.look(2)).as_deref(), Some("10"));
        assert_eq!(left(&scene.look(12)).as_deref(), Some("0"));
    }

    #[test]
    fn one_lacking_operation_is_no_lacking_deployment() {
        let mut scene = Scene::new();
        scene.entry().vitals.lack_until(Lack::operation(3), at(60));
        let text = scene.look(1);
        assert!(holds(&text, "region_condition", "gpt-4o", "condition=\"good\""), "{text}");
        scene.entry().vitals.lack_until(Lack::DEPLOYMENT, at(60));
        let text = scene.look(1);
        assert!(holds(&text, "region_condition", "gpt-4o", "condition=\"lacking\""), "{text}");
    }

    #[test]
    fn a_region_that_is_removed_leaves_and_one_of_its_name_starts_anew() {
        let mut scene = Scene::new();
        let vitals = scene.entry().vitals.clone();
        fail(&vitals);
        scene.look(1);
        scene.reload(2, "eastus");
        let text = scene.look(2);
        assert!(text.contains("deployment=\"gpt-4o\",to=\"closed\"} 0\n"), "{text}");
        assert!(holds(&text, "breaker_state", "gpt-4o", "state=\"closed\""), "{text}");

        scene.reload(3, "westus");
        let text = scene.look(3);
        for name in ["breaker_state", "cooldown_seconds", "region_condition"] {
            assert!(!text.contains(&format!("nearway_{name}{{region=\"eastus\"")), "{text}");
            assert!(text.contains(&format!("nearway_{name}{{region=\"westus\"")), "{text}");
        }
    }
}
