//! `nearway sim`: simulated regions until told to end, and where they are.
//!
//! For tests and for trying things; `serve` never reaches this code.

mod regions;
mod running;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use nearway_sim::World;
use serde_json::{Value, json};

pub(super) use self::running::Running;
use crate::cli::Sim;
use crate::output;
use crate::signals::Stop;
use crate::source::read_text;

pub(super) fn run(arguments: &Sim) -> anyhow::Result<()> {
    let world = match &arguments.config {
        Some(file) => script(file)?,
        None => regions::world(arguments.regions),
    };
    super::block_on(async move {
        let mut stop = Stop::install().context("signals cannot be handled")?;
        let deployments = deployments(&world);
        let running = Running::start(world, arguments.port, arguments.tls).await?;
        if arguments.json {
            output::line(&as_json(&running, &deployments).to_string())?;
        } else {
            output::print(&as_text(&running, &deployments))?;
        }
        stop.told().await;
        running.stop().await;
        Ok(())
    })
}

fn script(file: &Path) -> anyhow::Result<World> {
    let text = read_text(file).with_context(|| format!("--config {}", file.display()))?;
    World::from_yaml(&text).with_context(|| file.display().to_string())
}

/// The names that each region serves.
fn deployments(world: &World) -> Vec<Vec<String>> {
    let of = |region: &nearway_sim::RegionWorld| {
        region.deployments.iter().map(|deployment| deployment.name.clone()).collect()
    };
    world.regions.iter().map(of).collect()
}

fn as_json(running: &Running, deployments: &[Vec<String>]) -> Value {
    let regions: Vec<_> = running
        .regions()
        .iter()
        .zip(deployments)
        .map(|(region, deployments)| {
            json!({
                "name": region.name,
                "url": region.url,
                "key": region.key,
                "deployments": deployments,
            })
        })
        .collect();
    let mut all = json!({"regions": regions, "control": running.control});
    if let (Some(pem), Some(fields)) = (&running.ca_pem, all.as_object_mut()) {
        fields.insert("ca_pem".into(), json!(pem));
    }
    all
}

fn as_text(running: &Running, deployments: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (region, deployments) in running.regions().iter().zip(deployments) {
        // writing to a string cannot fail
        let _ = writeln!(text, "{:<20} {}  key {}", region.name, region.url, region.key);
        let _ = writeln!(text, "{:<20} {}", "", deployments.join(", "));
    }
    let control = &running.control;
    let _ = writeln!(
        text,
        "\n{control}/world shows the world, and a region of it can be changed:\n  \
         curl -X PATCH {control}/regions/NAME -d '{{\"base_ms\": 500}}'"
    );
    if let Some(pem) = &running.ca_pem {
        let _ = writeln!(text, "\nClients must trust this authority (`ca_file`):\n{pem}");
    }
    text
}
