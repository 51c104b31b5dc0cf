//! The allow-lists of clients and deployments: what they name must be there, and must leave a way.

use std::collections::{BTreeMap, BTreeSet};

use crate::fence::{Client, Fence};
use crate::model::Region;
use crate::names::{DeploymentName, Scalar};
use crate::raw::RawFence;
use crate::source::Source;
use crate::text::Text;
use crate::tree::NodeId;

use super::{check_client_names, require_filled};

/// What fences are drawn on.
pub(super) struct Map<'a> {
    pub(super) source: &'a Source<'a>,
    regions: &'a [Region],
    /// Nothing was found wrong so far. Else a name may be missing here only because its own place is
    /// wrong, and must not cause a second problem.
    is_whole: bool,
}

impl<'a> Map<'a> {
    pub(super) fn new(regions: &'a [Region], source: &'a Source<'a>) -> Self {
        Self { source, regions, is_whole: source.report.is_empty() }
    }

    /// Whether no region has this name, and none may have had one that was misread.
    pub(super) fn surely_lacks(&self, name: &str) -> bool {
        self.is_whole && self.regions.iter().all(|region| region.name != name)
    }

    /// Deployments that a client may use.
    pub(super) fn deployments(
        &self,
        client: NodeId,
        raw: Vec<Text<DeploymentName>>,
    ) -> Vec<String> {
        let unknown = |name: &String| {
            let is_served = self.regions.iter().any(|r| r.deployment(name).is_some());
            (!is_served).then_some("no region serves it: add it to a region's deployments")
        };
        self.list(client, "deployments", raw, unknown)
    }

    /// The values of a list, of which there must be one.
    fn list<S: Scalar<Made: Clone + Ord>>(
        &self,
        parent: NodeId,
        key: &str,
        raw: Vec<Text<S>>,
        unknown: impl Fn(&S::Made) -> Option<&'static str>,
    ) -> Vec<S::Made> {
        let source = self.source;
        if let Some(node) = source.tree.entry(parent, key)
            && raw.is_empty()
            && source.report.is_fine(node)
        {
            let message = "the list is empty, which admits nothing: write what is allowed, or leave \
                           it out to allow all";
            source.report.wrong(node, message);
        }
        let mut seen = BTreeSet::new();
        let mut values = Vec::with_capacity(raw.len());
        for text in raw {
            let Some(value) = source.scalar(Some(text)) else { continue };
            if !seen.insert(value.clone()) {
                source.wrong(Some(text), "named twice: leave this one out");
            } else if let Some(message) = unknown(&value).filter(|_| self.is_whole) {
                source.wrong(Some(text), message);
            } else {
                values.push(value);
            }
        }
        values
    }
}

/// The fence that these lists, which stand in the mapping at `node`, describe.
pub(super) fn fence(node: NodeId, raw: RawFence, map: &Map<'_>) -> Fence {
    let (source, regions) = (map.source, map.regions);
    require_filled(node, &["zones", "regions", "types"], source);
    let no_zone = |zone: &String| {
        let is_known = regions.iter().any(|region| region.zone.as_ref() == Some(zone));
        (!is_known).then_some("no region is in this zone: write the zone of one, or give it to one")
    };
    let no_region = |name: &String| {
        let is_known = regions.iter().any(|region| region.name == *name);
        (!is_known).then_some("no region has this name: write that of one")
    };
    Fence {
        zones: raw.zones.map(|list| map.list(node, "zones", list, no_zone)),
        regions: raw.regions.map(|list| map.list(node, "regions", list, no_region)),
        types: raw.types.map(|list| map.list(node, "types", list, |_| None)),
    }
}

/// The fences around deployments. Each must leave a region that serves it.
pub(super) fn deployments(
    raw: BTreeMap<String, RawFence>,
    map: &Map<'_>,
) -> BTreeMap<String, Fence> {
    let source = map.source;
    let Some(node) = source.tree.entry(NodeId::ROOT, "deployments") else { return BTreeMap::new() };
    check_client_names(node, source);
    let mut fences = BTreeMap::new();
    for (name, raw) in raw {
        let Some(node) = source.tree.entry(node, &name) else { continue };
        if source.tree.children(node).is_empty() && source.report.is_fine(node) {
            source
                .report
                .wrong(node, "a fence that keeps nothing out: write zones, regions or types");
        }
        let fence = fence(node, raw, map);
        if source.report.is_empty() {
            let mut serving = map.regions.iter().filter(|r| r.deployment(&name).is_some());
            if !serving.any(|region| fence.admits(region)) {
                source
                    .report
                    .wrong(node, format!("no region that serves {name} is inside of this fence"));
            }
        }
        fences.insert(name, fence);
    }
    fences
}

/// Each client must be left a region, and one for each deployment that it lists. Looked at only when
/// nothing else is wrong.
pub(super) fn check_clients(clients: &[Client], fences: &BTreeMap<String, Fence>, map: &Map<'_>) {
    let source = map.source;
    let Some(list) = source.tree.entry(NodeId::ROOT, "clients") else { return };
    if !source.report.is_empty() {
        return;
    }
    for (node, client) in source.tree.children(list).into_iter().zip(clients) {
        let own: Vec<_> = map.regions.iter().filter(|region| client.fence.admits(region)).collect();
        if own.is_empty() {
            source.report.wrong(node, format!("client {} may use no region", client.name));
            continue;
        }
        let listed = source.tree.entry(node, "deployments").map(|node| source.tree.children(node));
        let names = client.deployments.iter().flatten();
        for (node, name) in listed.unwrap_or_default().into_iter().zip(names) {
            let fence = fences.get(name);
            let is_open = |region: &Region| {
                region.deployment(name).is_some() && fence.is_none_or(|fence| fence.admits(region))
            };
            if !own.iter().any(|region| is_open(region)) {
                let message = format!("client {} may use no region for {name}", client.name);
                source.report.wrong(node, message);
            }
        }
    }
}
