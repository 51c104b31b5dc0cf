//! What the demo shows: which region serves, why, and what happens in the world. Pure text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use nearway_route::{Entry, Ranking, State};

/// What the demo's own clients saw so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Answered requests by the region that served them.
    pub(super) served: BTreeMap<String, u64>,
    /// Requests that ended in an error for the client.
    pub(super) failed: u64,
}

/// Everything at a glance, for a terminal of 80 columns that is redrawn. `told` is what happens in
/// the world.
pub(super) fn screen(ranking: &Ranking, tally: &Tally, told: &str) -> String {
    let mut text = format!(
        "The world: {told}.\n\n  {:<12} {:>8} {:>12} {:>8} {:>7}  {}\n",
        "region", "score", "first token", "samples", "served", "state"
    );
    for (entry, place) in ranking.order.iter().zip(0..) {
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "{} {:<12} {:>8} {:>12} {:>8} {:>7}  {}",
            if place == 0 { '>' } else { ' ' },
            entry.name,
            entry.score.map_or_else(|| "-".into(), ms),
            entry.first_token.map_or_else(|| "-".into(), |spread| ms(spread.average)),
            entry.samples,
            tally.served.get(&*entry.name).copied().unwrap_or(0),
            state(entry),
        );
    }
    text.push_str("  The score is the average first token; each failed probe costs seconds.\n\n");
    let _ = match ranking.leader() {
        Some(leader) => writeln!(text, "{} serves.\nWhy: {}.", leader.name, ranking.verdict),
        None => writeln!(text, "No region serves."),
    };
    let _ = writeln!(text, "Requests that failed for a client: {}", tally.failed);
    text
}

/// The same in one line, for a log; changes exactly when something worth telling does.
pub(super) fn line(ranking: &Ranking, told: &str) -> String {
    match ranking.leader() {
        Some(leader) => format!("{} serves: {} ({told})", leader.name, ranking.verdict),
        None => format!("no region serves ({told})"),
    }
}

fn state(entry: &Entry) -> String {
    match (entry.state, entry.last_error) {
        (State::Down, Some(error)) => format!("down: {}", error.reason),
        (state, _) => state.as_str().into(),
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use nearway_route::{LastError, Measured, Moment, Spread, Verdict};

    use super::super::story;
    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::config;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn entry(name: &str, score: u64, first_token: u64) -> Entry {
        let config = config("probe: {deployments: [gpt-4o]}");
        let probe = Assembly::new(1).make(&config).unwrap().probe;
        let (_, table) = nearway_probe::initial_table(&probe, Moment::ZERO);
        let first_token = millis(first_token);
        Entry {
            name: name.into(),
            state: State::Fresh,
            score: Some(millis(score)),
            first_token: Some(Spread { average: first_token, min: first_token, max: first_token }),
            samples: 5,
            ..table.ranking(Some("gpt-4o")).order[0].clone()
        }
    }

    fn ranking(order: impl IntoIterator<Item = Entry>, verdict: Verdict) -> Ranking {
        Ranking {
            deployment: "gpt-4o".into(),
            measured: Measured::FirstToken,
            order: order.into_iter().collect(),
            leader_since: None,
            leads: Box::default(),
            verdict,
        }
    }

    #[test]
    fn the_leader_is_marked_with_what_it_served_and_why() {
        let ranking = ranking([entry("a", 90, 90)], Verdict::Only);
        let tally = Tally { served: [("a".to_owned(), 7)].into(), failed: 0 };
        let text = screen(&ranking, &tally, "all is calm");
        assert!(text.starts_with("The world: all is calm.\n"), "{text}");
        let row = text.lines().find(|line| line.starts_with("> a ")).unwrap();
        assert!(row.contains("90 ms") && row.contains(" 7 ") && row.ends_with("fresh"), "{row}");
        let why = "\na serves.\nWhy: no other region serves this deployment.\n";
        assert!(text.contains(why), "{text}");
    }

    #[test]
    fn a_region_behind_a_slower_one_shows_the_score_that_puts_it_there() {
        let order = [entry("slow", 320, 320), entry("failed", 1_090, 90)];
        let text = screen(&ranking(order, Verdict::Best), &Tally::default(), "");
        let row = text.lines().find(|line| line.starts_with("  failed")).unwrap();
        assert!(row.contains(" 1090 ms ") && row.contains(" 90 ms "), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let mut down = entry("westeurope", 99_999, 99_999);
        down.state = State::Down;
        down.last_error = Some(LastError { at: Moment::ZERO, reason: "connect_timeout" });
        for verdict in Verdict::ALL {
            for told in story::all_told() {
                let ranking = ranking([down.clone()], verdict);
                let text = screen(&ranking, &Tally::default(), told);
                let widest = text.lines().max_by_key(|line| line.len()).unwrap();
                assert!(widest.len() < 80, "{} columns: {widest}", widest.len());
            }
        }
    }
}
