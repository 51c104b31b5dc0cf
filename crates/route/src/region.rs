//! What the ranking must know about a configured region: who it is and what it serves.
//!
//! The binary makes these from the configuration at start and at each reload. No URL and no
//! credential: those belong to the crates that talk to the region.

use std::{collections::BTreeSet, sync::Arc};

/// Names a region for the life of the process.
///
/// The binary assigns it and never reuses one; a region that a reload leaves unchanged keeps its
/// id, and with it its samples and [`Vitals`](crate::Vitals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u32);

/// One configured region, in the order in which the configuration lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSpec {
    /// Unique among the regions given together.
    pub id: RegionId,
    /// As configured; becomes a metric label and a response header.
    pub name: Arc<str>,
    /// Those of a lower one come first while they are up.
    pub tier: u32,
    /// Carried into the table for the caller's fences; the order does not depend on it.
    pub zone: Option<Arc<str>>,
    /// A ranking holds only the regions that serve its deployment.
    pub deployments: DeploymentSet,
}

/// The deployments, by the names that clients write, that a region serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeploymentSet {
    /// No map restricts the region.
    #[default]
    All,
    /// These and no others.
    Only(BTreeSet<Arc<str>>),
}

impl DeploymentSet {
    /// Whether the region serves the deployment that clients call `deployment`.
    pub fn serves(&self, deployment: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(deployment),
        }
    }
}
