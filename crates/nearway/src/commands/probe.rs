//! `nearway probe`: one round of probes now, and which region is nearest.
//!
//! The same probes and the same ranking as `serve`, without its history: each round stands for
//! itself. Serves nothing. With `--cost`, what the probes of `serve` cost, and no round.

mod cost;
mod report;

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use nearway_probe::{RegionRound, Settings, one_round};
use nearway_route::{Moment, Outcome, Ranker, RoutingSettings, Strategy, Table};
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::{Clock, PoolSettings, Pools};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::assemble::Assembly;
use crate::cli::Probe;
use crate::output;
use crate::signals::Stop;
use crate::tasks::Tasks;

pub(super) fn run(Probe { file, json, watch, cost, samples }: Probe) -> anyhow::Result<()> {
    let (mut config, _, _) = super::read(file)?;
    if cost {
        let cost = cost::cost(&config);
        if json {
            output::line(&cost.json().to_string())?;
        } else {
            output::print(&cost.text())?;
        }
        return Ok(());
    }
    if let Some(samples) = samples {
        config.probe.samples = samples;
    }
    let settings = Assembly::new(1).make(&config)?.probe;
    super::block_on(async move {
        let tasks = Tasks::default();
        let metrics = Metrics::new(Build { version: env!("CARGO_PKG_VERSION"), commit: None })?;
        let pools = Rc::new(Pools::new(PoolSettings::default(), metrics, tasks.tracker().clone()));
        let clock = Clock::start();
        let round = async || -> anyhow::Result<bool> {
            let rounds = one_round(&pools, settings.clone(), clock).await;
            let table = rank(&settings, &rounds, Moment::from(clock.now()));
            show(&table, &rounds, json)?;
            Ok(all_failed(&rounds))
        };
        if !watch {
            return if round().await? { bail!("no region answered") } else { Ok(()) };
        }
        let again_and_again = async {
            loop {
                let next = Instant::now() + settings.interval;
                round().await?;
                sleep_until(next).await;
                if !json {
                    output::line("")?;
                }
            }
        };
        let mut stop = Stop::install().context("signals cannot be handled")?;
        tokio::select! {
            // only a failure ends it
            failed = again_and_again => failed,
            () = stop.told() => Ok(()),
        }
    })
}

/// The ranking of this round, by its averages, and of nothing before it.
fn rank(settings: &Settings, rounds: &[RegionRound], now: Moment) -> Arc<Table> {
    let specs = settings.targets.iter().map(|target| target.spec.clone()).collect();
    let mut ranker = Ranker::new(
        as_measured(settings.routing),
        settings.generation,
        specs,
        settings.deployments.clone(),
    );
    for round in rounds {
        for sample in &round.samples {
            ranker.observe(round.region, round.deployment.as_deref(), *sample);
        }
    }
    ranker.rank(now).table
}

fn show(table: &Table, rounds: &[RegionRound], as_json: bool) -> std::io::Result<()> {
    let prompt: u32 = rounds.iter().map(|round| round.usage.prompt).sum();
    let completion: u32 = rounds.iter().map(|round| round.usage.completion).sum();
    if as_json {
        let mut round = report::json(table);
        if let Some(fields) = round.as_object_mut() {
            fields.insert("tokens".into(), json!({"prompt": prompt, "completion": completion}));
        }
        return output::line(&round.to_string());
    }
    let mut text = report::text(table);
    for (round, fault) in rounds.iter().filter_map(|round| Some((round, round.fault.as_ref()?))) {
        let deployment = round.deployment.as_deref().unwrap_or("reachability");
        let _ = writeln!(text, "{}, {deployment}: {fault}", round.name);
    }
    let _ = writeln!(text, "tokens: {prompt} in, {completion} out");
    output::print(&text)
}

fn all_failed(rounds: &[RegionRound]) -> bool {
    let mut samples = rounds.iter().flat_map(|round| &round.samples);
    samples.all(|sample| matches!(sample.outcome, Outcome::Failure { .. }))
}

/// One round is shown as it was measured, whatever a running process would make of it.
fn as_measured(routing: RoutingSettings) -> RoutingSettings {
    RoutingSettings { strategy: Strategy::Average, ..routing }
}
