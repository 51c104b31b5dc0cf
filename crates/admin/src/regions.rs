//! `/api/regions`: the route table as JSON, with everything that explains the order.
//!
//! Times are milliseconds to three places; ages count back from the moment of the answer.

use nearway_route::{Class, Entry, Lack, Lead, Moment, Ranking, Spread, Table};
use serde::Serialize;

use crate::Status;
use crate::changes::Change;
use crate::times::{ms, rounded};

/// The whole answer.
#[derive(Serialize)]
pub(crate) struct Regions<'a> {
    version: &'a str,
    generation: u64,
    loaded_at_unix_ms: u64,
    started_unix_ms: u64,
    last_reload_error: Option<&'a str>,
    restart_needed: &'a [String],
    table_version: u64,
    table_age_ms: f64,
    deployments: Vec<Deployment<'a>>,
    /// The newest few; `/api/changes` has more.
    changes: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Deployment<'a> {
    deployment: &'a str,
    measured: &'static str,
    leader: Option<&'a str>,
    leader_for_ms: Option<f64>,
    verdict: &'static str,
    why: String,
    /// Where costs decide: who leads for each class of requests.
    classes: Vec<Leader<'a>>,
    order: Vec<Region<'a>>,
}

/// The leader for one class of requests.
#[derive(Serialize)]
struct Leader<'a> {
    class: &'static str,
    /// Whether most requests belong to it: costs here are those of its requests.
    main: bool,
    leader: Option<&'a str>,
    leader_for_ms: Option<f64>,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Region<'a> {
    region: &'a str,
    state: &'static str,
    condition: &'static str,
    score_ms: Option<f64>,
    /// Of a request like most, as things are; `None` where scores decide.
    cost_ms: Option<f64>,
    /// Standard deviation of the cost.
    doubt_ms: Option<f64>,
    first_token_ms: Option<Times>,
    total_ms: Option<Times>,
    head_ms: Option<Times>,
    samples: u32,
    failures: u32,
    age_ms: Option<f64>,
    live: Live,
    in_flight: u32,
    breaker: Breaker,
    cooled_for_ms: Option<f64>,
    nearly_spent_for_ms: Option<f64>,
    unauthorized_for_ms: Option<f64>,
    lacks: Vec<Lacking<'a>>,
    last_error: Option<LastError>,
    tier: u32,
    zone: Option<&'a str>,
}

#[derive(Serialize)]
struct Live {
    samples: u32,
    failures: u32,
    first_token_ms: Option<Times>,
    total_ms: Option<Times>,
}

/// The worse of the region's and the deployment's.
#[derive(Serialize)]
struct Breaker {
    state: &'static str,
    open_for_ms: Option<f64>,
    share: f64,
}

#[derive(Serialize)]
struct Lacking<'a> {
    what: &'a str,
    for_ms: f64,
}

#[derive(Serialize)]
struct Times {
    average: f64,
    min: f64,
    max: f64,
}

#[derive(Serialize)]
struct LastError {
    reason: &'static str,
    age_ms: f64,
}

impl<'a> Regions<'a> {
    pub(crate) fn new(status: &'a Status, table: &'a Table, now: Moment) -> Self {
        let rankings = table.rankings();
        Self {
            version: &status.version,
            generation: table.generation,
            loaded_at_unix_ms: status.loaded_at_unix_ms,
            started_unix_ms: status.started_unix_ms,
            last_reload_error: status.last_reload_error.as_deref(),
            restart_needed: &status.restart_needed,
            table_version: table.version,
            table_age_ms: ms(now.since(table.at)),
            deployments: rankings.map(|ranking| deployment(status, ranking, now)).collect(),
            changes: changes(table, now),
        }
    }
}

/// Beside other rankings the fallback only repeats what they said.
fn changes(table: &Table, now: Moment) -> Vec<Change<'_>> {
    let is_alone = table.rankings().count() == 1;
    let news = table.changes.iter().filter(|change| is_alone || !change.deployment.is_empty());
    news.take(CHANGES_SHOWN).map(|change| Change::new(change, now)).collect()
}

fn deployment<'a>(status: &'a Status, ranking: &'a Ranking, now: Moment) -> Deployment<'a> {
    Deployment {
        deployment: ranking.label(),
        measured: ranking.measured.as_str(),
        leader: ranking.leader().map(|entry| entry.name.as_ref()),
        leader_for_ms: ranking.leader_since.map(|since| ms(now.since(since))),
        verdict: ranking.verdict.as_str(),
        why: ranking.verdict.to_string(),
        classes: Class::all().zip(&ranking.leads).map(leader(ranking, now)).collect(),
        order: ranking.order.iter().map(|entry| region(status, ranking, entry, now)).collect(),
    }
}

fn leader<'a>(ranking: &'a Ranking, now: Moment) -> impl Fn((Class, &Lead)) -> Leader<'a> {
    move |(class, lead)| {
        let entry = ranking.order.iter().find(|entry| Some(entry.region) == lead.leader);
        Leader {
            class: class.as_str(),
            main: lead.main,
            leader: entry.map(|entry| entry.name.as_ref()),
            leader_for_ms: lead.since.map(|since| ms(now.since(since))),
            verdict: lead.verdict.as_str(),
        }
    }
}

fn region<'a>(status: &'a Status, ranking: &Ranking, entry: &'a Entry, now: Moment) -> Region<'a> {
    let age = |at: Moment| ms(now.since(at));
    let main = ranking.leads.iter().find(|lead| lead.main);
    let cost = main.and_then(|lead| entry.cost(lead.typical.shape, &lead.typical, now));
    Region {
        region: &entry.name,
        state: entry.state.as_str(),
        // an operation that is lacking says nothing of the others
        condition: entry.condition(Lack::DEPLOYMENT, now).as_str(),
        score_ms: entry.score.map(ms),
        cost_ms: cost.map(|cost| rounded(cost.now)),
        doubt_ms: cost.map(|cost| rounded(cost.doubt)),
        first_token_ms: entry.first_token.map(times),
        total_ms: entry.total.map(times),
        head_ms: entry.head.map(times),
        samples: entry.samples,
        failures: entry.failures,
        age_ms: entry.last_sample.map(age),
        live: Live {
            samples: entry.live.samples,
            failures: entry.live.failures,
            first_token_ms: entry.live.first_token.map(times),
            total_ms: entry.live.total.map(times),
        },
        in_flight: entry.vitals.in_flight(),
        breaker: Breaker {
            state: entry.breaker_state(now).as_str(),
            open_for_ms: entry.open_for(now).map(ms),
            share: entry.share(now),
        },
        cooled_for_ms: entry.cooled_for(now).map(ms),
        nearly_spent_for_ms: entry.nearly_spent_for(now).map(ms),
        unauthorized_for_ms: entry.unauthorized_for(now).map(ms),
        lacks: lacks(status, entry, now),
        last_error: entry
            .last_error
            .map(|error| LastError { reason: error.reason, age_ms: age(error.at) }),
        tier: entry.tier,
        zone: entry.zone.as_deref(),
    }
}

fn lacks<'a>(status: &'a Status, entry: &Entry, now: Moment) -> Vec<Lacking<'a>> {
    let what = |lack: Lack| match lack.as_operation() {
        None => "deployment",
        Some(number) => status.operations.get(usize::from(number)).copied().unwrap_or("other"),
    };
    let lacking = entry.vitals.lacking(now);
    lacking.map(|(lack, left)| Lacking { what: what(lack), for_ms: ms(left) }).collect()
}

fn times(spread: Spread) -> Times {
    Times { average: ms(spread.average), min: ms(spread.min), max: ms(spread.max) }
}

/// Enough to see what went on of late.
const CHANGES_SHOWN: usize = 5;
