//! The list of clients: each with a name and keys that no other one has, and with its fence.

use std::collections::{BTreeSet, HashSet};

use nearway_wire::client_key::KeyDigest;

use crate::fence::Client;
use crate::model::Region;
use crate::raw::{RawClient, RawFence};
use crate::source::{ClientKey, Source};
use crate::text::Text;
use crate::tree::NodeId;

use super::fences::{Map, fence};
use super::{first_time, require, require_filled};

/// The clients that can be told from the file.
pub(super) fn clients(raw: Vec<RawClient>, map: &Map<'_>) -> Vec<Client> {
    let source = map.source;
    let Some(list) = source.tree.entry(NodeId::ROOT, "clients") else { return Vec::new() };
    if raw.is_empty() && source.report.is_fine(list) {
        let message = "the list is empty: write at least one client with a name and keys, or leave \
                       clients out to let everybody in";
        source.report.wrong(list, message);
    }
    let (mut names, mut keys) = (BTreeSet::new(), HashSet::new());
    let nodes = source.tree.children(list).into_iter();
    nodes.zip(raw).map(|(node, raw)| client(node, raw, map, &mut names, &mut keys)).collect()
}

/// With clients of its own, Nearway sends nobody's credential on: without a key a region refuses all.
pub(super) fn require_region_keys(regions: &[Region], source: &Source<'_>) {
    let nodes = source.tree.entry(NodeId::ROOT, "regions").map(|list| source.tree.children(list));
    for (node, region) in nodes.unwrap_or_default().into_iter().zip(regions) {
        if region.api_key.is_none() && source.tree.entry(node, "api_key").is_none() {
            let message = "clients have keys of their own, which go to no region: write the \
                           region's key, ${NAME} or file:/path";
            source.report.missing(node, "api_key", message);
        }
    }
}

fn client(
    node: NodeId,
    raw: RawClient,
    map: &Map<'_>,
    names: &mut BTreeSet<String>,
    keys: &mut HashSet<KeyDigest>,
) -> Client {
    let source = map.source;
    if source.report.is_fine(node) {
        require(node, "name", "give the client a name, such as web", source);
        let message = "list at least one key: ${NAME}, file:/path or sha256: and its digest";
        require(node, "keys", message, source);
    }
    let name = source.scalar(raw.name);
    if let Some(name) = &name {
        if name == NOBODY {
            source.wrong(raw.name, "metrics call those without a key so: write another name");
        } else if !first_time(names, name) {
            source.wrong(raw.name, "another client has this name: write one of its own");
        }
    }
    require_filled(node, &["deployments"], source);
    let deployments = raw.deployments.map(|list| map.deployments(node, list));
    Client {
        name: name.unwrap_or_default(),
        keys: client_keys(node, raw.keys.unwrap_or_default(), source, keys),
        fence: fence(
            node,
            RawFence { zones: raw.zones, regions: raw.regions, types: raw.types },
            map,
        ),
        deployments,
    }
}

fn client_keys(
    client: NodeId,
    raw: Vec<Text<ClientKey>>,
    source: &Source<'_>,
    seen: &mut HashSet<KeyDigest>,
) -> Vec<KeyDigest> {
    if let Some(node) = source.tree.entry(client, "keys")
        && raw.is_empty()
        && source.report.is_fine(node)
    {
        source.report.wrong(node, "the list is empty: write at least one key");
    }
    let mut keys = Vec::with_capacity(raw.len());
    for text in raw {
        let Some(key) = source.client_key(text) else { continue };
        if seen.insert(key) {
            keys.push(key);
        } else {
            source.wrong(Some(text), "this key was written before: write another one");
        }
    }
    keys
}

/// The `client` label of requests that carry no known key.
const NOBODY: &str = "none";
