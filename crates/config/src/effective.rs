//! What `nearway check` prints: every key with the value in force, in the order of the file.
//!
//! It can be loaded again, except that keys are masked. Texts are written as JSON strings, which
//! YAML reads as they are.

use std::fmt::Write as _;

use crate::choice::Choice;
use crate::fence::Fence;
use crate::model::{Config, Region};
use crate::units::{Bytes, Unit};

/// Stands where a key would.
const MASK: &str = "********";

/// The whole configuration as YAML, secrets masked.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut yaml = String::new();
    // writing into a string cannot fail
    let _ = write(&mut yaml, config);
    yaml
}

fn write(out: &mut String, config: &Config) -> std::fmt::Result {
    let workers = config.workers.map_or_else(|| "auto".to_owned(), |count| count.to_string());
    writeln!(out, "listen:\n  address: {}", quoted(&config.listen.address.to_string()))?;
    writeln!(out, "admin:\n  address: {}", quoted(&config.admin.address.to_string()))?;
    writeln!(out, "workers: {workers}\nregions:")?;
    for region in &config.regions {
        write_region(out, region)?;
    }
    write_fences(out, config)?;
    let probe = &config.probe;
    let deployments: Vec<_> = probe.deployments.iter().map(|name| quoted(name)).collect();
    writeln!(out, "probe:\n  deployments: [{}]", deployments.join(", "))?;
    writeln!(out, "  style: {}", probe.style.shown())?;
    writeln!(out, "  api_version: {}", quoted(&probe.api_version))?;
    writeln!(out, "  interval: {}\n  jitter: {}", probe.interval.shown(), probe.jitter.shown())?;
    writeln!(out, "  timeout: {}\n  samples: {}", probe.timeout.shown(), probe.samples)?;
    writeln!(out, "  prompt: {}\n  max_tokens: {}", quoted(&probe.prompt), probe.max_tokens)?;
    let tokens = probe.tokens_per_day.map_or_else(|| "none".to_owned(), Unit::shown);
    writeln!(out, "  tokens_per_day: {tokens}\n  reachability: {}", probe.reachability)?;
    let prices = probe.prices.iter().map(|(name, price)| {
        let (input, output) = (price.input.shown(), price.output.shown());
        format!("{}: {{input: {input}, output: {output}}}", quoted_key(name))
    });
    writeln!(out, "  prices: {{{}}}", prices.collect::<Vec<_>>().join(", "))?;
    let routing = &config.routing;
    writeln!(out, "routing:\n  strategy: {}", routing.strategy.shown())?;
    writeln!(out, "  rank_by: {}\n  window: {}", routing.rank_by.shown(), routing.window.shown())?;
    let switch = routing.switch;
    writeln!(out, "  switch:\n    percent: {}", switch.percent.shown())?;
    writeln!(out, "    at_least: {}\n    hold: {}", switch.at_least.shown(), switch.hold.shown())?;
    if let Some(path) = &routing.snapshot {
        writeln!(out, "  snapshot: {}", quoted(&path.display().to_string()))?;
    }
    let affinity = config.affinity;
    writeln!(out, "affinity:\n  mode: {}", affinity.mode.shown())?;
    writeln!(out, "  from_tokens: {}", affinity.from_tokens)?;
    writeln!(out, "  bound_per_1k_tokens: {}", affinity.bound_per_1k_tokens.shown())?;
    writeln!(out, "  bound_max: {}\n  ttl: {}", affinity.bound_max.shown(), affinity.ttl.shown())?;
    write_state(out, config)?;
    write_limits(out, config)
}

fn write_state(out: &mut String, config: &Config) -> std::fmt::Result {
    let state = &config.state;
    writeln!(out, "state:\n  entries: {}\n  ttl: {}", state.entries, state.ttl.shown())?;
    if let Some(path) = &state.file {
        writeln!(out, "  file: {}", quoted(&path.display().to_string()))?;
    }
    writeln!(out, "  unknown_for: {}", state.unknown_for.shown())?;
    if let Some(name) = &state.home {
        writeln!(out, "  home: {}", quoted(name))?;
    }
    writeln!(out, "  lists: {}", state.lists.shown())
}

fn write_region(out: &mut String, region: &Region) -> std::fmt::Result {
    let scheme = if region.url.https { "https" } else { "http" };
    let url = format!("{scheme}://{}{}", region.url.authority, region.url.prefix);
    writeln!(out, "  - name: {}\n    url: {}", quoted(&region.name), quoted(&url))?;
    if region.api_key.is_some() {
        writeln!(out, "    api_key: {}", quoted(MASK))?;
    }
    writeln!(out, "    auth_header: {}", region.auth_header.shown())?;
    if !region.deployments.is_empty() {
        let named = region.deployments.iter();
        let named: Vec<_> = named
            .map(|(name, theirs)| format!("{}: {}", quoted_key(name), quoted(theirs)))
            .collect();
        writeln!(out, "    deployments: {{{}}}", named.join(", "))?;
    }
    if let Some(zone) = &region.zone {
        writeln!(out, "    zone: {}", quoted(zone))?;
    }
    writeln!(out, "    type: {}", region.kind.shown())?;
    writeln!(out, "    tier: {}", region.tier)?;
    if let Some(path) = &region.ca_file {
        writeln!(out, "    ca_file: {}", quoted(&path.display().to_string()))?;
    }
    writeln!(out, "    http2: {}", region.http2)
}

fn write_fences(out: &mut String, config: &Config) -> std::fmt::Result {
    if let Some(clients) = &config.clients {
        writeln!(out, "clients:")?;
        let mut number = 0;
        let mut mask = || {
            // no key is written twice
            number += 1;
            quoted(&format!("{MASK}{number}"))
        };
        for client in clients {
            let keys: Vec<_> = client.keys.iter().map(|_| mask()).collect();
            writeln!(out, "  - name: {}\n    keys: [{}]", quoted(&client.name), keys.join(", "))?;
            for (key, list) in lists(&client.fence) {
                writeln!(out, "    {key}: {list}")?;
            }
            if let Some(names) = &client.deployments {
                writeln!(out, "    deployments: {}", quoted_list(names))?;
            }
        }
    }
    if config.deployments.is_empty() {
        return writeln!(out, "deployments: {{}}");
    }
    writeln!(out, "deployments:")?;
    for (name, fence) in &config.deployments {
        let lists: Vec<_> =
            lists(fence).into_iter().map(|(key, list)| format!("{key}: {list}")).collect();
        writeln!(out, "  {}: {{{}}}", quoted_key(name), lists.join(", "))?;
    }
    Ok(())
}

/// The lists of a fence that are there, by their keys.
fn lists(fence: &Fence) -> Vec<(&'static str, String)> {
    let types = |types: &Vec<_>| {
        let words: Vec<_> = types.iter().map(|kind| Choice::shown(*kind)).collect();
        format!("[{}]", words.join(", "))
    };
    let lists = [
        ("zones", fence.zones.as_deref().map(quoted_list)),
        ("regions", fence.regions.as_deref().map(quoted_list)),
        ("types", fence.types.as_ref().map(types)),
    ];
    lists.into_iter().filter_map(|(key, list)| Some((key, list?))).collect()
}

fn quoted_list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

fn write_limits(out: &mut String, config: &Config) -> std::fmt::Result {
    let failover = config.failover;
    writeln!(out, "failover:\n  attempts: {}", failover.attempts)?;
    writeln!(out, "  hold_body: {}", Bytes(failover.hold_body).shown())?;
    writeln!(out, "  backoff_min: {}", failover.backoff_min.shown())?;
    writeln!(out, "  backoff_max: {}", failover.backoff_max.shown())?;
    writeln!(out, "  retry_percent: {}", failover.retry_percent.shown())?;
    writeln!(out, "  hedge: {}", failover.hedge)?;
    writeln!(out, "  hedge_percent: {}", failover.hedge_percent.shown())?;
    writeln!(out, "  rescue: {}", failover.rescue)?;
    writeln!(out, "  hold_first_event: {}", failover.hold_first_event)?;
    writeln!(out, "  hold_total: {}", Bytes(failover.hold_total).shown())?;
    writeln!(out, "  last_resort: {}", failover.last_resort)?;
    let timeouts = &config.timeouts;
    writeln!(out, "timeouts:")?;
    for (key, wait) in [
        ("connect", timeouts.connect),
        ("tls", timeouts.tls),
        ("write", timeouts.write),
        ("head", timeouts.head),
        ("first_token", timeouts.first_token),
        ("idle", timeouts.idle),
        ("total", timeouts.total),
        ("tunnel_idle", timeouts.tunnel_idle),
        ("tunnel", timeouts.tunnel),
        ("drain", timeouts.drain),
        ("client_header", timeouts.client_header),
        ("client_body", timeouts.client_body),
        ("client_idle", timeouts.client_idle),
    ] {
        writeln!(out, "  {key}: {}", wait.shown())?;
    }
    let named = timeouts.first_token_of.iter();
    let named: Vec<_> =
        named.map(|(name, wait)| format!("{}: {}", quoted_key(name), wait.shown())).collect();
    writeln!(out, "  first_token_of: {{{}}}", named.join(", "))?;
    let limits = config.limits;
    let header = Bytes(u64::try_from(limits.header).unwrap_or(u64::MAX)).shown();
    let body = limits.body.map_or_else(|| "none".to_owned(), |body| Bytes(body).shown());
    writeln!(out, "limits:\n  connections: {}", limits.connections)?;
    writeln!(out, "  header: {header}\n  body: {body}")?;
    let read_ahead = Bytes(u64::try_from(limits.read_ahead).unwrap_or(u64::MAX));
    writeln!(out, "  read_ahead: {}", read_ahead.shown())?;
    write_breaking(out, config)?;
    writeln!(out, "log:\n  format: {}", config.log.format.shown())?;
    writeln!(out, "  requests: {}", config.log.requests)
}

fn write_breaking(out: &mut String, config: &Config) -> std::fmt::Result {
    let cooldown = config.cooldown;
    writeln!(out, "cooldown:")?;
    for (key, rest) in [
        ("default", cooldown.default),
        ("cap", cooldown.cap),
        ("unauthorized", cooldown.unauthorized),
        ("lacking", cooldown.lacking),
    ] {
        writeln!(out, "  {key}: {}", rest.shown())?;
    }
    let breaker = config.breaker;
    writeln!(out, "breaker:\n  percent: {}", breaker.percent.shown())?;
    writeln!(out, "  minimum: {}\n  in_a_row: {}", breaker.minimum, breaker.in_a_row)?;
    for (key, time) in [
        ("window", breaker.window),
        ("pause_min", breaker.pause_min),
        ("pause_max", breaker.pause_max),
        ("ramp", breaker.ramp),
    ] {
        writeln!(out, "  {key}: {}", time.shown())?;
    }
    Ok(())
}

/// A value as a double-quoted scalar. A `$` is doubled: it is no variable any more.
fn quoted(text: &str) -> String {
    quoted_key(&text.replace('$', "$$"))
}

/// A key as a double-quoted scalar; nothing is replaced in keys, so a `$` is itself.
fn quoted_key(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut yaml = String::with_capacity(json.len());
    for char in json.chars() {
        // JSON leaves these as they are; YAML folds them into lines or refuses them
        let folds = matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if folds || char.is_control() {
            // writing into a string cannot fail
            let _ = write!(yaml, "\\u{:04x}", u32::from(char));
        } else {
            yaml.push(char);
        }
    }
    yaml
}
