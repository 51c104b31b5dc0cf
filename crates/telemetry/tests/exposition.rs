//! The text that Prometheus scrapes, after every handle was used once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nearway_telemetry::names::{self, Kind};
use nearway_telemetry::{
    AffinityResult, Build, HedgeEvent, InFlight, Learning, Lookup, Metrics, NotKept, ProbeSkip,
    ReloadResult, RequestOutcome, RouteBreaker, RouteCondition, RouteState, Search, TokenKind,
    TunnelEnd,
};

const TIME: Duration = Duration::from_millis(120);

fn metrics() -> Metrics {
    Metrics::new(Build { version: "1.2.3", commit: Some("abc") }).unwrap()
}

/// Uses every handle; the guards keep their gauges up.
fn use_everything(metrics: &Metrics) -> Vec<InFlight> {
    let route = metrics.route("eastus", "gpt-4o");
    route.ended(RequestOutcome::Ok, TIME);
    route.first_token(TIME);
    metrics.client("web").ended(RequestOutcome::Ok);
    let proxy = metrics.proxy();
    proxy.declare(&["nearway_no_region"]);
    proxy.added_time(Duration::from_micros(30));
    proxy.refused("nearway_no_region");
    proxy.malformed();
    proxy.tunnel_ended(TunnelEnd::Closed);
    metrics.failovers("eastus", "westus").count("timeout");
    proxy.report_dropped();
    proxy.retry_refused();
    proxy.hedged(HedgeEvent::Started);
    proxy.hedge_prompt(9);
    proxy.affinity(AffinityResult::Kept);
    proxy.affinity_evicted();
    proxy.affinity_cached(0.5);
    proxy.accept_paused();
    let state = metrics.state();
    state.learned(Learning::New);
    state.evicted();
    state.looked_up(Lookup::Unknown);
    state.searched(Search::Found, 1, TIME);
    state.unread();
    state.holds(9, 16_384);
    state.file_failed();
    state.unwritten();
    let replay = metrics.replay();
    replay.held(9);
    replay.ahead(9);
    replay.waits();
    replay.not_kept(NotKept::TotalBudget);
    let pool = metrics.pool("eastus");
    pool.opened();
    pool.reused();
    pool.closed();
    let probe = metrics.probe("eastus", "gpt-4o");
    probe.succeeded(Some(TIME), TIME);
    probe.failed("timeout", TIME);
    probe.tokens(TokenKind::Prompt, 8);
    probe.skipped(ProbeSkip::Fresh);
    probe.budget_used(Some(0.5));
    probe.stands(1, Some(TIME), RouteState::Fresh);
    metrics.breaker("eastus", "gpt-4o").went(RouteBreaker::Open);
    metrics.fitness("eastus", "gpt-4o").is(
        RouteCondition::Cooled,
        RouteBreaker::Closed,
        Some(TIME),
    );
    let rank = metrics.rank();
    rank.declare("gpt-4o");
    rank.published(4);
    rank.in_force(2);
    rank.reloaded(ReloadResult::Applied);
    vec![route.enter(), proxy.connected(), pool.idle()]
}

/// Family name to its declared type, in the order of the text; checks the heads on the way.
fn families(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(!help.is_empty(), "{name}");
        let (typed, kind) =
            lines.next().unwrap().strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
        assert_eq!(typed, name);
        let mut series = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            check_series(line, name, kind);
            series += 1;
        }
        assert!(series > 0, "{name} has no series");
        found.push((name.to_owned(), kind.to_owned()));
    }
    found
}

fn check_series(line: &str, family: &str, kind: &str) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
    let name = series.split('{').next().unwrap();
    let suffix = name.strip_prefix(family).unwrap();
    let allowed: &[_] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    assert!(allowed.contains(&suffix), "{line}");
    if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
        assert!(labels.starts_with('{') && labels.ends_with("\"}"), "{line}");
    }
}

#[test]
fn every_family_is_declared_prefixed_and_typed_as_declared() {
    let metrics = metrics();
    let _guards = use_everything(&metrics);
    let declared: BTreeMap<_, _> = names::ALL
        .iter()
        .map(|family| {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            (family.name.to_owned(), kind.to_owned())
        })
        .collect();
    let rendered = families(&metrics.render());
    assert!(rendered.is_sorted());
    assert!(rendered.iter().all(|(name, _)| name.starts_with("nearway_")));
    assert_eq!(rendered.into_iter().collect::<BTreeMap<_, _>>(), declared);
}

/// Names with the names of their labels, buckets left out.
fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket"))
        .map(|line| {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0));
            format!("{name} {}", labels.collect::<Vec<_>>().join(",")).trim_end().to_owned()
        })
        .collect()
}

#[test]
fn the_names_and_labels_are_these() {
    let metrics = metrics();
    let _guards = use_everything(&metrics);
    let series = series(&metrics.render());
    let expected = [
        "nearway_added_time_seconds_count",
        "nearway_added_time_seconds_sum",
        "nearway_affinity_cached_ratio",
        "nearway_affinity_evictions_total",
        "nearway_affinity_total result",
        "nearway_bodies_not_kept_total reason",
        "nearway_breaker_state region,deployment,state",
        "nearway_breaker_transitions_total region,deployment,to",
        "nearway_build_info version,commit",
        "nearway_client_accept_pauses_total",
        "nearway_client_connections_accepted_total",
        "nearway_client_connections_open",
        "nearway_client_requests_total client,outcome",
        "nearway_config_generation",
        "nearway_config_last_reload_applied",
        "nearway_config_reloads_total result",
        "nearway_cooldown_seconds region,deployment",
        "nearway_failovers_total from,to,reason",
        "nearway_hedge_tokens_total kind",
        "nearway_hedges_total event",
        "nearway_leader_changes_total deployment",
        "nearway_probe_budget_used_ratio region,deployment",
        "nearway_probe_duration_seconds_count region,deployment",
        "nearway_probe_duration_seconds_sum region,deployment",
        "nearway_probe_time_to_first_token_seconds_count region,deployment",
        "nearway_probe_time_to_first_token_seconds_sum region,deployment",
        "nearway_probe_tokens_total region,deployment,kind",
        "nearway_probes_skipped_total region,deployment,reason",
        "nearway_probes_total region,deployment,outcome",
        "nearway_read_ahead_bytes",
        "nearway_read_ahead_waits_total",
        "nearway_region_condition region,deployment,condition",
        "nearway_replay_bytes",
        "nearway_reports_dropped_total",
        "nearway_request_duration_seconds_count region,deployment",
        "nearway_request_duration_seconds_sum region,deployment",
        "nearway_requests_in_flight region,deployment",
        "nearway_requests_malformed_total",
        "nearway_requests_refused_total code",
        "nearway_requests_total region,deployment,outcome",
        "nearway_rescues_total event",
        "nearway_retries_refused_total",
        "nearway_route_leader region,deployment",
        "nearway_route_rank region,deployment",
        "nearway_route_score_seconds region,deployment",
        "nearway_route_state region,deployment,state",
        "nearway_state_bytes",
        "nearway_state_entries",
        "nearway_state_evictions_total",
        "nearway_state_file_errors_total",
        "nearway_state_learned_total result",
        "nearway_state_lookups_total result",
        "nearway_state_search_requests_total",
        "nearway_state_search_seconds_count",
        "nearway_state_search_seconds_sum",
        "nearway_state_searches_total result",
        "nearway_state_unread_total",
        "nearway_state_unwritten_total",
        "nearway_table_version",
        "nearway_time_to_first_token_seconds_count region,deployment",
        "nearway_time_to_first_token_seconds_sum region,deployment",
        "nearway_tunnels_ended_total reason",
        "nearway_upstream_connections_closed_total region",
        "nearway_upstream_connections_idle region",
        "nearway_upstream_connections_opened_total region",
        "nearway_upstream_connections_reused_total region",
    ];
    assert_eq!(series.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn buckets_are_cumulative_and_end_at_infinity() {
    let metrics = metrics();
    let proxy = metrics.proxy();
    for micros in [5, 30, 30, 900, 70_000] {
        proxy.added_time(Duration::from_micros(micros));
    }
    let text = metrics.render();
    let counts: Vec<(f64, u64)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("nearway_added_time_seconds_bucket{le=\""))
        .map(|rest| {
            let (bound, count) = rest.split_once("\"} ").unwrap();
            (bound.parse().unwrap(), count.parse().unwrap())
        })
        .collect();
    assert_eq!(counts.len(), names::ADDED_TIME_BUCKETS.len() + 1);
    assert!(counts.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{counts:?}");
    assert_eq!(counts.first(), Some(&(0.000_01, 1)));
    assert_eq!(counts.get(2), Some(&(0.000_05, 3)));
    assert_eq!(counts.last(), Some(&(f64::INFINITY, 5)));
}

#[test]
fn upkeep_and_scrapes_lose_no_sample_and_count_none_twice() {
    let metrics = metrics();
    let route = metrics.route("eastus", "gpt-4o");
    route.first_token(TIME);
    metrics.upkeep();
    route.first_token(TIME);
    let count =
        "nearway_time_to_first_token_seconds_count{region=\"eastus\",deployment=\"gpt-4o\"}";
    for _ in 0..2 {
        metrics.upkeep();
        assert!(metrics.render().contains(&format!("{count} 2\n")));
    }
}

#[test]
fn a_name_that_needs_escaping_breaks_no_line() {
    let metrics = metrics();
    let _idle = metrics.pool("a\"b\\c\nd").idle();
    let text = metrics.render();
    assert!(text.contains("connections_idle{region=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
    families(&text);
}

#[test]
fn what_is_remembered_of_objects_is_counted_by_its_results() {
    let metrics = metrics();
    let state = metrics.state();
    state.learned(Learning::Moved);
    state.looked_up(Lookup::Conflict);
    state.searched(Search::Nobody, 3, TIME);
    state.holds(2, 32);
    let text = metrics.render();
    for line in [
        "nearway_state_learned_total{result=\"moved\"} 1\n",
        "nearway_state_learned_total{result=\"new\"} 0\n",
        "nearway_state_lookups_total{result=\"conflict\"} 1\n",
        "nearway_state_searches_total{result=\"nobody\"} 1\n",
        "nearway_state_search_requests_total 3\n",
        "nearway_state_search_seconds_count 1\n",
        "nearway_state_entries 2\n",
        "nearway_state_bytes 32\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn two_proxies_in_one_process_share_nothing() {
    let (one, other) = (metrics(), metrics());
    one.proxy().malformed();
    let _unused = other.proxy();
    assert!(one.render().contains("nearway_requests_malformed_total 1\n"));
    assert!(other.render().contains("nearway_requests_malformed_total 0\n"));
}
