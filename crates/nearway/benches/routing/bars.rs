//! What Nearway has to reach, and whether it did.

use std::fmt::Write as _;

use crate::{
    change::{Reaction, Turn, changes, reactions},
    contestant::{Contestant, Strategy},
    round::Round,
    score::{Account, Score},
    statistics::{geometric_mean, mean, median, most},
    world::INTERVAL,
};

/// One number that must not be higher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) asks: &'static str,
    pub(crate) most: f64,
    /// `NaN` where no world tells.
    pub(crate) measured: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Percent,
    Times,
    Intervals,
    Count,
}

impl Bar {
    pub(crate) fn verdict(&self) -> &'static str {
        match self.measured {
            measured if measured.is_nan() => "not measured",
            measured if measured <= self.most => "met",
            _ => "**missed**",
        }
    }

    fn shown(&self, number: f64) -> String {
        match self.unit {
            _ if number.is_nan() => "-".into(),
            Unit::Percent => format!("{:.1} %", 100.0 * number),
            Unit::Times => format!("{number:.3}"),
            Unit::Intervals if number.is_infinite() => "never".into(),
            Unit::Intervals => format!("{number:.2}"),
            Unit::Count => format!("{number:.0}"),
        }
    }
}

/// All of them, for one contestant.
pub(crate) fn bars(rounds: &[&Round], contestant: Contestant) -> Vec<Bar> {
    let took_part: Vec<(&Round, &Score)> =
        rounds.iter().filter_map(|round| Some((*round, round.of(contestant)?))).collect();
    let all = |number: fn(&Round, &Score) -> f64| -> Vec<f64> {
        took_part.iter().map(|(round, score)| number(round, score)).collect()
    };
    let regrets = all(|round, score| round.ratio(score) - 1.0);
    let ratios = all(Round::ratio);
    let bar = |asks, most, measured, unit| Bar { asks, most, measured, unit };
    let share = |of: fn(&Account) -> f64| {
        let accounts = took_part.iter().filter_map(|(_, score)| score.account.as_ref());
        mean(&accounts.map(of).collect::<Vec<_>>())
    };
    // of nobody, no error is no merit
    let errors = all(|_, score| score.errors() as f64).into_iter().reduce(|one, other| one + other);
    let calm = took_part.iter().filter(|(round, _)| round.world.never_fails());
    let below = calm.map(|(round, score)| score.mean() / round.average_alone());
    let reacted: Vec<Reaction> = took_part
        .iter()
        .flat_map(|(round, score)| reactions(&score.ended, &changes(&round.world)))
        .collect();
    let times = |turn: Turn| {
        let of_turn = reacted.iter().filter(|reaction| reaction.turn == turn);
        median(&of_turn.map(|one| one.time() / INTERVAL).collect::<Vec<_>>())
    };
    let longest = most(&reacted.iter().map(|one| one.seconds / INTERVAL).collect::<Vec<_>>());
    vec![
        bar("1. regret, geometric mean", 0.12, geometric_mean(&ratios) - 1.0, Unit::Percent),
        bar("1. regret, worst world", 0.3, most(&regrets), Unit::Percent),
        bar("2. p99 / the oracle's", 1.6, geometric_mean(&all(Round::slowest)), Unit::Times),
        bar("3. errors", 0.0, errors.unwrap_or(f64::NAN), Unit::Count),
        bar("3. attempts for each request", 1.03, mean(&all(|_, one| one.attempts())), Unit::Times),
        bar(
            "3. probe output, of three times ten tokens",
            0.1,
            share(Account::output_share),
            Unit::Percent,
        ),
        bar("3. the same with prompts", 0.1, share(Account::share), Unit::Percent),
        bar("4. intervals until right, one got worse", 0.5, times(Turn::Worse), Unit::Intervals),
        bar("4. intervals until right, one got better", 1.5, times(Turn::Better), Unit::Intervals),
        bar("4. intervals until right, the longest", 5.0, longest, Unit::Intervals),
        bar(
            "5. cost, of the average region's, where none fails",
            0.8,
            geometric_mean(&below.collect::<Vec<_>>()),
            Unit::Percent,
        ),
    ]
}

/// For both of Nearway's strategies.
pub(crate) fn table(rounds: &[&Round]) -> String {
    let [adaptive, average] = [Strategy::Adaptive, Strategy::Average]
        .map(|strategy| bars(rounds, Contestant::Nearway(strategy)));
    let mut text =
        String::from("| bar | at most | Nearway adaptive | Nearway average |\n|---|---|---|---|\n");
    for (one, other) in adaptive.iter().zip(&average) {
        let [one_told, other_told] =
            [one, other].map(|bar| format!("{} {}", bar.shown(bar.measured), bar.verdict()));
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "| {} | {} | {one_told} | {other_told} |",
            one.asks,
            one.shown(one.most)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        round::tests::round,
        score::tests::{ended, failed},
        world::END,
    };

    const ADAPTIVE: Contestant = Contestant::Nearway(Strategy::Adaptive);

    fn measured(rounds: &[Round], asks: &str) -> Bar {
        let bars = bars(&rounds.iter().collect::<Vec<_>>(), ADAPTIVE);
        *bars.iter().find(|bar| bar.asks.contains(asks)).unwrap()
    }

    fn near(bar: &Bar, expected: f64) {
        assert!((bar.measured - expected).abs() < 1e-9, "{bar:?}");
    }

    fn adaptive(round: &mut Round) -> &mut Score {
        round.scores.iter_mut().find(|score| score.contestant == ADAPTIVE).unwrap()
    }

    #[test]
    fn regret_is_the_geometric_mean_and_the_worst() {
        let mut rounds = [round("steady"), round("crossover")];
        for ended in &mut adaptive(&mut rounds[1]).ended {
            ended.cost = 140.0;
        }
        near(&measured(&rounds, "regret, geometric"), (1.1_f64 * 1.4).sqrt() - 1.0);
        near(&measured(&rounds, "regret, worst"), 0.4);
        near(&measured(&rounds, "p99"), (1.1_f64 * 1.4).sqrt());
        assert_eq!(measured(&rounds, "regret, worst").verdict(), "**missed**");
        assert_eq!(measured(&rounds, "p99").verdict(), "met");
    }

    #[test]
    fn one_error_is_too_many() {
        let mut rounds = [round("steady")];
        assert_eq!(measured(&rounds, "errors").verdict(), "met");
        adaptive(&mut rounds[0]).ended.push(failed(41.0, 1_200.0));
        near(&measured(&rounds, "errors"), 1.0);
        assert_eq!(measured(&rounds, "errors").verdict(), "**missed**");
    }

    #[test]
    fn attempts_and_tokens_leave_probes_out_and_in() {
        let mut rounds = [round("steady")];
        let score = adaptive(&mut rounds[0]);
        score.chats = 50;
        let account = Account {
            probes: 10,
            prompt_tokens: 90,
            completion_tokens: 10,
            changes: 0,
            rounds: 100.0,
        };
        score.account = Some(account);
        near(&measured(&rounds, "attempts"), 1.0);
        near(&measured(&rounds, "probe output"), 10.0 / 3_000.0);
        near(&measured(&rounds, "with prompts"), 100.0 / 5_700.0);
    }

    #[test]
    fn only_worlds_without_failures_count_against_the_average_region() {
        near(&measured(&[round("steady"), round("stalled")], "average region"), 110.0 / 150.0);
        assert!(measured(&[round("stalled")], "average region").measured.is_nan());
    }

    #[test]
    fn reactions_are_told_by_what_turned() {
        let mut rounds = [round("brown-out")];
        // ten a second: half a second late at 14 s, and never back
        let place = |tenth: u32| usize::from(tenth >= 145);
        adaptive(&mut rounds[0]).ended =
            (30..400).map(|tenth| ended(f64::from(tenth) / 10.0, 100.0, place(tenth))).collect();
        // from 14.4 s on, nine of ten are right
        near(&measured(&rounds, "got worse"), 14.4 - 14.0);
        assert!(measured(&rounds, "got better").measured.is_infinite());
        near(&measured(&rounds, "the longest"), END - 24.0);
        let text = table(&rounds.each_ref());
        assert!(text.contains("one got better | 1.50 | never **missed** |"), "{text}");
    }

    #[test]
    fn what_no_world_tells_is_neither_met_nor_missed() {
        let rounds = [round("steady")];
        for asks in ["got worse", "got better", "longest", "probe output"] {
            assert_eq!(measured(&rounds, asks).verdict(), "not measured", "{asks}");
        }
        let nobody = bars(&rounds.each_ref(), Contestant::Nginx);
        assert!(nobody.iter().all(|bar| bar.verdict() == "not measured"), "{nobody:?}");
    }
}
