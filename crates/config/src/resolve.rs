//! From the file as written to the [`Config`]: defaults, and what only several keys together can
//! get wrong. Never fails: problems go into the report, and a value stands in for each, so that one
//! run finds them all. Whoever calls it looks at the report before it believes the result.

mod clients;
mod fences;
mod probe;
mod regions;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::defaults;
use crate::model::{
    Admin, Affinity, Breaker, Config, Cooldown, Failover, Limits, Listen, Log, Routing, Strategy,
    Switch, Timeouts,
};
use crate::names::{DeploymentName, Scalar as _};
use crate::raw::{
    RawAdmin, RawAffinity, RawBreaker, RawConfig, RawCooldown, RawFailover, RawLimits, RawListen,
    RawLog, RawRouting, RawTimeouts,
};
use crate::reader::is_slip_for;
use crate::source::Source;
use crate::text::Text;
use crate::tree::{NodeId, Value};

/// The configuration that the file asks for.
pub(crate) fn resolve(raw: RawConfig, source: &Source<'_>) -> Config {
    require_filled(NodeId::ROOT, &["clients", "deployments"], source);
    let regions = regions::regions(raw.regions, source);
    let map = fences::Map::new(&regions, source);
    let clients = raw.clients.map(|clients| clients::clients(clients, &map));
    let deployments = fences::deployments(raw.deployments.unwrap_or_default(), &map);
    let raw_probe = raw.probe.unwrap_or_default();
    let raw_interval = raw_probe.interval;
    let raw_routing = raw.routing.unwrap_or_default();
    let strategy = source.word(raw_routing.strategy, defaults::STRATEGY);
    let probe = probe::probe(raw_probe, source, &regions, strategy);
    if let Some(clients) = &clients {
        clients::require_region_keys(&regions, source);
        fences::check_clients(clients, &deployments, &map);
    }
    let (listen, admin) =
        listeners(&raw.listen.unwrap_or_default(), &raw.admin.unwrap_or_default(), source);
    let routing = routing(raw_routing, source, strategy, (raw_interval, probe.interval));
    let state =
        state::state(&raw.state.unwrap_or_default(), routing.snapshot.as_deref(), source, &map);
    Config {
        listen,
        admin,
        workers: source
            .open(raw.workers, &defaults::WORKERS)
            .and_then(|workers| usize::try_from(workers).ok()),
        routing,
        regions,
        clients,
        deployments,
        probe,
        affinity: affinity(&raw.affinity.unwrap_or_default(), source),
        state,
        failover: failover(&raw.failover.unwrap_or_default(), source),
        timeouts: timeouts(raw.timeouts.unwrap_or_default(), source),
        limits: limits(&raw.limits.unwrap_or_default(), source),
        cooldown: cooldown(&raw.cooldown.unwrap_or_default(), source),
        breaker: breaker(&raw.breaker.unwrap_or_default(), source),
        log: log(&raw.log.unwrap_or_default(), source),
    }
}

/// The two listeners, which never share a port unless the system chooses both.
fn listeners(raw: &RawListen, raw_admin: &RawAdmin, source: &Source<'_>) -> (Listen, Admin) {
    let clients = source.scalar(raw.address).unwrap_or(defaults::LISTEN);
    let operators = source.scalar(raw_admin.address).unwrap_or(defaults::ADMIN);
    if collide(clients, operators)
        && source.is_fine(raw.address)
        && source.is_fine(raw_admin.address)
    {
        let admin_is_written = raw_admin.address.is_some();
        if admin_is_written {
            let message = "clients connect there (listen.address): write another port";
            source.wrong(raw_admin.address, message);
        } else {
            let message = "operators connect there (admin.address): write another port";
            source.wrong(raw.address, message);
        }
    }
    (Listen { address: clients }, Admin { address: operators })
}

/// Whether one address takes in the other, so that the second listener could not be opened.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    // `[::]` takes IPv4 connections too
    let takes = |all: SocketAddr, part: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || part.is_ipv4())
    };
    let same_ip = one.ip() == other.ip() || takes(one, other) || takes(other, one);
    same_ip && one.port() == other.port() && one.port() != 0
}

fn routing(
    raw: RawRouting,
    source: &Source<'_>,
    strategy: Strategy,
    (raw_interval, interval): (Option<Text<Duration>>, Duration),
) -> Routing {
    let switch = raw.switch.unwrap_or_default();
    let window = match raw.window {
        Some(_) => source.quantity(raw.window, &defaults::WINDOW),
        None => defaults::window(interval),
    };
    if window < interval && source.is_fine(raw.window) && source.is_fine(raw_interval) {
        let message = "shorter than probe.interval: no sample would count for a part of the time";
        source.wrong(raw.window, message);
    }
    Routing {
        strategy,
        rank_by: source.word(raw.rank_by, defaults::RANK_BY),
        window,
        switch: Switch {
            percent: source.quantity(switch.percent, &defaults::SWITCH_PERCENT),
            at_least: source.quantity(switch.at_least, &defaults::SWITCH_AT_LEAST),
            hold: source.quantity(switch.hold, &defaults::SWITCH_HOLD),
        },
        snapshot: source.scalar(raw.snapshot),
    }
}

fn affinity(raw: &RawAffinity, source: &Source<'_>) -> Affinity {
    Affinity {
        mode: source.word(raw.mode, defaults::AFFINITY),
        from_tokens: source.quantity(raw.from_tokens, &defaults::AFFINITY_FROM),
        bound_per_1k_tokens: source.quantity(raw.bound_per_1k_tokens, &defaults::AFFINITY_BOUND),
        bound_max: source.quantity(raw.bound_max, &defaults::AFFINITY_BOUND_MAX),
        ttl: source.quantity(raw.ttl, &defaults::AFFINITY_TTL),
    }
}

fn failover(raw: &RawFailover, source: &Source<'_>) -> Failover {
    Failover {
        attempts: source.quantity(raw.attempts, &defaults::ATTEMPTS),
        hold_body: source.quantity(raw.hold_body, &defaults::HOLD_BODY).0,
        backoff_min: source.quantity(raw.backoff_min, &defaults::BACKOFF_MIN),
        backoff_max: source.quantity(raw.backoff_max, &defaults::BACKOFF_MAX),
        retry_percent: source.quantity(raw.retry_percent, &defaults::RETRY_PERCENT),
        hedge: source.switched(raw.hedge, defaults::HEDGE),
        hedge_percent: source.quantity(raw.hedge_percent, &defaults::HEDGE_PERCENT),
        rescue: source.switched(raw.rescue, defaults::RESCUE),
        hold_first_event: source.switched(raw.hold_first_event, defaults::HOLD_FIRST_EVENT),
        hold_total: source.quantity(raw.hold_total, &defaults::HOLD_TOTAL).0,
        last_resort: source.switched(raw.last_resort, defaults::LAST_RESORT),
    }
}

fn timeouts(raw: RawTimeouts, source: &Source<'_>) -> Timeouts {
    Timeouts {
        connect: source.quantity(raw.connect, &defaults::CONNECT),
        tls: source.quantity(raw.tls, &defaults::TLS),
        write: source.quantity(raw.write, &defaults::WRITE),
        head: source.quantity(raw.head, &defaults::HEAD),
        first_token: source.quantity(raw.first_token, &defaults::FIRST_TOKEN),
        first_token_of: first_token_of(raw.first_token_of.unwrap_or_default(), source),
        idle: source.quantity(raw.idle, &defaults::IDLE),
        total: source.quantity(raw.total, &defaults::TOTAL),
        tunnel_idle: source.quantity(raw.tunnel_idle, &defaults::TUNNEL_IDLE),
        tunnel: source.quantity(raw.tunnel, &defaults::TUNNEL),
        drain: source.quantity(raw.drain, &defaults::DRAIN),
        client_header: source.quantity(raw.client_header, &defaults::CLIENT_HEADER),
        client_body: source.quantity(raw.client_body, &defaults::CLIENT_BODY),
        client_idle: source.quantity(raw.client_idle, &defaults::CLIENT_IDLE),
    }
}

fn first_token_of(
    raw: BTreeMap<String, Text<Duration>>,
    source: &Source<'_>,
) -> BTreeMap<String, Duration> {
    let timeouts = source.tree.entry(NodeId::ROOT, "timeouts");
    if let Some(node) = timeouts.and_then(|node| source.tree.entry(node, "first_token_of")) {
        check_client_names(node, source);
    }
    let waits = raw.into_iter();
    waits
        .map(|(name, wait)| (name, source.quantity(Some(wait), &defaults::FIRST_TOKEN_OF)))
        .collect()
}

fn limits(raw: &RawLimits, source: &Source<'_>) -> Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        connections: size(source.quantity(raw.connections, &defaults::CONNECTIONS).into()),
        header: size(source.quantity(raw.header, &defaults::HEADER).0),
        body: source.open(raw.body, &defaults::BODY).map(|bytes| bytes.0),
        read_ahead: size(source.quantity(raw.read_ahead, &defaults::READ_AHEAD).0),
    }
}

fn cooldown(raw: &RawCooldown, source: &Source<'_>) -> Cooldown {
    let default = source.quantity(raw.default, &defaults::COOLDOWN);
    let cap = source.quantity(raw.cap, &defaults::COOLDOWN_CAP);
    if cap < default && source.is_fine(raw.cap) && source.is_fine(raw.default) {
        let message = "cap is below default: write a cap at least as long";
        source.wrong(raw.cap.or(raw.default), message);
    }
    Cooldown {
        default,
        cap,
        unauthorized: source.quantity(raw.unauthorized, &defaults::UNAUTHORIZED),
        lacking: source.quantity(raw.lacking, &defaults::LACKING),
    }
}

fn breaker(raw: &RawBreaker, source: &Source<'_>) -> Breaker {
    let pause_min = source.quantity(raw.pause_min, &defaults::PAUSE_MIN);
    let pause_max = source.quantity(raw.pause_max, &defaults::PAUSE_MAX);
    if pause_max < pause_min && source.is_fine(raw.pause_max) && source.is_fine(raw.pause_min) {
        let message = "pause_max is below pause_min: write one at least as long";
        source.wrong(raw.pause_max.or(raw.pause_min), message);
    }
    Breaker {
        percent: source.quantity(raw.percent, &defaults::BREAKER_PERCENT),
        minimum: source.quantity(raw.minimum, &defaults::BREAKER_MINIMUM),
        in_a_row: source.quantity(raw.in_a_row, &defaults::BREAKER_IN_A_ROW),
        window: source.quantity(raw.window, &defaults::BREAKER_WINDOW),
        pause_min,
        pause_max,
        ramp: source.quantity(raw.ramp, &defaults::RAMP),
    }
}

fn log(raw: &RawLog, source: &Source<'_>) -> Log {
    Log {
        format: source.word(raw.format, defaults::LOG_FORMAT),
        requests: source.switched(raw.requests, defaults::LOG_REQUESTS),
    }
}

/// Reports a key that is not there or holds nothing, unless it is there under a misspelt name.
fn require(mapping: NodeId, key: &'static str, message: &str, source: &Source<'_>) {
    let Some(entry) = source.tree.entry(mapping, key) else {
        if !stands_in(mapping, key, source) {
            source.report.missing(mapping, key, message);
        }
        return;
    };
    if matches!(source.tree.value(entry), Value::Null) {
        source.report.wrong(entry, message);
    }
}

/// Whether a key that is reported, misspelt or for merging, was to bring the one that is missing.
fn stands_in(mapping: NodeId, key: &str, source: &Source<'_>) -> bool {
    let mut others = source.tree.children(mapping).into_iter().map(|other| source.tree.key(other));
    others.any(|other| other == "<<" || is_slip_for(other, key))
}

/// Reports each of these keys that is there and holds nothing: taken for left out, it would lift a fence.
fn require_filled(mapping: NodeId, keys: &[&str], source: &Source<'_>) {
    for entry in keys.iter().filter_map(|key| source.tree.entry(mapping, key)) {
        if matches!(source.tree.value(entry), Value::Null) {
            source
                .report
                .wrong(entry, "nothing is written here: write a value, or leave the key out");
        }
    }
}

/// Reports each key of a mapping that is no name of a deployment, as clients write it.
fn check_client_names(mapping: NodeId, source: &Source<'_>) {
    let is_map = matches!(source.tree.value(mapping), Value::Map(_));
    for entry in source.tree.children(mapping).into_iter().filter(|_| is_map) {
        if let Err(message) = DeploymentName::parse(source.tree.key(entry)) {
            source.report.wrong(entry, format!("the client's name before the `:`: {message}"));
        }
    }
}

/// Names that occur more than once are told at each later place.
fn first_time(seen: &mut BTreeSet<String>, name: &str) -> bool {
    seen.insert(name.to_owned())
}
