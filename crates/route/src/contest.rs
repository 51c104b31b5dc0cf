//! One ranking's contest for the lead: entries in, a ranking and perhaps a change of leader out.
//!
//! Puts the entries into their natural order, asks `hysteresis` who leads, and moves that region
//! to the front. The ranker holds one per probed deployment and one for the fallback.

use std::sync::Arc;

use crate::{
    hysteresis::{Leader, Leadership, Step},
    moment::Moment,
    rank::Standing,
    sample::Measured,
    settings::Switch,
    table::{Entry, Ranking, label},
    verdict::Verdict,
};

/// The lead in one ranking.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) deployment: Arc<str>,
    leadership: Leadership,
}

/// A ranking got another leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// As in [`Ranking::deployment`]: empty for the fallback.
    pub deployment: Arc<str>,
    /// Who led; `None` at the start.
    pub from: Option<Arc<str>>,
    /// Who leads.
    pub to: Arc<str>,
    /// Why it took over.
    pub verdict: Verdict,
    /// When.
    pub at: Moment,
}

impl LeaderChange {
    /// As [`Ranking::label`].
    pub fn label(&self) -> &str {
        label(&self.deployment)
    }
}

impl Contest {
    /// Nobody leads yet.
    pub(crate) fn new(deployment: Arc<str>) -> Self {
        Self { deployment, leadership: Leadership::default() }
    }

    /// Ranks these entries, given in configured order.
    pub(crate) fn run(
        &mut self,
        entries: Vec<Entry>,
        measured: Measured,
        switch: &Switch,
        now: Moment,
    ) -> (Ranking, Option<LeaderChange>) {
        let (standings, mut order) = natural_order(entries);
        let decision = self.leadership.decide(&standings, switch, now);
        let verdict = decision.map_or(Verdict::Configured, |decision| decision.verdict);
        if let Some(to_front) = decision.and_then(|decision| order.get_mut(..=decision.position)) {
            to_front.rotate_right(1);
        }

        let change = match order.first() {
            Some(entry) => {
                let next =
                    Leader { region: entry.region, name: Arc::clone(&entry.name), since: now };
                let change = |from| LeaderChange {
                    deployment: Arc::clone(&self.deployment),
                    from,
                    to: Arc::clone(&entry.name),
                    verdict,
                    at: now,
                };
                match self.leadership.follow(next, &standings, switch.hold) {
                    Step::Stays => None,
                    Step::Follows(from) => Some(change(from)),
                }
            }
            None => {
                self.leadership.vacate();
                None
            }
        };
        let ranking = Ranking {
            deployment: Arc::clone(&self.deployment),
            measured,
            order: order.into_boxed_slice(),
            leader_since: self.leadership.since(),
            verdict,
        };
        (ranking, change)
    }
}

/// The entries in natural order, each with its standing at the same index.
fn natural_order(entries: Vec<Entry>) -> (Vec<Standing>, Vec<Entry>) {
    let mut both: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(place, entry)| {
            let standing = Standing::new(entry.region, place, entry.state, entry.score);
            (standing.failed_at(entry.last_failure), entry)
        })
        .collect();
    both.sort_unstable_by_key(|(standing, _)| *standing);
    both.into_iter().unzip()
}
