//! Who may go where: clients, their keys, and the fences around clients and deployments.
//!
//! Fences are allow-lists that are asked before anything is ranked, and every rule about them is here.
//! The binary asks once for each configuration; on the request path only the answers are left.

use nearway_wire::client_key::KeyDigest;

use crate::model::{Config, Region};

/// Somebody who may use the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Unique; the same characters as a region's name.
    pub name: String,
    /// At least one, no other client's.
    pub keys: Vec<KeyDigest>,
    /// Where its requests may go.
    pub fence: Fence,
    /// The deployments that it may use, by the names that clients write, at least one. `None`: all.
    pub deployments: Option<Vec<String>>,
}

/// Where requests may go: to regions that stand in each list. A list that is left out admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fence {
    /// Of these zones, at least one.
    pub zones: Option<Vec<String>>,
    /// Of these names, at least one.
    pub regions: Option<Vec<String>>,
    /// Of these types, at least one.
    pub types: Option<Vec<DeploymentType>>,
}

/// A list of a [`Fence`], by the key that it has in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `zones`
    Zones,
    /// `regions`
    Regions,
    /// `types`
    Types,
}

/// Where the deployments of a region process what they are asked, and how their capacity is bought (API
/// fact sheet section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeploymentType {
    /// In the region, paid by token.
    Standard,
    /// Anywhere in the data zone, paid by token.
    DataZone,
    /// Anywhere, paid by token.
    Global,
    /// In the region, on capacity of its own.
    Provisioned,
    /// Anywhere in the data zone, on capacity of its own.
    DataZoneProvisioned,
    /// Anywhere, on capacity of its own.
    GlobalProvisioned,
}

impl DeploymentType {
    /// Whether it processes outside of the zone that its region is in.
    #[must_use]
    pub fn is_global(self) -> bool {
        matches!(self, Self::Global | Self::GlobalProvisioned)
    }

    /// Whether its capacity is bought rather than shared.
    #[must_use]
    pub fn is_provisioned(self) -> bool {
        matches!(self, Self::Provisioned | Self::DataZoneProvisioned | Self::GlobalProvisioned)
    }
}

impl Fence {
    /// Whether requests may go to this region.
    #[must_use]
    pub fn admits(&self, region: &Region) -> bool {
        self.keeps_out(region).is_none()
    }

    /// The first list that keeps requests out of this region; `None`: they may go there.
    ///
    /// What is held to zones stays out of global deployments, which process anywhere, unless `types`
    /// names them (API fact sheet section 9.2).
    #[must_use]
    pub fn keeps_out(&self, region: &Region) -> Option<Rule> {
        let is_anywhere = self.types.is_none() && region.kind.is_global();
        let in_zone = |zones: &Vec<String>| {
            !is_anywhere && region.zone.as_ref().is_some_and(|zone| zones.contains(zone))
        };
        let lists = [
            (self.zones.as_ref().is_none_or(in_zone), Rule::Zones),
            (self.regions.as_ref().is_none_or(|names| names.contains(&region.name)), Rule::Regions),
            (self.types.as_ref().is_none_or(|types| types.contains(&region.kind)), Rule::Types),
        ];
        lists.into_iter().find(|(admits, _)| !admits).map(|(_, rule)| rule)
    }
}

impl Client {
    /// Whether it may use the deployment that clients call so.
    #[must_use]
    pub fn may_use(&self, deployment: &str) -> bool {
        let names = |list: &Vec<String>| list.iter().any(|name| name == deployment);
        self.deployments.as_ref().is_none_or(names)
    }
}

impl Config {
    /// Whether any request for this deployment may go to this region.
    #[must_use]
    pub fn admits(&self, deployment: &str, region: &Region) -> bool {
        let by_client = |client: &Client| client.may_use(deployment) && client.fence.admits(region);
        self.deployments.get(deployment).is_none_or(|fence| fence.admits(region))
            && self.clients.as_ref().is_none_or(|clients| clients.iter().any(by_client))
    }
}
