//! Settings, regions and samples for the tests, and readers for what comes out.

use std::{sync::Arc, time::Duration};

use nearway_route::{
    Asked, DeploymentSet, Moment, Outcome, Published, RankBy, Ranker, Ranking, RegionId,
    RegionSpec, RoutingSettings, Sample, Source, Strategy, Switch,
};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The moment this many seconds after the epoch.
pub(crate) const fn at(seconds: u64) -> Moment {
    Moment::from_nanos(seconds * 1_000_000_000)
}

pub(crate) const SETTINGS: RoutingSettings = RoutingSettings {
    strategy: Strategy::Average,
    rank_by: RankBy::FirstToken,
    window: ms(300_000),
    switch: Switch { percent: 20.0, at_least: ms(10), hold: ms(30_000) },
    probe_interval: ms(30_000),
    probe_timeout: ms(10_000),
    stale_after: ms(90_000),
};

/// Region `id`, named `r<id>`, which serves everything.
pub(crate) fn region(id: u32) -> RegionSpec {
    RegionSpec {
        id: RegionId(id),
        name: format!("r{id}").into(),
        tier: 0,
        zone: None,
        deployments: DeploymentSet::All,
    }
}

/// Region `id`, which serves only these.
pub(crate) fn region_with(id: u32, deployments: &[&str]) -> RegionSpec {
    RegionSpec {
        deployments: DeploymentSet::Only(names(deployments).into_iter().collect()),
        ..region(id)
    }
}

pub(crate) fn names(deployments: &[&str]) -> Vec<Arc<str>> {
    deployments.iter().copied().map(Arc::from).collect()
}

pub(crate) fn ranker(regions: &[u32], deployments: &[&str]) -> Ranker {
    let regions = regions.iter().copied().map(region).collect();
    Ranker::new(SETTINGS, 1, regions, names(deployments))
}

/// A probe that was answered at `seconds`.
pub(crate) const fn answer(seconds: u64, first_token: u64) -> Sample {
    let outcome =
        Outcome::Answer { first_token: Some(ms(first_token)), total: ms(1_000), tokens: 5 };
    Sample { at: at(seconds), source: Source::Probe, asked: Asked::probe(0), outcome }
}

/// A probe that failed at `seconds`.
pub(crate) const fn failure(seconds: u64) -> Sample {
    let outcome = Outcome::Failure { reason: "timeout", after: ms(10_000), retry_after: None };
    Sample { at: at(seconds), source: Source::Probe, asked: Asked::probe(0), outcome }
}

/// The same, seen by a client's request.
pub(crate) const fn live(sample: Sample) -> Sample {
    Sample { source: Source::Live, ..sample }
}

/// Ids of the regions of a ranking, best first.
pub(crate) fn ids(ranking: &Ranking) -> Vec<u32> {
    ranking.order.iter().map(|entry| entry.region.0).collect()
}

/// Ids for this deployment, best first.
pub(crate) fn order(published: &Published, deployment: &str) -> Vec<u32> {
    ids(published.table.ranking(Some(deployment)))
}
