//! `nearway demo`: simulated regions, the proxy in front of them, a little traffic, and a live view.
//!
//! Everything in one process and on the loopback address; the proxy is the one that `serve` runs.

mod story;
mod traffic;
mod view;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use nearway_config::Config;
use nearway_sim::SimRegion;
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::Clock;
use tokio::sync::oneshot;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

use self::view::Tally;
use super::sim::Running;
use crate::cli::Demo;
use crate::control::{Hooks, Serving, run as serve};
use crate::listen::Listeners;
use crate::output;
use crate::signals::Stop;

pub(super) fn run(&Demo { port, seconds }: &Demo) -> anyhow::Result<()> {
    super::block_on(async move {
        let mut stop = Stop::install().context("signals cannot be handled")?;
        let clock = Clock::start();
        let regions = Running::start(story::world(), 0, false).await?;
        let config = config(port, regions.regions())?;
        let listeners =
            Listeners::bind(config.listen.address, config.admin.address, super::workers(&config))
                .context("choose another port with --port")?;
        let shutdown = CancellationToken::new();
        let (serving, served) = oneshot::channel();
        let hooks = Hooks { reload: None, serving: Some(serving) };
        let mut proxy = Box::pin(serve(config, listeners, hooks, shutdown.clone()));
        tokio::select! {
            ended = &mut proxy => return Ok(ended?),
            shown = show(served, clock) => shown?,
            () = stop.told() => {}
            () = after(seconds.map(|seconds| Duration::from_secs(seconds.get().into()))) => {}
        }
        shutdown.cancel();
        proxy.await?;
        regions.stop().await;
        Ok(())
    })
}

/// The configuration that a person would write for these regions, with a faster pace: the world
/// changes every few seconds.
fn config(port: u16, regions: &[SimRegion]) -> anyhow::Result<Config> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let admin_port = if port == 0 { 0 } else { port.checked_add(1).unwrap_or(0) };
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, admin_port));
    let mut text = format!(
        "listen: {{address: '{listen}'}}\n\
         admin: {{address: '{admin}'}}\n\
         workers: 2\n\
         probe: {{deployments: [{deployment}], interval: 1s, timeout: 2s, samples: 1}}\n\
         routing: {{window: 5s, switch: {{percent: 15, at_least: 10ms, hold: 3s}}}}\n\
         timeouts: {{drain: 1s}}\n\
         regions:\n",
        deployment = story::DEPLOYMENT,
    );
    for region in regions {
        // names, URLs and keys of the demo are plain
        let _ = writeln!(
            text,
            "  - {{name: {}, url: '{}', api_key: '{}'}}",
            region.name, region.url, region.key
        );
    }
    let config = nearway_config::load(text.as_bytes(), &NoEnv, &NoFiles)?;
    Ok(config)
}

/// Prints where it serves, then what happens, until dropped.
async fn show(served: oneshot::Receiver<Serving>, clock: Clock) -> anyhow::Result<()> {
    let Ok(Serving { listen, admin, table, .. }) = served.await else {
        // the proxy failed to start and says so itself
        return std::future::pending().await;
    };
    let head = head(listen, admin);
    output::print(&head)?;
    let metrics = Metrics::new(Build { version: env!("CARGO_PKG_VERSION"), commit: None })?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let redraws = output::is_terminal();
    let shown = async {
        let mut last = String::new();
        let mut every = interval(REDRAW);
        loop {
            every.tick().await;
            let (table, told) = (table.load(), story::told(clock.now()));
            let ranking = table.ranking(Some(story::DEPLOYMENT));
            if redraws {
                let screen = view::screen(ranking, &tally.borrow(), told);
                output::print(&format!("{CLEAR}{head}{screen}"))?;
            } else {
                let line = view::line(ranking, told);
                if line != last {
                    output::line(&line)?;
                    last = line;
                }
            }
        }
    };
    tokio::select! {
        ended = shown => ended,
        ended = traffic::send(listen, metrics, tally.clone()) => ended,
    }
}

fn head(listen: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "Nearway demo: three simulated regions, no keys, no network. Ctrl-C ends it.\n\n\
         \x20 AzureOpenAI   azure_endpoint=\"http://{listen}\"   api_key: any\n\
         \x20 OpenAI        base_url=\"http://{listen}/openai/v1\"   api_key: any\n\
         \x20 Status        http://{admin}/\n\n"
    )
}

/// Returns when so much time is over; never without a limit.
async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Its configuration names no variable.
struct NoEnv;

impl nearway_config::Env for NoEnv {
    fn get(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Nor a file.
struct NoFiles;

impl nearway_config::Secrets for NoFiles {
    fn read(&self, _path: &std::path::Path) -> Result<String, String> {
        Err("the demo reads no files".into())
    }
}

const REDRAW: Duration = Duration::from_millis(500);
/// Cursor to the top left, and everything below it gone: ANSI, no library needed.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[cfg(test)]
mod tests {
    use super::*;

    fn regions() -> Vec<SimRegion> {
        let region = |region: nearway_sim::RegionWorld| SimRegion {
            url: "http://127.0.0.1:40001".into(),
            name: region.name,
            key: region.key,
        };
        story::world().regions.into_iter().map(region).collect()
    }

    #[test]
    fn the_configuration_loads_whatever_the_port() {
        for (port, admin) in [(8080, 8081), (0, 0), (65_535, 0)] {
            let config = config(port, &regions()).unwrap();
            assert_eq!((config.listen.address.port(), config.admin.address.port()), (port, admin));
            assert_eq!(config.regions.len(), 3);
            assert_eq!(config.probe.deployments, [story::DEPLOYMENT]);
        }
    }
}
