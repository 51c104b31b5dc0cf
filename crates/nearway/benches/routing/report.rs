//! What came of it, as tables.

use std::fmt::Write as _;

use crate::{
    bars,
    change::{Change, Reaction, Turn, changes, reactions},
    contestant::Contestant,
    round::Round,
    score::Score,
    statistics::{geometric_mean, mean, median},
};

/// The tables of one world.
pub(crate) fn world(round: &Round) -> String {
    let changes = changes(&round.world);
    let mut text = format!("\n### {}\n\n", round.world.name);
    if round.is_noisy() {
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "**The machine was too busy**: the oracle took {:.0} ms instead of {:.0}.\n",
            round.oracle(),
            round.world.least()
        );
    }
    let alone =
        round.alone().map(|score| format!("{} {:.0} ms", score.contestant.name(), score.mean()));
    let _ = writeln!(text, "Mean cost: {}.\n", alone.collect::<Vec<_>>().join(", "));
    text += "| | regret | to best region | to round robin | cost | first token | total \
        | until right: worse, better | changes | probe tokens | attempts | errors |\n\
        |---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for contestant in Contestant::MOVING {
        if let Some(score) = round.of(contestant) {
            text += &row(&contestant.name(), score, round, &changes);
        }
    }
    if let Some(best) = round.best_alone() {
        text += &row(&format!("best region: {}", best.contestant.name()), best, round, &changes);
    }
    text
}

fn row(name: &str, score: &Score, round: &Round, changes: &[Change]) -> String {
    let than = |other: Option<&Score>| {
        other.map_or_else(|| "-".into(), |other| more(score.mean() / other.mean()))
    };
    let reactions = reactions(&score.ended, changes);
    let [worse, better] = [Turn::Worse, Turn::Better].map(|turn| {
        let of_turn = reactions.iter().filter(|one| one.turn == turn);
        seconds(median(&of_turn.map(Reaction::time).collect::<Vec<_>>()))
    });
    let (leaders, tokens) = score.account.map_or_else(
        || ("-".into(), "-".into()),
        |account| {
            let share = format!("{} ({:.1} %)", account.tokens(), 100.0 * account.share());
            (account.changes.to_string(), share)
        },
    );
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {worse}, {better} | {leaders} | {tokens} | {:.3} | {} |\n",
        more(round.ratio(score)),
        than(round.best_alone()),
        than(round.of(Contestant::RoundRobin)),
        score.costs(),
        score.first_tokens(),
        score.totals(),
        score.attempts(),
        score.errors(),
    )
}

/// All worlds in which the machine was not too busy: a line for each contestant, and what Nearway had to
/// reach.
pub(crate) fn summary(rounds: &[Round]) -> String {
    let (noisy, rounds): (Vec<_>, Vec<_>) = rounds.iter().partition(|round| round.is_noisy());
    let mut text = String::from(
        "| | worlds | regret, geometric mean | worst world | p99 / oracle's | attempts | errors |\n\
        |---|---|---|---|---|---|---|\n",
    );
    for contestant in Contestant::MOVING {
        let took_part = rounds.iter().filter_map(|round| Some((*round, round.of(contestant)?)));
        text += &line(&contestant.name(), &took_part.collect::<Vec<_>>());
    }
    let best = rounds.iter().filter_map(|round| Some((*round, round.best_alone()?)));
    text += &line("best region, in hindsight", &best.collect::<Vec<_>>());
    if !noisy.is_empty() {
        let names: Vec<_> = noisy.iter().map(|round| round.world.name).collect();
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "\n**The machine was too busy** in, and this without: {}.",
            names.join(", ")
        );
    }
    format!("{text}\n{}\n{LEGEND}", bars::table(&rounds))
}

fn line(name: &str, took_part: &[(&Round, &Score)]) -> String {
    let all = |number: fn(&Round, &Score) -> f64| -> Vec<f64> {
        took_part.iter().map(|(round, score)| number(round, score)).collect()
    };
    let worst = took_part
        .iter()
        .max_by(|(one, score), (other, its)| one.ratio(score).total_cmp(&other.ratio(its)));
    let Some((worst, score)) = worst else {
        return format!("| {name} | 0 | - | - | - | - | - |\n");
    };
    format!(
        "| {name} | {} | {} | {} ({}) | {:.2} | {:.3} | {:.0} |\n",
        took_part.len(),
        more(geometric_mean(&all(Round::ratio))),
        more(worst.ratio(score)),
        worst.world.name,
        geometric_mean(&all(Round::slowest)),
        mean(&all(|_, score| score.attempts())),
        all(|_, score| score.errors() as f64).iter().sum::<f64>(),
    )
}

fn more(ratio: f64) -> String {
    format!("{:+.1} %", 100.0 * (ratio - 1.0))
}

fn seconds(time: f64) -> String {
    match time {
        time if time.is_nan() => "-".into(),
        time if time.is_infinite() => "never".into(),
        time => format!("{time:.1} s"),
    }
}

const LEGEND: &str = "Times are mean/p50/p95/p99 in milliseconds. A request costs its first token if it \
streams, else its end, and a second more if it fails. The oracle knows what a request costs on average \
in each region at each instant. Until right: the median time from when another region is better by a \
tenth, because the best one got worse or it got better itself, until nine of ten requests go there. \
Probe tokens: prompts and output, and their share of three probes of ten output tokens for each region \
and interval. An interval is a second.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contestant::Strategy,
        round::tests::round,
        score::{
            Account,
            tests::{ended, failed},
        },
    };

    fn of(round: &mut Round, contestant: Contestant) -> &mut Score {
        round.scores.iter_mut().find(|score| score.contestant == contestant).unwrap()
    }

    fn line_of<'a>(text: &'a str, name: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap()
    }

    #[test]
    fn a_world_shows_what_came_of_it_for_each() {
        let mut round = round("brown-out");
        let nearway = of(&mut round, Contestant::Nearway(Strategy::Adaptive));
        nearway.ended = (30..400)
            .map(|tenth| ended(f64::from(tenth) / 10.0, 110.0, usize::from(tenth >= 144)))
            .collect();
        nearway.ended.push(failed(41.0, 1_851.0));
        nearway.chats = 392;
        nearway.account = Some(Account {
            probes: 20,
            prompt_tokens: 180,
            completion_tokens: 20,
            changes: 3,
            rounds: 120.0,
        });
        let text = world(&round);
        assert_eq!(
            line_of(&text, "Nearway adaptive"),
            "| Nearway adaptive | +14.7 % | -11.8 % | -23.5 % | 115/110/110/110 \
             | 110/110/110/110 | 120/120/120/120 | 0.3 s, never | 3 | 200 (2.9 %) | 1.003 | 1 |"
        );
        assert_eq!(
            line_of(&text, "best region: r0 alone"),
            "| best region: r0 alone | +30.0 % | +0.0 % | -13.3 % | 130/130/130/130 \
             | 130/130/130/130 | 140/140/140/140 | never, 0.0 s | - | - | 1.000 | 0 |"
        );
        assert!(text.contains("Mean cost: r0 alone 130 ms, r1 alone 170 ms."));
    }

    #[test]
    fn all_rows_are_as_wide_as_their_head() {
        let rounds = [round("steady"), round("stalled")];
        for text in [world(&rounds[0]), summary(&rounds)] {
            let mut wide = None;
            for line in text.lines() {
                let cells = line.starts_with('|').then(|| line.matches('|').count());
                assert!(wide.is_none() || cells.is_none() || wide == cells, "{line}");
                wide = cells;
            }
        }
    }

    #[test]
    fn the_summary_says_who_was_not_in_all_worlds() {
        let mut rounds = [round("steady"), round("crossover")];
        rounds[1].scores.retain(|score| score.contestant != Contestant::RoundRobin);
        for ended in &mut of(&mut rounds[1], Contestant::Nearway(Strategy::Adaptive)).ended {
            ended.cost = 140.0;
        }
        let text = summary(&rounds);
        assert_eq!(
            line_of(&text, "Nearway adaptive"),
            "| Nearway adaptive | 2 | +24.1 % | +40.0 % (crossover) | 1.24 | 1.000 | 0 |"
        );
        assert!(line_of(&text, "round robin").starts_with("| round robin | 1 | +50.0 % | "));
        assert_eq!(
            line_of(&text, "nginx least_conn"),
            "| nginx least_conn | 0 | - | - | - | - | - |"
        );
        assert!(line_of(&text, "best region, in hindsight").contains("| 2 | +30.0 % |"));
    }

    #[test]
    fn a_busy_machine_is_told() {
        let mut round = round("steady");
        assert!(!world(&round).contains("too busy"));
        for ended in &mut of(&mut round, Contestant::Oracle).ended {
            ended.cost = 900.0;
        }
        assert!(world(&round).contains("**The machine was too busy**: the oracle took 900 ms"));
        let text = summary(&[round]);
        assert!(text.contains("too busy** in, and this without: steady."), "{text}");
        assert!(line_of(&text, "Nearway adaptive").starts_with("| Nearway adaptive | 0 |"));
    }
}
