//! One round of measurements for people (a table) and for machines (JSON). Pure.
//!
//! The winner is who would lead now, without regard to who led before. The gain is by which share
//! of another region's time the winner is faster, failures costed as the ranking does.

use std::fmt::Write as _;
use std::time::Duration;

use nearway_route::{Entry, Measured, Ranking, Spread, State, Table};
use serde_json::{Value, json};

/// A table for each measured deployment.
pub(super) fn text(table: &Table) -> String {
    rankings(table).map(ranking_text).collect::<Vec<_>>().join("\n")
}

/// The same as one object.
pub(super) fn json(table: &Table) -> Value {
    let rankings = rankings(table).map(|ranking| {
        json!({
            "deployment": (!ranking.deployment.is_empty()).then_some(&*ranking.deployment),
            "ranked_by": ranking.measured.as_str(),
            "winner": winner(ranking).map(|entry| &*entry.name),
            "regions": ranking.order.iter().map(|e| entry_json(ranking, e)).collect::<Vec<_>>(),
        })
    });
    json!({"deployments": rankings.collect::<Vec<_>>()})
}

/// Those of probed deployments; the fallback only if there are none.
fn rankings(table: &Table) -> impl Iterator<Item = &Ranking> {
    let only_one = table.rankings().count() == 1;
    let shown = move |ranking: &&Ranking| only_one || !ranking.deployment.is_empty();
    table.rankings().map(AsRef::as_ref).filter(shown)
}

/// Who leads, if it was measured at all and works.
fn winner(ranking: &Ranking) -> Option<&Entry> {
    ranking.leader().filter(|entry| entry.score.is_some() && entry.state != State::Down)
}

/// By how many percent of `other`'s time the winner is faster; `None` for the winner itself and
/// where the two cannot be compared.
fn gain(ranking: &Ranking, other: &Entry) -> Option<f64> {
    let best = winner(ranking).filter(|best| best.region != other.region)?.score?.as_secs_f64();
    let score = other.score.filter(|_| other.state != State::Down)?.as_secs_f64();
    (score > 0.0).then(|| (score - best) / score * 100.0)
}

fn ranking_text(ranking: &Ranking) -> String {
    let mut text = match ranking.measured {
        Measured::FirstToken => format!("{}, ranked by first token\n", ranking.deployment),
        Measured::Total => format!("{}, ranked by total time\n", ranking.deployment),
        Measured::Reachability => {
            "reachability only: no deployment is probed, no token is spent\n".to_owned()
        }
    };
    // writing to a string cannot fail
    let _ = writeln!(text, "  {:<24} {:^26} {:^26}", "", FIRST, second(ranking.measured));
    let _ = writeln!(
        text,
        "  {:<24} {AVERAGES} {AVERAGES} {:>7} {:>6}  winner faster by",
        "region", "samples", "failed"
    );
    for entry in &ranking.order {
        let mark =
            if winner(ranking).is_some_and(|best| best.region == entry.region) { '*' } else { ' ' };
        let _ = writeln!(
            text,
            "{mark} {:<24} {} {} {:>7} {:>6}  {}",
            entry.name,
            spread_text(entry.first_token),
            spread_text(whole(ranking.measured, entry)),
            entry.samples,
            entry.failures,
            remark(ranking, entry),
        );
    }
    text
}

const FIRST: &str = "first token, ms";
const AVERAGES: &str = "     avg      min      max";

fn second(measured: Measured) -> &'static str {
    match measured {
        Measured::FirstToken | Measured::Total => "total, ms",
        Measured::Reachability => "response head, ms",
    }
}

/// The longest time that was measured of a probe.
fn whole(measured: Measured, entry: &Entry) -> Option<Spread> {
    match measured {
        Measured::FirstToken | Measured::Total => entry.total,
        Measured::Reachability => entry.head,
    }
}

fn remark(ranking: &Ranking, entry: &Entry) -> String {
    if entry.state == State::Down {
        let reason = entry.last_error.map_or("unknown", |error| error.reason);
        return format!("down: {reason}");
    }
    match gain(ranking, entry) {
        Some(percent) => format!("{percent:.0} %"),
        None if winner(ranking).is_some_and(|best| best.region == entry.region) => "winner".into(),
        None => entry.state.as_str().into(),
    }
}

fn spread_text(spread: Option<Spread>) -> String {
    match spread {
        Some(Spread { average, min, max }) => {
            format!("{:>8.1} {:>8.1} {:>8.1}", ms(average), ms(min), ms(max))
        }
        None => format!("{:>8} {:>8} {:>8}", "-", "-", "-"),
    }
}

fn entry_json(ranking: &Ranking, entry: &Entry) -> Value {
    json!({
        "region": &*entry.name,
        "state": entry.state.as_str(),
        "winner": winner(ranking).is_some_and(|best| best.region == entry.region),
        "winner_gain_percent": gain(ranking, entry),
        "score_ms": entry.score.map(ms),
        "first_token_ms": spread_json(entry.first_token),
        "total_ms": spread_json(entry.total),
        "head_ms": spread_json(entry.head),
        "samples": entry.samples,
        "failures": entry.failures,
        "last_error": entry.last_error.map(|error| error.reason),
    })
}

fn spread_json(spread: Option<Spread>) -> Value {
    spread.map_or(
        Value::Null,
        |Spread { average, min, max }| json!({"avg": ms(average), "min": ms(min), "max": ms(max)}),
    )
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nearway_route::{Asked, Moment, Outcome, Ranker, RegionId, Sample, Source};

    use crate::commands::probe::as_measured;

    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::{config, region};

    /// Two regions of 100 and 160 ms, and one that fails, for deployments as named.
    fn measured(lines: &str) -> Arc<Table> {
        let mut config = config(lines);
        config.regions = ["near", "far", "gone"].map(region).into();
        let probe = Assembly::new(1).make(&config).unwrap().probe;
        let specs = probe.targets.iter().map(|target| target.spec.clone()).collect();
        let mut ranker =
            Ranker::new(as_measured(probe.routing), 1, specs, probe.deployments.clone());
        let at = Moment::ZERO + Duration::from_secs(1);
        for (id, answer) in [(0, Some(100)), (1, Some(160)), (2, None)] {
            let outcome = match answer.map(Duration::from_millis) {
                Some(head) if probe.deployments.is_empty() => Outcome::Reachable { head },
                Some(first) => {
                    Outcome::Answer { first_token: Some(first), total: first * 2, tokens: 3 }
                }
                None => Outcome::Failure {
                    reason: "timeout",
                    after: at.since(Moment::ZERO),
                    retry_after: None,
                },
            };
            let sample = Sample { at, source: Source::Probe, asked: Asked::probe(0), outcome };
            let deployment = probe.deployments.first().map(AsRef::as_ref);
            ranker.observe(RegionId(id), deployment, sample);
        }
        ranker.rank(at).table
    }

    #[test]
    fn the_winner_is_marked_and_the_gain_is_a_share_of_the_other() {
        let text = text(&measured("probe: {deployments: [gpt-4o]}"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "gpt-4o, ranked by first token");
        assert!(lines[3].starts_with("* near "), "{text}");
        assert!(lines[3].contains(" 100.0 ") && lines[3].contains(" 200.0 "), "{text}");
        assert!(lines[4].starts_with("  far ") && lines[4].ends_with("  38 %"), "{text}");
        assert!(lines[5].starts_with("  gone ") && lines[5].ends_with("down: timeout"), "{text}");
        assert_eq!(lines.len(), 6, "the fallback says nothing new");
    }

    #[test]
    fn reachability_is_called_by_its_name() {
        let table = measured("probe: {deployments: []}");
        assert!(text(&table).starts_with("reachability only"), "{}", text(&table));
        let json = json(&table);
        assert_eq!(json["deployments"][0]["ranked_by"], "reachability");
        assert_eq!(json["deployments"][0]["deployment"], Value::Null);
        assert_eq!(json["deployments"][0]["regions"][0]["head_ms"]["avg"], 100.0);
    }

    #[test]
    fn the_json_holds_what_the_table_shows() {
        let json = json(&measured("probe: {deployments: [gpt-4o]}"));
        let gpt = &json["deployments"][0];
        assert_eq!(gpt["winner"], "near");
        assert_eq!(gpt["regions"][1]["winner_gain_percent"], 37.5);
        assert_eq!(gpt["regions"][1]["first_token_ms"]["max"], 160.0);
        assert_eq!(gpt["regions"][2]["last_error"], "timeout");
        assert_eq!(gpt["regions"][2]["winner_gain_percent"], Value::Null);
    }
}
