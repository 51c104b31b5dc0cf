//! How regions are measured.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::defaults;
use crate::model::{Price, Probe, Region, Strategy};
use crate::names::DeploymentName;
use crate::raw::{RawPrice, RawProbe};
use crate::source::Source;
use crate::text::Text;
use crate::tree::NodeId;
use crate::units::Bounded;

use super::require;
use super::{check_client_names, first_time};

/// How regions are measured. Where the file does not say, the strategy decides how much is asked.
pub(super) fn probe(
    raw: RawProbe,
    source: &Source<'_>,
    regions: &[Region],
    strategy: Strategy,
) -> Probe {
    let deployments = deployments(raw.deployments.unwrap_or_default(), source, regions);
    let samples = Bounded { default: defaults::samples(strategy), ..defaults::SAMPLES };
    let max_tokens = Bounded { default: defaults::max_tokens(strategy), ..defaults::MAX_TOKENS };
    let tokens_per_day = source.open(raw.tokens_per_day, &defaults::TOKENS_PER_DAY);
    if tokens_per_day.is_some() && strategy != Strategy::Adaptive {
        let message =
            "only `routing.strategy: adaptive` has a budget: write that, or leave this out";
        source.wrong(raw.tokens_per_day, message);
    }
    Probe {
        deployments,
        style: source.word(raw.style, defaults::PROBE_STYLE),
        api_version: source
            .scalar(raw.api_version)
            .unwrap_or_else(|| defaults::API_VERSION.to_owned()),
        interval: source.quantity(raw.interval, &defaults::INTERVAL),
        jitter: source.quantity(raw.jitter, &defaults::JITTER),
        timeout: source.quantity(raw.timeout, &defaults::PROBE_TIMEOUT),
        samples: source.quantity(raw.samples, &samples),
        prompt: source.scalar(raw.prompt).unwrap_or_else(|| defaults::PROMPT.to_owned()),
        max_tokens: source.quantity(raw.max_tokens, &max_tokens),
        tokens_per_day,
        reachability: source.switched(raw.reachability, defaults::REACHABILITY),
        prices: prices(raw.prices.unwrap_or_default(), source),
    }
}

/// Those that are probed: each once, and served by a region.
fn deployments(
    raw: Vec<Text<DeploymentName>>,
    source: &Source<'_>,
    regions: &[Region],
) -> Vec<String> {
    let any_is_served = regions.is_empty() || regions.iter().any(|r| r.deployments.is_empty());
    let served: HashSet<&String> = regions.iter().flat_map(|r| r.deployments.keys()).collect();
    let mut deployments: Vec<String> = Vec::new();
    let mut names = BTreeSet::new();
    for text in raw {
        let Some(name) = source.scalar(Some(text)) else { continue };
        if !first_time(&mut names, &name) {
            source.wrong(Some(text), "named twice: leave this one out");
        } else if !any_is_served && !served.contains(&name) {
            let message = "no region serves it: add it to a region's deployments, or leave it out";
            source.wrong(Some(text), message);
        } else {
            deployments.push(name);
        }
    }
    deployments
}

fn prices(raw: BTreeMap<String, RawPrice>, source: &Source<'_>) -> BTreeMap<String, Price> {
    let probe = source.tree.entry(NodeId::ROOT, "probe");
    let prices = probe.and_then(|node| source.tree.entry(node, "prices"));
    if let Some(node) = prices {
        check_client_names(node, source);
        for price in source.tree.children(node).into_iter().filter(|at| source.report.is_fine(*at))
        {
            for key in ["input", "output"] {
                require(price, key, "write dollars for a million tokens, such as 2.5", source);
            }
        }
    }
    let price = |raw: RawPrice| Price {
        input: source.quantity(raw.input, &defaults::PRICE),
        output: source.quantity(raw.output, &defaults::PRICE),
    };
    raw.into_iter().map(|(name, raw)| (name, price(raw))).collect()
}
