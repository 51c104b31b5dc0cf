//! One ranking's contest for the lead: entries in, a ranking and perhaps a change of leader out.
//!
//! Puts the entries into their natural order, asks `hysteresis` who leads, and moves that region
//! to the front. By costs, each class of requests has a leader of its own, and the order shown is
//! that of the class that most requests belong to. The ranker holds one contest per probed
//! deployment and one for the fallback.

use std::{sync::Arc, time::Duration};

use crate::{
    hysteresis::{Leader, Leadership, Step},
    mix::{Mix, Typical},
    moment::{Moment, scaled},
    rank::Standing,
    region::RegionId,
    sample::{Measured, Sample},
    settings::Switch,
    shape::{CLASSES, Class},
    table::{Entry, Lead, Ranking, label},
    traffic::Traffic,
    verdict::Verdict,
};

/// The lead in one ranking.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) deployment: Arc<str>,
    /// By class; where scores decide, the first is that of all.
    leaderships: [Leadership; CLASSES],
    mix: Mix,
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
        Self { deployment, leaderships: Default::default(), mix: Mix::default() }
    }

    /// Takes in what a client asked for.
    pub(crate) fn learn(&mut self, sample: &Sample) {
        self.mix.learn(sample);
    }

    /// What clients asked for, as plain numbers.
    pub(crate) fn traffic(&self, now: Moment) -> impl Iterator<Item = Traffic> {
        self.mix.traffic(&self.deployment, now)
    }

    /// Begins with what they asked an earlier process for, so much `later`.
    pub(crate) fn resume(&mut self, kept: &Traffic, later: Duration, now: Moment) {
        self.mix.resume(kept, later, now);
    }

    /// What a request of this class is like.
    pub(crate) fn typical(&self, class: Class) -> Typical {
        self.mix.typical(class)
    }

    /// Whether this region leads for any class of requests.
    pub(crate) fn is_led_by(&self, region: RegionId) -> bool {
        self.leaderships.iter().any(|leadership| leadership.leader() == Some(region))
    }

    /// Ranks these entries by score; they are given in configured order.
    pub(crate) fn by_score(
        &mut self,
        entries: Vec<Entry>,
        measured: Measured,
        switch: &Switch,
        now: Moment,
    ) -> (Ranking, Option<LeaderChange>) {
        let standings = entries.iter().enumerate().map(|(place, entry)| {
            Standing::new(entry.region, place, entry.state, entry.score)
                .in_tier(entry.tier)
                .failed_at(entry.last_failure)
        });
        let [leadership, ..] = &mut self.leaderships;
        let heat = Heat::run(leadership, standings.collect(), &entries, switch, now);
        self.ranking(entries, heat, Vec::new(), measured)
    }

    /// Ranks them by what requests would cost there, each class by itself.
    pub(crate) fn by_cost(
        &mut self,
        mut entries: Vec<Entry>,
        measured: Measured,
        switch: &Switch,
        now: Moment,
    ) -> (Ranking, Option<LeaderChange>) {
        let main = self.mix.main(now);
        let mut of_main = None;
        let mut leads = Vec::with_capacity(CLASSES);
        for (class, leadership) in Class::all().zip(&mut self.leaderships) {
            let typical = self.mix.typical(class);
            let places = entries.iter().enumerate();
            let standings = places.map(|(place, entry)| standing(entry, place, &typical));
            let heat = Heat::run(leadership, standings.collect(), &entries, switch, now);
            leads.push(heat.lead(typical, class == main));
            if class == main {
                of_main = Some((heat, typical));
            }
        }
        let Some((heat, typical)) = of_main else {
            // there is no other class
            return self.by_score(entries, measured, switch, now);
        };
        for entry in &mut entries {
            entry.score = score(entry, &typical).map(|(score, _)| score);
        }
        self.ranking(entries, heat, leads, measured)
    }

    fn ranking(
        &self,
        entries: Vec<Entry>,
        heat: Heat,
        leads: Vec<Lead>,
        measured: Measured,
    ) -> (Ranking, Option<LeaderChange>) {
        let mut order = in_order(entries, &heat.standings);
        let verdict = heat.verdict();
        if let Some(to_front) = heat.won.as_ref().and_then(|won| order.get_mut(..=won.position)) {
            to_front.rotate_right(1);
        }
        let change = match (heat.won.map(|won| won.step), order.first()) {
            (Some(Step::Follows(from)), Some(leader)) => Some(LeaderChange {
                deployment: Arc::clone(&self.deployment),
                from,
                to: Arc::clone(&leader.name),
                verdict,
                at: heat.at,
            }),
            _ => None,
        };
        let ranking = Ranking {
            deployment: Arc::clone(&self.deployment),
            measured,
            order: order.into_boxed_slice(),
            leader_since: heat.since,
            leads: leads.into_boxed_slice(),
            verdict,
        };
        (ranking, change)
    }
}

/// One decision of a lead.
#[derive(Debug)]
struct Heat {
    /// In natural order.
    standings: Vec<Standing>,
    /// `None` if there is nobody.
    won: Option<Won>,
    since: Option<Moment>,
    at: Moment,
}

#[derive(Debug)]
struct Won {
    /// Place of the leader in the natural order.
    position: usize,
    verdict: Verdict,
    step: Step,
}

impl Heat {
    fn run(
        leadership: &mut Leadership,
        mut standings: Vec<Standing>,
        entries: &[Entry],
        switch: &Switch,
        now: Moment,
    ) -> Self {
        standings.sort_unstable();
        let decision = leadership.decide(&standings, switch, now);
        let won = decision.and_then(|decision| {
            let standing = standings.get(decision.position)?;
            let entry = entries.iter().find(|entry| entry.region == standing.region())?;
            let next = Leader {
                region: entry.region,
                name: Arc::clone(&entry.name),
                since: now,
                scored: entry.known.and_then(|_| standing.score()),
            };
            let step = leadership.follow(next, &standings, switch.hold);
            Some(Won { position: decision.position, verdict: decision.verdict, step })
        });
        if won.is_none() {
            leadership.vacate();
        }
        Self { standings, won, since: leadership.since(), at: now }
    }

    fn verdict(&self) -> Verdict {
        self.won.as_ref().map_or(Verdict::Configured, |won| won.verdict)
    }

    fn lead(&self, typical: Typical, main: bool) -> Lead {
        let leader = self.won.as_ref().and_then(|won| self.standings.get(won.position));
        Lead {
            leader: leader.map(Standing::region),
            since: self.since,
            verdict: self.verdict(),
            typical,
            main,
        }
    }
}

fn standing(entry: &Entry, place: usize, typical: &Typical) -> Standing {
    let scored = score(entry, typical);
    let (score, doubt) = scored.unzip();
    Standing::new(entry.region, place, entry.state, score)
        .in_tier(entry.tier)
        .failed_at(entry.last_failure)
        .doubted(doubt.unwrap_or_default())
}

/// What a typical request costs in a region, and how little is known of that.
fn score(entry: &Entry, typical: &Typical) -> Option<(Duration, Duration)> {
    let calm = entry.known?.calm(typical.beside(typical.shape, 0));
    let time = |millis: f64| scaled(Duration::from_millis(1), millis);
    Some((time(calm.millis), time(calm.doubt)))
}

/// The entries in the order of their standings.
fn in_order(mut entries: Vec<Entry>, standings: &[Standing]) -> Vec<Entry> {
    let place = |entry: &Entry| standings.iter().position(|one| one.region() == entry.region);
    entries.sort_by_cached_key(place);
    entries
}
