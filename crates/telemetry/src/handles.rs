//! Typed handles, one struct for each owner: what a crate holds and touches on the request path.
//!
//! They are made at start and at reload by the constructors on [`Metrics`]. Making a handle a
//! second time with the same names gives another one to the same series, so workers share counts.
//! Using one costs atomic additions only: no lookup by name and no allocation.

mod breaker;
mod client;
mod failover;
mod fitness;
mod in_flight;
mod pool;
mod probe;
mod proxy;
mod rank;
mod replay;
mod route;
mod state;

pub use breaker::BreakerMetrics;
pub use client::ClientMetrics;
pub use failover::FailoverMetrics;
pub use fitness::FitnessMetrics;
pub use in_flight::InFlight;
pub use pool::PoolMetrics;
pub use probe::ProbeMetrics;
pub use proxy::ProxyMetrics;
pub use rank::RankMetrics;
pub use replay::ReplayMetrics;
pub use route::RouteMetrics;
pub use state::StateMetrics;

use crate::registry::Metrics;

impl Metrics {
    /// Requests of one (region, deployment). Give configured names only,
    /// [`OTHER`](crate::OTHER) or [`NO_REGION`](crate::NO_REGION) for anything else.
    #[must_use]
    pub fn route(&self, region: &str, deployment: &str) -> RouteMetrics {
        RouteMetrics::new(self, region, deployment)
    }

    /// Requests of one client. Give configured names only, [`NO_CLIENT`](crate::NO_CLIENT) for those
    /// that no client sent.
    #[must_use]
    pub fn client(&self, client: &str) -> ClientMetrics {
        ClientMetrics::new(self, client)
    }

    /// Failovers from one configured region to another one.
    #[must_use]
    pub fn failovers(&self, from: &str, to: &str) -> FailoverMetrics {
        FailoverMetrics::new(self, from, to)
    }

    /// Changes of one circuit breaker: that of a (region, deployment), that of a region itself under
    /// [`ALL_DEPLOYMENTS`](crate::ALL_DEPLOYMENTS).
    #[must_use]
    pub fn breaker(&self, region: &str, deployment: &str) -> BreakerMetrics {
        BreakerMetrics::new(self, region, deployment)
    }

    /// How fit one (region, deployment) is. Absent until it is first told, also where an earlier
    /// handle had set it: one holder at a time.
    #[must_use]
    pub fn fitness(&self, region: &str, deployment: &str) -> FitnessMetrics {
        FitnessMetrics::new(self, region, deployment)
    }

    /// The client side: connections, refusals, Nearway's own time.
    #[must_use]
    pub fn proxy(&self) -> ProxyMetrics {
        ProxyMetrics::new(self)
    }

    /// What is kept of request bodies.
    #[must_use]
    pub fn replay(&self) -> ReplayMetrics {
        ReplayMetrics::new(self)
    }

    /// What is remembered of objects that live in one region.
    #[must_use]
    pub fn state(&self) -> StateMetrics {
        StateMetrics::new(self)
    }

    /// Connections to one region.
    #[must_use]
    pub fn pool(&self, region: &str) -> PoolMetrics {
        PoolMetrics::new(self, region)
    }

    /// Probes and standing of one (region, deployment). The standing's gauges are absent until a
    /// table is published, also where an earlier handle had set them: one holder at a time.
    #[must_use]
    pub fn probe(&self, region: &str, deployment: &str) -> ProbeMetrics {
        ProbeMetrics::new(self, region, deployment)
    }

    /// Leader changes, the table and the configuration.
    #[must_use]
    pub fn rank(&self) -> RankMetrics {
        RankMetrics::new(self)
    }
}

/// A gauge's value for what holds or does not.
fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}
