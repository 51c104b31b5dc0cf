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

/// Everything at a glance, for a terminal that is redrawn. `told` is what happens in the world.
pub(super) fn screen(ranking: &Ranking, tally: &Tally, told: &str) -> String {
    let mut text = format!(
        "The world: {told}.\n\n  {:<12} {:>12} {:>8} {:>8}  {}\n",
        "region", "first token", "samples", "served", "state"
    );
    for (entry, place) in ranking.order.iter().zip(0..) {
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "{} {:<12} {:>12} {:>8} {:>8}  {}",
            if place == 0 { '>' } else { ' ' },
            entry.name,
            entry.first_token.map_or_else(|| "-".into(), |spread| ms(spread.average)),
            entry.samples,
            tally.served.get(&*entry.name).copied().unwrap_or(0),
            state(entry),
        );
    }
    let _ = writeln!(text, "\n{}", line(ranking, told));
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
    use nearway_route::{Moment, Outcome, Ranker, RegionId, Sample, Source};

    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::config;

    #[test]
    fn the_leader_is_marked_with_what_it_served_and_why() {
        let config = config("probe: {deployments: [gpt-4o]}");
        let probe = Assembly::new(1).make(&config).unwrap().probe;
        let specs = probe.targets.iter().map(|target| target.spec.clone()).collect();
        let mut ranker = Ranker::new(probe.routing, 1, specs, probe.deployments.clone());
        let ms = Duration::from_millis;
        let outcome = Outcome::Answer { first_token: Some(ms(90)), total: ms(120), tokens: 1 };
        let at = Moment::ZERO + ms(500);
        let sample = Sample { at, source: Source::Probe, outcome };
        ranker.observe(RegionId(0), Some("gpt-4o"), sample);
        let table = ranker.rank(at).table;
        let tally = Tally { served: [("a".to_owned(), 7)].into(), failed: 0 };
        let text = screen(table.ranking(Some("gpt-4o")), &tally, "all is calm");
        assert!(text.starts_with("The world: all is calm.\n"), "{text}");
        let row = text.lines().find(|line| line.starts_with("> a ")).unwrap();
        assert!(row.contains("90 ms") && row.contains(" 7 ") && row.ends_with("fresh"), "{row}");
        let why = "\na serves: no other region serves this deployment (all is calm)\n";
        assert!(text.contains(why), "{text}");
    }
}
