//! The register of metrics: each one declared once, with name, help, unit, kind and buckets.
//!
//! `registry.rs` describes all of them at start; the handles name them when they are made. A new
//! metric begins here and in [`ALL`]; the tests below hold the Prometheus naming conventions
//! (<https://prometheus.io/docs/practices/naming/>). This is the only flat, long file of the crate.

use metrics::Unit;

/// One metric family, as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Begins with `nearway_`; a counter ends in `_total`, a time in `_seconds`, a size in
    /// `_bytes`.
    pub name: &'static str,
    /// One sentence without a full stop, shown by Prometheus beside the name.
    pub help: &'static str,
    /// What the number counts; it does not change the name.
    pub unit: Unit,
    /// How it is stored and typed.
    pub kind: Kind,
}

/// How a family is stored and typed in the exposition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts per bucket; the upper bounds rise strictly. Without bounds the exporter would make a
    /// summary, which cannot be added up over processes.
    Histogram(&'static [f64]),
}

/// Upper bounds, in seconds, for Nearway's own share of a request: 10 µs to 50 ms.
pub const ADDED_TIME_BUCKETS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05,
];

/// Upper bounds, in seconds, for whole answers: 5 ms (an error) to 600 s (the API's own limit).
pub const DURATION_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
    600.0,
];

/// Upper bounds, in seconds, for first tokens and probes: closest together from 100 ms to 3 s,
/// where regions differ.
pub const FIRST_TOKEN_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
    30.0, 60.0, 120.0, 600.0,
];

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: Unit::Count, kind: Kind::Counter }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: Unit::Count, kind: Kind::Gauge }
}

const fn bytes(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: Unit::Bytes, kind: Kind::Gauge }
}

const fn seconds(name: &'static str, help: &'static str, buckets: &'static [f64]) -> Family {
    Family { name, help, unit: Unit::Seconds, kind: Kind::Histogram(buckets) }
}

/// Labels `version`, `commit`.
pub const BUILD_INFO: Family =
    gauge("nearway_build_info", "Always 1; the labels say which build is running");

/// Labels `region`, `deployment`, `outcome` ([`crate::RequestOutcome`]).
pub const REQUESTS: Family = counter(
    "nearway_requests_total",
    "Client requests that ended, by the region that answered last and by outcome",
);
/// Labels `region`, `deployment`.
pub const REQUEST_DURATION: Family = seconds(
    "nearway_request_duration_seconds",
    "Time from the request's head to the last byte of its answer",
    DURATION_BUCKETS,
);
/// Labels `region`, `deployment`.
pub const TIME_TO_FIRST_TOKEN: Family = seconds(
    "nearway_time_to_first_token_seconds",
    "Time from sending a streamed request to its first content token",
    FIRST_TOKEN_BUCKETS,
);
/// Labels `region`, `deployment`.
pub const REQUESTS_IN_FLIGHT: Family = gauge(
    "nearway_requests_in_flight",
    "Client requests now being served by the region, streams and tunnels included",
);

/// Labels `client` (configured; [`crate::NO_CLIENT`] without a known key), `outcome`
/// ([`crate::RequestOutcome`]). Absent where no clients are configured.
pub const CLIENT_REQUESTS: Family = counter(
    "nearway_client_requests_total",
    "Requests that ended, by the client whose key they carried and by outcome",
);

/// No labels.
pub const ADDED_TIME: Family = seconds(
    "nearway_added_time_seconds",
    "Nearway's own share of a request's time, waiting for client and region left out",
    ADDED_TIME_BUCKETS,
);
/// Label `reason` ([`crate::TunnelEnd`]).
pub const TUNNELS_ENDED: Family =
    counter("nearway_tunnels_ended_total", "WebSockets and other tunnels that ended, by why");
/// Label `code` (the `error.code` that the client read).
pub const REQUESTS_REFUSED: Family = counter(
    "nearway_requests_refused_total",
    "Requests that Nearway itself answered with an error, by the code in the error body",
);
/// No labels.
pub const REQUESTS_MALFORMED: Family = counter(
    "nearway_requests_malformed_total",
    "Client connections closed because what they sent was not HTTP as Nearway accepts it",
);
/// Labels `from`, `to`, `reason`.
pub const FAILOVERS: Family = counter(
    "nearway_failovers_total",
    "Times that a request was sent to a further region, by what happened in the one before",
);
/// No labels.
pub const RETRIES_REFUSED: Family = counter(
    "nearway_retries_refused_total",
    "Requests that could have gone to a further region, beyond the budget for retries",
);
/// Label `event`.
pub const HEDGES: Family = counter(
    "nearway_hedges_total",
    "Second attempts beside one whose first content was late, by what became of them",
);
/// Label `event` ([`crate::HedgeEvent`]).
pub const RESCUES: Family = counter(
    "nearway_rescues_total",
    "Second attempts beside one that was stuck, by what became of them",
);
/// Label `kind` ([`crate::TokenKind`]); prompts only.
pub const HEDGE_TOKENS: Family = counter(
    "nearway_hedge_tokens_total",
    "Tokens that the slower of two attempts was sent, where known: where the answer's stream tells them",
);
/// Label `result` ([`crate::AffinityResult`]).
pub const AFFINITY: Family = counter(
    "nearway_affinity_total",
    "Answered requests that share a prompt, a key or a session with others, by whether the region that had those kept them",
);
/// No labels.
pub const AFFINITY_EVICTIONS: Family = counter(
    "nearway_affinity_evictions_total",
    "Homes of prompts and sessions that were forgotten before their time because more are in use than are remembered",
);
/// No labels.
pub const AFFINITY_CACHED: Family = gauge(
    "nearway_affinity_cached_ratio",
    "Share of the prompts kept in their region that it has read from its cache of late, as far as answers tell",
);
/// Label `result` ([`crate::Learning`]).
pub const STATE_LEARNED: Family = counter(
    "nearway_state_learned_total",
    "Ids of objects that answers named, by whether their region was known",
);
/// Label `result` ([`crate::Lookup`]).
pub const STATE_LOOKUPS: Family = counter(
    "nearway_state_lookups_total",
    "Requests that named objects which live in one region, by whether that is known",
);
/// Label `result` ([`crate::Search`]).
pub const STATE_SEARCHES: Family = counter(
    "nearway_state_searches_total",
    "Searches among the regions for one that knows an object, by what was found",
);
/// No labels.
pub const STATE_SEARCH_REQUESTS: Family = counter(
    "nearway_state_search_requests_total",
    "Round trips of searches to regions that did not know the object",
);
/// No labels.
pub const STATE_SEARCH_SECONDS: Family = seconds(
    "nearway_state_search_seconds",
    "Time that a search added to its request",
    FIRST_TOKEN_BUCKETS,
);
/// No labels.
pub const STATE_EVICTIONS: Family = counter(
    "nearway_state_evictions_total",
    "Ids that were forgotten before their time because more are in use than are remembered",
);
/// No labels.
pub const STATE_ENTRIES: Family = gauge(
    "nearway_state_entries",
    "Ids that are remembered now, those included that are too old and not yet overwritten",
);
/// No labels.
pub const STATE_BYTES: Family =
    bytes("nearway_state_bytes", "Bytes of memory that remembered ids take, however many they are");
/// No labels.
pub const STATE_FILE_ERRORS: Family = counter(
    "nearway_state_file_errors_total",
    "Attempts to write remembered ids to their file that failed, each followed by another one",
);
/// No labels.
pub const STATE_UNWRITTEN: Family = counter(
    "nearway_state_unwritten_total",
    "Changes of remembered ids that did not reach the file because its queue was full",
);
/// No labels.
pub const STATE_UNREAD: Family = counter(
    "nearway_state_unread_total",
    "Requests and answers of which not all ids were read: packed in an unknown way, too long, or too many",
);
/// No labels.
pub const REPLAY_BYTES: Family =
    bytes("nearway_replay_bytes", "Bytes of request bodies now kept for another attempt");
/// Label `reason` ([`crate::NotKept`]).
pub const BODIES_NOT_KEPT: Family = counter(
    "nearway_bodies_not_kept_total",
    "Request bodies sent once and not kept for another attempt, by which limit was reached",
);
/// No labels.
pub const READ_AHEAD_BYTES: Family = bytes(
    "nearway_read_ahead_bytes",
    "Bytes reserved for request bodies that name their deployment behind the rest",
);
/// No labels.
pub const READ_AHEAD_WAITS: Family = counter(
    "nearway_read_ahead_waits_total",
    "Request bodies that had to wait for their turn to be read ahead",
);
/// No labels.
pub const REPORTS_DROPPED: Family = counter(
    "nearway_reports_dropped_total",
    "Live measurements that the ranking did not get because its queue was full",
);
/// No labels.
pub const CLIENT_CONNECTIONS_ACCEPTED: Family =
    counter("nearway_client_connections_accepted_total", "Client connections accepted");
/// No labels.
pub const CLIENT_ACCEPT_PAUSES: Family = counter(
    "nearway_client_accept_pauses_total",
    "Times that further clients had to wait because the limit on open connections was reached",
);
/// No labels.
pub const CLIENT_CONNECTIONS_OPEN: Family =
    gauge("nearway_client_connections_open", "Client connections now open");

/// Label `region`.
pub const UPSTREAM_CONNECTIONS_OPENED: Family =
    counter("nearway_upstream_connections_opened_total", "Connections opened to the region");
/// Label `region`.
pub const UPSTREAM_CONNECTIONS_REUSED: Family = counter(
    "nearway_upstream_connections_reused_total",
    "Requests that went out on a connection that was already open",
);
/// Label `region`.
pub const UPSTREAM_CONNECTIONS_CLOSED: Family =
    counter("nearway_upstream_connections_closed_total", "Connections to the region that ended");
/// Label `region`.
pub const UPSTREAM_CONNECTIONS_IDLE: Family =
    gauge("nearway_upstream_connections_idle", "Connections to the region kept warm and unused");

/// Labels `region`, `deployment`, `outcome` (`ok` or the kind of failure).
pub const PROBES: Family = counter("nearway_probes_total", "Probes that ended, by outcome");
/// Labels `region`, `deployment`.
pub const PROBE_DURATION: Family = seconds(
    "nearway_probe_duration_seconds",
    "Time from sending a probe to its end, failed ones included",
    FIRST_TOKEN_BUCKETS,
);
/// Labels `region`, `deployment`.
pub const PROBE_TIME_TO_FIRST_TOKEN: Family = seconds(
    "nearway_probe_time_to_first_token_seconds",
    "Time from sending a probe to its first content token",
    FIRST_TOKEN_BUCKETS,
);
/// Labels `region`, `deployment`, `kind` ([`crate::TokenKind`]).
pub const PROBE_TOKENS: Family =
    counter("nearway_probe_tokens_total", "Tokens that probes used, as the region counted them");
/// Labels `region`, `deployment`, `reason` ([`crate::ProbeSkip`]).
pub const PROBES_SKIPPED: Family = counter(
    "nearway_probes_skipped_total",
    "Intervals that went by without a probe (adaptive strategy), by reason",
);
/// Labels `region`, `deployment`; absent without `probe.tokens_per_day`, and once the region is removed.
pub const PROBE_BUDGET_USED: Family = gauge(
    "nearway_probe_budget_used_ratio",
    "Share of the tokens that probes may spend ahead of their even spread; at 1 they wait",
);

/// Labels `region`, `deployment`; absent while there is no score.
pub const ROUTE_SCORE: Family = Family {
    name: "nearway_route_score_seconds",
    help: "What the region is ranked by, least first",
    unit: Unit::Seconds,
    kind: Kind::Gauge,
};
/// Labels `region`, `deployment`; absent once the region is removed.
pub const ROUTE_RANK: Family =
    gauge("nearway_route_rank", "Place of the region in the order, 1 is the leader");
/// Labels `region`, `deployment`, `state` ([`crate::RouteState`]); absent once the region is removed.
pub const ROUTE_STATE: Family =
    gauge("nearway_route_state", "1 for the state that the region is in, 0 for the others");
/// Labels `region`, `deployment`; absent once the region is removed.
pub const ROUTE_LEADER: Family =
    gauge("nearway_route_leader", "1 for the region that is tried first, 0 for the others");
/// Labels `region`, `deployment`, `to` ([`crate::RouteBreaker`]). The region's own breaker counts
/// under the deployment [`crate::ALL_DEPLOYMENTS`], that of all deployments that are not probed under
/// [`crate::OTHER`]. `open` and `returning` are counted as they happen; `half_open` and `closed`, which
/// time brings, when a look each second finds them.
pub const BREAKER_TRANSITIONS: Family = counter(
    "nearway_breaker_transitions_total",
    "Times that a circuit breaker changed its state, by the state that it changed to",
);
/// Labels `region`, `deployment`, `state` ([`crate::RouteBreaker`]); of the region's breaker and the
/// deployment's the worse one. Absent once the region is removed.
pub const BREAKER_STATE: Family = gauge(
    "nearway_breaker_state",
    "1 for the state that the circuit breaker is in, 0 for the others",
);
/// Labels `region`, `deployment`; absent once the region is removed.
pub const COOLDOWN: Family = Family {
    name: "nearway_cooldown_seconds",
    help: "How long requests still keep away because the region asked for it, 0 when it did not",
    unit: Unit::Seconds,
    kind: Kind::Gauge,
};
/// Labels `region`, `deployment`, `condition` ([`crate::RouteCondition`]); an operation that is lacking
/// while the deployment is there does not show. Absent once the region is removed.
pub const REGION_CONDITION: Family = gauge(
    "nearway_region_condition",
    "1 for the condition that decides how soon the region is chosen, 0 for the others",
);
/// Label `deployment`.
pub const LEADER_CHANGES: Family =
    counter("nearway_leader_changes_total", "Times that the leading region changed");
/// No labels.
pub const TABLE_VERSION: Family =
    gauge("nearway_table_version", "Number of the route table in force, rising with each publish");

/// No labels.
pub const CONFIG_GENERATION: Family =
    gauge("nearway_config_generation", "Number of the configuration in force, rising with reloads");
/// Label `result` ([`crate::ReloadResult`]).
pub const CONFIG_RELOADS: Family = counter(
    "nearway_config_reloads_total",
    "Attempts to load a changed configuration, by whether it is now in force",
);
/// No labels.
pub const CONFIG_LAST_RELOAD_APPLIED: Family = gauge(
    "nearway_config_last_reload_applied",
    "1 while the file last read is in force, 0 while an older one is because it was rejected",
);

/// Every family, in the order of this file.
pub const ALL: &[Family] = &[
    BUILD_INFO,
    REQUESTS,
    REQUEST_DURATION,
    TIME_TO_FIRST_TOKEN,
    REQUESTS_IN_FLIGHT,
    CLIENT_REQUESTS,
    ADDED_TIME,
    TUNNELS_ENDED,
    REQUESTS_REFUSED,
    REQUESTS_MALFORMED,
    FAILOVERS,
    RETRIES_REFUSED,
    HEDGES,
    RESCUES,
    HEDGE_TOKENS,
    AFFINITY,
    AFFINITY_EVICTIONS,
    AFFINITY_CACHED,
    STATE_LEARNED,
    STATE_LOOKUPS,
    STATE_SEARCHES,
    STATE_SEARCH_REQUESTS,
    STATE_SEARCH_SECONDS,
    STATE_EVICTIONS,
    STATE_ENTRIES,
    STATE_BYTES,
    STATE_FILE_ERRORS,
    STATE_UNWRITTEN,
    STATE_UNREAD,
    REPLAY_BYTES,
    BODIES_NOT_KEPT,
    READ_AHEAD_BYTES,
    READ_AHEAD_WAITS,
    REPORTS_DROPPED,
    CLIENT_CONNECTIONS_ACCEPTED,
    CLIENT_ACCEPT_PAUSES,
    CLIENT_CONNECTIONS_OPEN,
    UPSTREAM_CONNECTIONS_OPENED,
    UPSTREAM_CONNECTIONS_REUSED,
    UPSTREAM_CONNECTIONS_CLOSED,
    UPSTREAM_CONNECTIONS_IDLE,
    PROBES,
    PROBE_DURATION,
    PROBE_TIME_TO_FIRST_TOKEN,
    PROBE_TOKENS,
    PROBES_SKIPPED,
    PROBE_BUDGET_USED,
    ROUTE_SCORE,
    ROUTE_RANK,
    ROUTE_STATE,
    ROUTE_LEADER,
    BREAKER_TRANSITIONS,
    BREAKER_STATE,
    COOLDOWN,
    REGION_CONDITION,
    LEADER_CHANGES,
    TABLE_VERSION,
    CONFIG_GENERATION,
    CONFIG_RELOADS,
    CONFIG_LAST_RELOAD_APPLIED,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_prefixed_snake_case_and_unique() {
        let mut seen = HashSet::new();
        for family in ALL {
            assert!(family.name.starts_with("nearway_"), "{}", family.name);
            assert!(
                family.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{}: lower-case letters and underscores",
                family.name
            );
            assert!(!family.name.contains("__") && !family.name.ends_with('_'), "{}", family.name);
            assert!(seen.insert(family.name), "{} is declared twice", family.name);
        }
    }

    #[test]
    fn a_suffix_says_kind_and_unit() {
        for Family { name, unit, kind, .. } in ALL {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            assert_eq!(name.ends_with("_bytes"), *unit == Unit::Bytes, "{name}");
            for taken in ["_count", "_sum", "_bucket", "_ms", "_milliseconds"] {
                assert!(!name.ends_with(taken), "{name} ends in {taken}");
            }
        }
    }

    #[test]
    fn help_is_one_sentence_without_a_stop() {
        for Family { name, help, .. } in ALL {
            assert!(help.len() > 10 && !help.ends_with('.') && !help.contains('\n'), "{name}");
            assert!(help.starts_with(|c: char| c.is_ascii_uppercase() || c == '1'), "{name}");
        }
    }

    #[test]
    fn every_histogram_has_strictly_rising_buckets() {
        for Family { name, kind, .. } in ALL {
            let Kind::Histogram(buckets) = kind else { continue };
            assert!(buckets.len() >= 2 && buckets.is_sorted_by(|a, b| a < b), "{name}");
        }
    }

    #[test]
    fn buckets_span_what_a_model_takes() {
        assert_eq!(ADDED_TIME_BUCKETS.first().zip(ADDED_TIME_BUCKETS.last()), Some((&1e-5, &0.05)));
        assert_eq!(DURATION_BUCKETS.first().zip(DURATION_BUCKETS.last()), Some((&0.005, &600.0)));
    }
}
