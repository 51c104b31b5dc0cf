//! What requests did in one (region, deployment). The proxy holds one for each that it may choose.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::InFlight;
use crate::labels::RequestOutcome;
use crate::names;
use crate::registry::Metrics;

/// Requests of one (region, deployment): by outcome, their times, and those in flight.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    requests: [Counter; RequestOutcome::ALL.len()],
    duration: Histogram,
    first_token: Histogram,
    in_flight: Gauge,
}

impl RouteMetrics {
    pub(super) fn new(metrics: &Metrics, region: &str, deployment: &str) -> Self {
        let labels = [("region", region), ("deployment", deployment)];
        Self {
            requests: RequestOutcome::ALL.map(|outcome| {
                let labels = [labels[0], labels[1], ("outcome", outcome.as_str())];
                metrics.counter(&names::REQUESTS, &labels)
            }),
            duration: metrics.histogram(&names::REQUEST_DURATION, &labels),
            first_token: metrics.histogram(&names::TIME_TO_FIRST_TOKEN, &labels),
            in_flight: metrics.gauge(&names::REQUESTS_IN_FLIGHT, &labels),
        }
    }

    /// Counts a request as in flight until the guard is dropped. The guard outlives this handle
    /// where the region is removed meanwhile, so the gauge always comes back to zero.
    pub fn enter(&self) -> InFlight {
        InFlight::begin(&self.in_flight)
    }

    /// A request ended, `total` after its head was read.
    pub fn ended(&self, outcome: RequestOutcome, total: Duration) {
        if let Some(requests) = self.requests.get(outcome as usize) {
            requests.increment(1);
        }
        self.duration.record(total);
    }

    /// The first content token of a stream came, `after` sending the request.
    pub fn first_token(&self, after: Duration) {
        self.first_token.record(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Build;

    #[test]
    fn in_flight_returns_to_zero_after_the_handle_is_gone() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let route = metrics.route("eastus", "gpt-4o");
        let (one, two) = (route.enter(), metrics.route("eastus", "gpt-4o").enter());
        let series = "nearway_requests_in_flight{region=\"eastus\",deployment=\"gpt-4o\"}";
        assert!(metrics.render().contains(&format!("{series} 2\n")));
        drop((route, one, two));
        assert!(metrics.render().contains(&format!("{series} 0\n")));
    }

    #[test]
    fn each_outcome_counts_in_its_own_series() {
        let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
        let route = metrics.route("eastus", "gpt-4o");
        for (times, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| route.ended(outcome, Duration::from_millis(700)));
        }
        let text = metrics.render();
        for (times, outcome) in RequestOutcome::ALL.into_iter().enumerate() {
            let series = format!(
                "nearway_requests_total{{region=\"eastus\",deployment=\"gpt-4o\",outcome=\"{}\"}} {times}\n",
                outcome.as_str()
            );
            assert!(text.contains(&series), "{series}\n{text}");
        }
        assert!(text.contains("deployment=\"gpt-4o\",le=\"0.5\"} 0\n"), "{text}");
        let all: usize = (0..RequestOutcome::ALL.len()).sum();
        let within_a_second = format!("deployment=\"gpt-4o\",le=\"1\"}} {all}\n");
        assert!(text.contains(&within_a_second), "{text}");
    }
}
