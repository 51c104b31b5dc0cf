//! What an operator should notice: a failover, a breaker, a new leader, a reload. A sentence for people, with
//! the same facts as fields for machines. Names in the sentences are configured ones.

use std::time::Duration;

use super::request::milliseconds;
use crate::labels::OTHER;

/// A request that goes on to a further region.
#[derive(Clone, Copy, Debug)]
pub struct Failover<'a> {
    /// The region that failed.
    pub from: &'a str,
    /// The region that is asked now.
    pub to: &'a str,
    /// The label of what happened in `from`.
    pub reason: &'a str,
    /// How long the failed attempt took.
    pub after: Duration,
    /// The number of the attempt that begins now, from 2.
    pub attempt: u32,
    /// What the client asked for: a field only, as its text is the client's.
    pub deployment: Option<&'a str>,
}

/// Writes a warning.
pub fn failover(event: &Failover<'_>) {
    let Failover { from, to, reason, after, attempt, deployment } = *event;
    let after_ms = milliseconds(after);
    tracing::warn!(
        target: "nearway::failover",
        from, to, reason, after_ms, attempt, deployment,
        "region {from} failed ({reason}), asking {to} instead"
    );
}

/// A circuit breaker that has opened.
#[derive(Clone, Copy, Debug)]
pub struct BreakerOpened<'a> {
    /// The region that fails.
    pub region: &'a str,
    /// Where it fails: the deployment's label; `None`: the region as a whole.
    pub deployment: Option<&'a str>,
    /// The label of the newest failure.
    pub reason: &'a str,
    /// How long it stays open, told to the millisecond.
    pub pause: Duration,
}

/// Writes a warning.
pub fn breaker_opened(event: &BreakerOpened<'_>) {
    let BreakerOpened { region, deployment, reason, pause } = *event;
    let scope = scope(deployment);
    let pause = whole_milliseconds(pause);
    tracing::warn!(
        target: BREAKER,
        region, deployment, reason, pause_ms = milliseconds(pause),
        "region {region} failed too often{scope} ({reason}), its breaker is open: nothing goes \
         there{scope} for {pause:?}"
    );
}

/// Writes an information: a trial was answered, and all the traffic is back after `ramp`.
pub fn breaker_returning(region: &str, deployment: Option<&str>, ramp: Duration) {
    let scope = scope(deployment);
    tracing::info!(
        target: BREAKER,
        region, deployment, ramp_ms = milliseconds(ramp),
        "region {region} answers again{scope}, its traffic returns over {ramp:?}"
    );
}

/// Writes an information: the traffic has returned.
pub fn breaker_closed(region: &str, deployment: Option<&str>) {
    let scope = scope(deployment);
    tracing::info!(target: BREAKER, region, deployment, "region {region} is back in full{scope}");
}

/// What a breaker is for, as the end of a clause; nothing where it is for the whole region.
fn scope(deployment: Option<&str>) -> String {
    match deployment {
        None => String::new(),
        Some(OTHER) => " for deployments that are not probed".to_owned(),
        Some(name) => format!(" for {name}"),
    }
}

/// What people read: a deadline is kept a little more exactly than it was asked for.
fn whole_milliseconds(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

const BREAKER: &str = "nearway::breaker";

/// Another region leads for a deployment.
#[derive(Clone, Copy, Debug)]
pub struct LeaderChange<'a> {
    /// The measured deployment.
    pub deployment: &'a str,
    /// Who led before; none for the first leader.
    pub from: Option<&'a str>,
    /// Who leads now.
    pub to: &'a str,
    /// Why, as the ranking says it.
    pub verdict: &'a str,
}

/// Writes an information.
pub fn leader_change(event: &LeaderChange<'_>) {
    let LeaderChange { deployment, from, to, verdict } = *event;
    let was = from.map(|from| format!(" (before: {from})")).unwrap_or_default();
    tracing::info!(
        target: "nearway::leader",
        deployment, from, to, verdict,
        "{to} now leads for {deployment}{was}: {verdict}"
    );
}

/// Writes an error: a region refuses the key that is configured for it, which only an operator can mend.
pub fn credential_refused(region: &str) {
    tracing::error!(
        target: "nearway::credential",
        region,
        "region {region} refuses its key: nothing goes there until a probe is answered, correct \
         regions.{region}.api_key"
    );
}

/// A changed configuration that is in force.
#[derive(Clone, Copy, Debug)]
pub struct Reload<'a> {
    /// The number of the configuration now in force.
    pub generation: u64,
    /// Regions that were not there before.
    pub added: usize,
    /// Regions that are no longer there.
    pub removed: usize,
    /// Regions of which a setting changed.
    pub changed: usize,
    /// Keys that changed but only act after a restart.
    pub needs_restart: &'a [&'a str],
}

/// Writes an information, and a warning where a restart is needed.
pub fn reload_applied(event: &Reload<'_>) {
    let Reload { generation, added, removed, changed, needs_restart } = *event;
    tracing::info!(
        target: "nearway::reload",
        generation, added, removed, changed,
        "configuration {generation} is in force: {added} regions added, {removed} removed, \
         {changed} changed"
    );
    if !needs_restart.is_empty() {
        let keys = needs_restart.join(", ");
        tracing::warn!(
            target: "nearway::reload",
            generation, keys,
            "changed, but only a restart puts it in force: {keys}"
        );
    }
}

/// Writes an error. `generation` is the configuration that stays in force; `problems` are the
/// checker's lines, which never quote a secret.
pub fn reload_rejected(generation: u64, problems: &str) {
    tracing::error!(
        target: "nearway::reload",
        generation, problems,
        "the changed configuration is wrong and was not loaded, configuration {generation} stays \
         in force; `nearway check` shows the same problems"
    );
}
