//! The list of regions: each with what it must have, all with names of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::defaults;
use crate::model::{Region, RegionUrl};
use crate::names::DeploymentName;
use crate::raw::RawRegion;
use crate::source::Source;
use crate::text::Text;
use crate::tree::{NodeId, Value};

use super::{check_client_names, first_time, require, require_filled, stands_in};

/// The regions that can be told from the file.
pub(super) fn regions(raw: Option<Vec<RawRegion>>, source: &Source<'_>) -> Vec<Region> {
    let list = source.tree.entry(NodeId::ROOT, "regions");
    match (&raw, list) {
        // no mapping at all, which is reported
        _ if !source.report.is_fine(NodeId::ROOT) => {}
        (None, None) if stands_in(NodeId::ROOT, "regions", source) => {}
        (None, _) | (Some(_), None) => {
            let message = "list at least one region, each with a name and a url";
            source.report.missing(NodeId::ROOT, "regions", message);
        }
        (Some(regions), Some(node)) if regions.is_empty() && source.report.is_fine(node) => {
            let message = "the list is empty: write at least one region with a name and a url";
            source.report.wrong(node, message);
        }
        (Some(_), Some(_)) => {}
    }
    let nodes = list.map(|node| source.tree.children(node)).unwrap_or_default();
    let mut names = BTreeSet::new();
    nodes
        .into_iter()
        .zip(raw.unwrap_or_default())
        .map(|(node, raw)| region(node, raw, source, &mut names))
        .collect()
}

fn region(
    node: NodeId,
    raw: RawRegion,
    source: &Source<'_>,
    names: &mut BTreeSet<String>,
) -> Region {
    if source.report.is_fine(node) {
        require(node, "name", "give the region a name, such as eastus", source);
        let message =
            "write where the region is, such as https://eastus.api.cognitive.microsoft.com";
        require(node, "url", message, source);
        require_filled_key(node, source);
        require_filled(node, &["zone", "type"], source);
    }
    let name = source.scalar(raw.name);
    if let (Some(name), Some(node)) = (&name, raw.name.and_then(|text| text.node))
        && !first_time(names, name)
    {
        source.report.wrong(node, "another region has this name: write one of its own");
    }
    let url = source.scalar(raw.url).unwrap_or_else(nowhere);
    let certificates = source.certificates(raw.ca_file);
    if let Some(node) = raw.ca_file.and_then(|text| text.node)
        && source.report.is_fine(node)
        && !url.https
        && !url.host.is_empty()
    {
        source.report.wrong(node, "the url is not https: leave ca_file out, or write https");
    }
    let http2 = source.switched(raw.http2, defaults::HTTP2);
    if http2 && !url.https && !url.host.is_empty() {
        source.wrong(raw.http2, "the url is not https: leave http2 out, or write https");
    }
    let (ca_file, ca_pem) = certificates.unzip();
    Region {
        name: name.unwrap_or_default(),
        url,
        api_key: source.secret(raw.api_key),
        auth_header: source.word(raw.auth_header, defaults::AUTH_HEADER),
        deployments: deployments(node, raw.deployments, source),
        zone: source.scalar(raw.zone),
        kind: source.word(raw.kind, defaults::DEPLOYMENT_TYPE),
        tier: source.quantity(raw.tier, &defaults::TIER),
        ca_file,
        ca_pem,
        http2,
    }
}

/// Reports an `api_key` with nothing behind it, such as `#KEY` or what a template left empty: taken
/// for left out, it would send the clients' own credentials to this region.
fn require_filled_key(region: NodeId, source: &Source<'_>) {
    let Some(entry) = source.tree.entry(region, "api_key") else { return };
    if matches!(source.tree.value(entry), Value::Null) {
        let message = "nothing is written here: write the key, ${NAME} or file:/path, or leave \
                       api_key out to pass the client's own";
        source.report.wrong(entry, message);
    }
}

fn deployments(
    region: NodeId,
    raw: Option<BTreeMap<String, Text<DeploymentName>>>,
    source: &Source<'_>,
) -> BTreeMap<String, String> {
    let Some(raw) = raw else { return BTreeMap::new() };
    if let Some(node) = source.tree.entry(region, "deployments") {
        if raw.is_empty() && source.report.is_fine(node) {
            let message = "empty: write client's name: region's name, or leave deployments out";
            source.report.wrong(node, message);
        }
        check_client_names(node, source);
    }
    // a wrong name is reported; the client's own stands in for it, so that the region still serves it
    let named = |(client, text): (String, Text<DeploymentName>)| {
        let name = source.scalar(Some(text)).unwrap_or_else(|| client.clone());
        (client, name)
    };
    raw.into_iter().map(named).collect()
}

/// Stands in for a URL that is missing or wrong, which is reported.
fn nowhere() -> RegionUrl {
    RegionUrl {
        https: true,
        host: String::new(),
        port: 443,
        prefix: String::new(),
        authority: String::new(),
    }
}
