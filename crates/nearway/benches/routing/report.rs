//! What came of it, as tables.

use std::{fmt::Write as _, rc::Rc};

use crate::{
    contestants::{Contestant, Score},
    worlds::World,
};

/// Costs and times in milliseconds.
impl Score {
    pub(crate) fn mean(&self) -> f64 {
        let costs: f64 = self.ended.iter().map(|ended| ended.cost).sum();
        costs / self.ended.len() as f64
    }

    /// Of the costs: `share` of them are less.
    fn quantile(&self, share: f64) -> f64 {
        quantile(self.ended.iter().map(|ended| ended.cost).collect(), share)
    }

    fn errors(&self) -> usize {
        self.ended.iter().filter(|ended| ended.answer.is_none()).count()
    }

    /// Requests to the regions for each of a client, probes left out.
    fn attempts(&self) -> f64 {
        self.chats.saturating_sub(self.probes) as f64 / self.ended.len() as f64
    }

    /// Median seconds from a change until nine of ten requests go to the right region; `None` where
    /// nothing changes or none ever do.
    fn reaction(&self, changes: &[(f64, usize)]) -> Option<f64> {
        let until_right = |(at, right): &(f64, usize)| {
            let right = format!("r{right}");
            let after: Vec<_> = self.ended.iter().filter(|ended| ended.request.at >= *at).collect();
            let found = after.windows(10).find(|ten| {
                let regions = ten.iter().filter_map(|ended| ended.answer.as_ref());
                regions.filter(|answer| answer.region == right).count() >= 9
            });
            found.and_then(|ten| Some(ten.first()?.request.at - at)).unwrap_or(f64::INFINITY)
        };
        let times: Vec<f64> = changes.iter().map(until_right).collect();
        let median = (!times.is_empty()).then(|| quantile(times, 0.5))?;
        median.is_finite().then_some(median)
    }
}

/// The tables of one world.
pub(crate) fn round(world: &World, scores: &[Score]) -> String {
    let oracle = oracle(scores);
    let changes = world.changes();
    let least = world.least();
    let mut text = format!("\n### {}\n\n", world.name);
    if oracle > NOISY * least {
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "**The machine was too busy**: the oracle took {oracle:.0} ms instead of {least:.0}.\n"
        );
    }
    text += "| | regret | mean | p50 | p95 | p99 | first token p50/p95/p99 | total p50/p95/p99 \
        | right after | changes | probe tokens | attempts | errors |\n\
        |---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for score in scores {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| score.quantile(share));
        let answers = || score.ended.iter().filter_map(|ended| ended.answer.as_ref());
        let streams = || answers().zip(&score.ended).filter(|(_, ended)| ended.request.streams);
        let three = |times: Vec<f64>| {
            [0.5, 0.95, 0.99]
                .map(|share| format!("{:.0}", quantile(times.clone(), share)))
                .join("/")
        };
        let right = score
            .reaction(&changes)
            .map_or_else(|| "-".into(), |seconds| format!("{seconds:.1} s"));
        let _ = writeln!(
            text,
            "| {} | {:+.1} % | {:.0} | {p50:.0} | {p95:.0} | {p99:.0} | {} | {} | {right} | {} | {} | {:.3} | {} |",
            score.contestant.name(),
            100.0 * (score.mean() / oracle - 1.0),
            score.mean(),
            three(streams().map(|(answer, _)| answer.first).collect()),
            three(answers().map(|answer| answer.total).collect()),
            score.changes,
            score.probe_tokens,
            score.attempts(),
            score.errors(),
        );
    }
    text
}

/// One line for each contestant; the best fixed region of each world is one of them.
pub(crate) fn summary(rounds: &[(Rc<World>, Vec<Score>)]) -> String {
    let mut text = String::from(
        "| | mean regret | worst | p99 / oracle's p99 | attempts | errors |\n|---|---|---|---|---|---|\n",
    );
    let Some((_, scores)) = rounds.first() else { return text };
    let contestants = scores.iter().map(|score| score.contestant);
    let moving = contestants.filter(|one| !matches!(one, Contestant::Fixed(_))).map(Some);
    for contestant in moving.chain([None]) {
        let of = |scores: &'_ [Score]| {
            let place = match contestant {
                Some(contestant) => scores.iter().position(|score| score.contestant == contestant),
                None => best_fixed(scores),
            };
            let score = scores.get(place?)?;
            let p99 = scores.first()?.quantile(0.99);
            let (regret, slow) = (score.mean() / oracle(scores), score.quantile(0.99) / p99);
            Some([regret, slow, score.attempts(), score.errors() as f64])
        };
        let all: Vec<[f64; 4]> = rounds.iter().filter_map(|(_, scores)| of(scores)).collect();
        let count = all.len() as f64;
        let geometric = |number: fn(&[f64; 4]) -> f64| {
            (all.iter().map(|one| number(one).ln()).sum::<f64>() / count).exp()
        };
        let worst = all.iter().map(|[regret, ..]| *regret).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "| {} | {:.1} % | {:.1} % | {:.2} | {:.3} | {:.0} |",
            contestant.map_or_else(|| "best fixed region, in hindsight".into(), Contestant::name),
            100.0 * (geometric(|[regret, ..]| *regret) - 1.0),
            100.0 * (worst - 1.0),
            geometric(|[_, slow, ..]| *slow),
            geometric(|[_, _, attempts, _]| *attempts),
            all.iter().map(|[.., errors]| *errors).sum::<f64>(),
        );
    }
    text
}

fn best_fixed(scores: &[Score]) -> Option<usize> {
    let fixed = scores
        .iter()
        .enumerate()
        .filter(|(_, score)| matches!(score.contestant, Contestant::Fixed(_)));
    fixed.min_by(|(_, one), (_, other)| one.mean().total_cmp(&other.mean())).map(|(place, _)| place)
}

/// The oracle's mean; it is the first.
fn oracle(scores: &[Score]) -> f64 {
    scores.first().map_or(f64::NAN, Score::mean)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// More than this, and what was measured is the machine.
const NOISY: f64 = 1.25;
