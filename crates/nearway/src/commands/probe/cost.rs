//! What the probes of a configuration cost a day, for people and for machines. Pure; asks nobody.
//!
//! An estimate: tokens by the length of the prompt and the most that is asked for, money by a short
//! list of prices that the file can correct.

use std::fmt::Write as _;

use nearway_config::{Config, Price, Strategy};
use nearway_probe::prompt_tokens;
use nearway_wire::probe_body::REASONING_MAX_TOKENS;
use serde_json::{Value, json};

/// What all probes cost.
#[derive(Debug, PartialEq)]
pub(super) struct Cost {
    deployments: Vec<DeploymentCost>,
    strategy: Strategy,
}

/// What the probes of one deployment cost in all its regions together.
#[derive(Debug, PartialEq)]
struct DeploymentCost {
    name: String,
    regions: u32,
    /// Tokens a day.
    input: f64,
    output: f64,
    /// `None`: no price is known.
    price: Option<Price>,
}

/// What the configuration asks for, where no client spares a probe.
pub(super) fn cost(config: &Config) -> Cost {
    let names = config.probe.deployments.iter();
    let deployments = names.filter_map(|name| of_deployment(config, name)).collect();
    Cost { deployments, strategy: config.routing.strategy }
}

fn of_deployment(config: &Config, name: &str) -> Option<DeploymentCost> {
    let probe = &config.probe;
    let regional: Vec<_> =
        config.regions.iter().filter_map(|region| region.deployment(name)).collect();
    let regions = u32::try_from(regional.len()).unwrap_or(u32::MAX);
    // a deployment may have any name; one of those may be the model's
    let models = || [name].into_iter().chain(regional.iter().copied());
    let prompt = f64::from(prompt_tokens(&probe.prompt));
    let answer = f64::from(models().map(|name| answer_tokens(name, probe.max_tokens)).max()?);
    let rounds = DAY_SECONDS / probe.interval.as_secs_f64();
    let probes = rounds * f64::from(probe.samples);
    let whole = (prompt + answer) * probes;
    let share = probe.tokens_per_day.map_or(1.0, |budget| (f64::from(budget) / whole).min(1.0));
    let times = probes * share * f64::from(regions);
    Some(DeploymentCost {
        name: name.to_owned(),
        regions,
        input: prompt * times,
        output: answer * times,
        price: models().find_map(|name| price(config, name)),
    })
}

/// The file's own price before the list's; of several, that of the longest name.
fn price(config: &Config, model: &str) -> Option<Price> {
    let own = config.probe.prices.iter().filter(|(name, _)| begins(model, name));
    let own = own.max_by_key(|(name, _)| name.len()).map(|(_, price)| *price);
    own.or_else(|| {
        let listed = PRICES.iter().filter(|(name, ..)| {
            begins(model, name)
                && !model.get(name.len()..).is_some_and(|rest| rest.starts_with(PRO))
        });
        let (_, input, output) = *listed.max_by_key(|(name, ..)| name.len())?;
        Some(Price { input, output })
    })
}

/// Whether a model is of this name, with a date or a place behind it or without.
fn begins(model: &str, name: &str) -> bool {
    model.strip_prefix(name).is_some_and(|rest| {
        !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '.')
    })
}

/// The most tokens of an answer; a model that thinks takes no less than so many.
fn answer_tokens(model: &str, asked: u32) -> u32 {
    if model.starts_with(EMBEDDINGS) {
        return 0;
    }
    let thinks = THINKING.iter().any(|name| model.starts_with(name));
    if thinks { asked.max(REASONING_MAX_TOKENS) } else { asked }
}

impl Cost {
    /// A line for each deployment, and all together.
    pub(super) fn text(&self) -> String {
        if self.deployments.is_empty() {
            return "no deployment is probed: no token is spent\n".to_owned();
        }
        let mut text = "tokens and dollars a day, estimated\n".to_owned();
        // writing to a string cannot fail
        for deployment in &self.deployments {
            let DeploymentCost { name, regions, input, output, .. } = deployment;
            let dollars = deployment.dollars().map_or_else(|| "price unknown".to_owned(), shown);
            let _ = writeln!(
                text,
                "  {name:<24} {regions:>3} regions {input:>10.0} in {output:>10.0} out  {dollars}"
            );
        }
        let tokens: f64 = self.deployments.iter().map(DeploymentCost::tokens).sum();
        let unknown = if self.is_complete() { "" } else { " and what has no price here" };
        let _ = writeln!(text, "together {tokens:.0} tokens, {}{unknown}", shown(self.dollars()));
        if self.strategy == Strategy::Adaptive {
            text.push_str(SPARED);
        }
        text.push_str(LISTED);
        text
    }

    /// The same as one object.
    pub(super) fn json(&self) -> Value {
        let deployments = self.deployments.iter().map(|deployment| {
            json!({
                "deployment": deployment.name,
                "regions": deployment.regions,
                "tokens_per_day": {
                    "input": deployment.input.round(),
                    "output": deployment.output.round(),
                },
                "price_per_million": deployment.price.map(|price| {
                    json!({"input": price.input, "output": price.output})
                }),
                "dollars_per_day": deployment.dollars(),
            })
        });
        let tokens: f64 = self.deployments.iter().map(DeploymentCost::tokens).sum();
        json!({
            "deployments": deployments.collect::<Vec<_>>(),
            "tokens_per_day": tokens.round(),
            "dollars_per_day": self.is_complete().then(|| self.dollars()),
            "prices_of": PRICES_OF,
        })
    }

    fn is_complete(&self) -> bool {
        self.deployments.iter().all(|deployment| deployment.price.is_some())
    }

    /// Of what has a price.
    fn dollars(&self) -> f64 {
        self.deployments.iter().filter_map(DeploymentCost::dollars).sum()
    }
}

impl DeploymentCost {
    fn tokens(&self) -> f64 {
        self.input + self.output
    }

    fn dollars(&self) -> Option<f64> {
        let Price { input, output } = self.price?;
        Some((self.input * input + self.output * output) / 1e6)
    }
}

fn shown(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.01 {
        return "less than $0.01".to_owned();
    }
    format!("${dollars:.2}")
}

const DAY_SECONDS: f64 = 86_400.0;
/// What is said of the strategy that spares probes.
const SPARED: &str =
    "clients' requests and distance from the best spare probes: this is without them\n";
/// What is said of the prices.
const LISTED: &str = "prices as of September 2026, dollars for a million tokens in a data zone; probe.prices corrects them\n";
/// When the list was made.
const PRICES_OF: &str = "2026-09";
/// Dollars for a million tokens, in and out (API fact sheet 8.3).
const PRICES: [(&str, f64, f64); 9] = [
    ("gpt-4.1-nano", 0.11, 0.44),
    ("gpt-4.1-mini", 0.44, 1.76),
    ("gpt-4.1", 2.20, 8.80),
    ("gpt-5-nano", 0.055, 0.44),
    ("gpt-5-mini", 0.275, 2.20),
    ("gpt-5", 1.375, 11.0),
    ("gpt-5.4-mini", 0.825, 4.95),
    ("gpt-5.5", 5.50, 33.0),
    ("text-embedding-3-small", 0.022, 0.0),
];
/// What makes another, far dearer model of a listed one.
const PRO: &str = "-pro";
/// How the names of models begin that think before they answer (API fact sheet 8.1).
const THINKING: [&str; 4] = ["o1", "o3", "o4", "gpt-5"];
/// How the names of models begin that answer without tokens.
const EMBEDDINGS: &str = "text-embedding";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, region};

    /// In three regions.
    fn of(lines: &str) -> Cost {
        let mut config = config(lines);
        config.regions = ["a", "b", "c"].map(region).into();
        cost(&config)
    }

    fn dollars(lines: &str) -> f64 {
        of(lines).dollars()
    }

    #[test]
    fn it_is_what_the_fact_sheet_reckons() {
        for (model, interval, strategy, expected) in [
            ("gpt-4.1", "30s", "adaptive", 0.23),
            ("gpt-4.1-mini", "10s", "adaptive", 0.14),
            ("gpt-5", "60s", "adaptive", 0.81),
            ("gpt-5.5", "10s", "adaptive", 14.83),
            // three probes of ten tokens
            ("gpt-4.1", "30s", "average", (8.0 * 2.2 + 10.0 * 8.8) * 25_920.0 / 1e6),
        ] {
            let lines = format!(
                "probe: {{deployments: [{model}], interval: {interval}}}\n\
                 routing: {{strategy: {strategy}}}"
            );
            let found = dollars(&lines);
            assert!((found - expected).abs() < 0.01 * expected.max(1.0), "{model}: {found}");
        }
    }

    #[test]
    fn a_name_with_a_date_or_a_place_is_that_model_and_another_model_is_not() {
        let config = config("probe: {prices: {gpt-4o: {input: 2.5, output: 10}}}");
        let input = |name| price(&config, name).map(|price| price.input);
        assert_eq!(input("gpt-4.1-2025-04-14"), Some(2.20));
        assert_eq!(input("gpt-4.1-mini-eastus"), Some(0.44));
        assert_eq!(input("gpt-4o"), Some(2.5));
        for unknown in ["gpt-4", "gpt-4.15", "gpt-5.4", "gpt-5-pro", "gpt-4ox", "chat"] {
            assert_eq!(input(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_region_may_know_the_model_by_its_name() {
        let mut config = config("probe: {deployments: [chat]}");
        config.regions[0].deployments = [("chat".to_owned(), "gpt-4.1-eu".to_owned())].into();
        let cost = cost(&config);
        assert_eq!(cost.deployments[0].regions, 1);
        assert!(cost.dollars() > 0.0);
    }

    #[test]
    fn what_has_no_price_shows_its_tokens_alone() {
        let cost = of("probe: {deployments: [gpt-4.1, mine], samples: 1, max_tokens: 10}");
        let text = cost.text();
        assert!(text.contains("mine"), "{text}");
        assert!(text.contains("price unknown"), "{text}");
        assert!(text.contains("and what has no price here"), "{text}");
        let json = cost.json();
        assert_eq!(json["deployments"][1]["tokens_per_day"]["input"], 69_120.0);
        assert_eq!(json["deployments"][1]["dollars_per_day"], Value::Null);
        assert_eq!(json["dollars_per_day"], Value::Null, "a part is no sum");
        assert_eq!(json["tokens_per_day"], 2.0 * (69_120.0 + 86_400.0));
    }

    #[test]
    fn a_budget_bounds_it_for_each_region() {
        let lines = "probe: {deployments: [gpt-4.1], tokens_per_day: 9000}\n\
                     routing: {strategy: adaptive}";
        assert_eq!(of(lines).json()["tokens_per_day"], 27_000.0);
    }

    #[test]
    fn without_deployments_nothing_is_spent() {
        let cost = of("probe: {deployments: []}");
        assert!(cost.text().starts_with("no deployment is probed"));
        assert_eq!(cost.json()["tokens_per_day"], 0.0);
    }
}
