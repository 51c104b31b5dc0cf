//! The order in which one request tries regions.
//!
//! On the request path: no allocation, no lock. It knows what was tried, and asks the vitals at
//! each step, so that a cool-down set a moment ago already counts. How many attempts a request
//! gets, and whether it may be repeated at all, the proxy decides.

use crate::{
    choice::{Home, Preferred, Why, cheapest, home_in_order},
    condition::Condition,
    lack::Lack,
    moment::Moment,
    region::RegionId,
    shape::Shape,
    table::{Entry, Lead, Ranking},
};

/// Regions one request tries at most; the plan ends there.
pub const MAX_TRIED: usize = 32;

/// What one request wants and has tried so far.
#[derive(Clone, Debug)]
pub struct Plan {
    operation: Lack,
    last_resort: bool,
    sent_once: bool,
    shape: Option<Shape>,
    home: Option<Home>,
    why: Why,
    tried: [RegionId; MAX_TRIED],
    count: usize,
}

impl Plan {
    /// Nothing tried yet. `operation` is what the request needs; with `last_resort` it rather goes
    /// to a region that is out than nowhere.
    pub const fn new(operation: Lack, last_resort: bool) -> Self {
        let tried = [RegionId(0); MAX_TRIED];
        Self {
            operation,
            last_resort,
            sent_once: false,
            shape: None,
            home: None,
            why: Why::Order,
            tried,
            count: 0,
        }
    }

    /// The request can't be repeated elsewhere if it fails. It is no breaker's trial while another
    /// region is fit, unless nobody else has made that trial for long.
    ///
    /// It takes its turn where traffic returns: such a region has answered, and traffic that is all
    /// of this kind would else come back at one blow.
    #[must_use]
    pub const fn sent_once(self, sent_once: bool) -> Self {
        Self { sent_once, ..self }
    }

    /// What the request is like: it goes where such a one costs least. Without, the ranking's order
    /// decides.
    #[must_use]
    pub const fn of(self, shape: Shape) -> Self {
        Self { shape: Some(shape), ..self }
    }

    /// Where the prompt is in the cache: the first attempt goes there while that region is fit, of the best
    /// tier, and not much slower than the best there is. By [cost](Self::of), or by score where the order
    /// decides.
    #[must_use]
    pub const fn at_home(self, home: Option<Home>) -> Self {
        Self { home, ..self }
    }

    /// The region to try next, among those that are `allowed`; `None` when there is none left that
    /// may be tried. The request must be sent there: a trial may have been claimed for it.
    ///
    /// 1. In the ranking's order, or by [cost](Self::of), those that can be expected to answer: the good
    ///    ones, and of those whose traffic returns each when its turn is. A request's first attempt is also the trial
    ///    of a half-open breaker, unless it is [sent once](Self::sent_once); a later one has seen a
    ///    fault already and does not look for more.
    /// 2. Else the least bad by [`Condition`]: nearly spent, then recovering.
    /// 3. As a last resort those that are out, by condition, and within one by what is left of its
    ///    deadlines: cooled, down, open, unauthorized, lacking.
    ///
    /// Those that are equal come in the ranking's order. No region comes twice, even if the ranking
    /// changes between two calls.
    pub fn next<'t>(
        &mut self,
        ranking: &'t Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<&'t Entry> {
        let (entry, why) = self.choose(ranking, now, allowed, Ask::Take)?;
        self.why = why;

        *self.tried.get_mut(self.count)? = entry.region;
        self.count = self.count.saturating_add(1);
        Some(entry)
    }

    /// The region that [`Self::next`] would give out now, and why. Whoever only looks claims no trial
    /// and takes nobody's turn.
    pub fn look<'t>(
        &self,
        ranking: &'t Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<(&'t Entry, Why)> {
        self.choose(ranking, now, allowed, Ask::Look)
    }

    fn choose<'t>(
        &self,
        ranking: &'t Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
        ask: Ask,
    ) -> Option<(&'t Entry, Why)> {
        if self.count == MAX_TRIED {
            return None;
        }
        let left = || {
            let order = ranking.order.iter();
            order.filter(|entry| !self.has_tried(entry.region) && allowed(entry))
        };
        let costed = self.shape.and_then(|shape| Some((shape, ranking.lead(shape.class())?)));
        let fit = match costed {
            Some(costed) => self.by_cost(costed, left, now, ask),
            None => self.by_order(left, now, ask),
        };
        match fit {
            Some(fit) => Some(fit),
            None => Some((self.least_bad(left, now, ask)?, Why::LeastBad)),
        }
    }

    /// Why the region that was given out last was the one.
    pub const fn why(&self) -> Why {
        self.why
    }

    /// The home as long as it is preferred, else the first fit region; `None` if none is fit.
    fn by_order<'t, I: Iterator<Item = &'t Entry>>(
        &self,
        left: impl Fn() -> I,
        now: Moment,
        ask: Ask,
    ) -> Option<(&'t Entry, Why)> {
        if let Some(home) = self.home.filter(|_| self.count == 0) {
            let seems_fit = |entry: &&Entry| self.seems_fit(entry, now);
            let tier = left().filter(seems_fit).map(|entry| entry.tier).min()?;
            let in_tier = || left().filter(seems_fit).filter(|entry| entry.tier == tier);
            let entry = home_in_order(in_tier, home);
            if let Some(entry) = entry.filter(|entry| self.is_fit(entry, now, ask)) {
                return Some((entry, Why::Home));
            }
        }
        let first = left().find(|entry| self.is_fit(entry, now, ask));
        first.map(|entry| (entry, Why::Order))
    }

    /// The fit region that costs least; `None` if none is fit.
    fn by_cost<'t, I: Iterator<Item = &'t Entry>>(
        &self,
        (shape, lead): (Shape, &Lead),
        left: impl Fn() -> I,
        now: Moment,
        ask: Ask,
    ) -> Option<(&'t Entry, Why)> {
        let mut refused = [RegionId(0); MAX_TRIED];
        let mut count = 0;
        loop {
            let refused_here = refused.get(..count).unwrap_or_default();
            let seems_fit = |entry: &&Entry| {
                !refused_here.contains(&entry.region) && self.seems_fit(entry, now)
            };
            let tier = left().filter(seems_fit).map(|entry| entry.tier).min()?;
            let in_tier = || left().filter(seems_fit).filter(|entry| entry.tier == tier);
            let preferred = match self.count {
                0 => Preferred { leader: lead.leader, home: self.home },
                _ => Preferred::default(),
            };
            let (entry, why) = cheapest(in_tier, preferred, shape, &lead.typical, now)?;
            if self.is_fit(entry, now, ask) {
                return Some((entry, why));
            }
            // it is not its turn, or a trial is under way there
            *refused.get_mut(count)? = entry.region;
            count += 1;
        }
    }

    /// Whether this region may turn out to be [fit](Self::is_fit); asks nobody's turn.
    fn seems_fit(&self, entry: &Entry, now: Moment) -> bool {
        self.fit_if(entry, now, || true)
    }

    /// Whether this region is to be taken where it stands in the ranking.
    fn is_fit(&self, entry: &Entry, now: Moment, ask: Ask) -> bool {
        self.fit_if(entry, now, || {
            let may_try = self.may_try(entry, now);
            match ask {
                Ask::Take => entry.admits(now, may_try),
                Ask::Look => entry.would_admit(now, may_try),
            }
        })
    }

    /// Whether it is good, or recovers with some quota left and it is this request's turn.
    fn fit_if(&self, entry: &Entry, now: Moment, is_turn: impl FnOnce() -> bool) -> bool {
        match entry.condition(self.operation, now) {
            Condition::Good => true,
            Condition::Recovering => entry.nearly_spent_for(now).is_none() && is_turn(),
            _ => false,
        }
    }

    /// Whether the request may be the trial of a breaker of this region.
    fn may_try(&self, entry: &Entry, now: Moment) -> bool {
        self.count == 0 && (!self.sent_once || entry.trial_is_overdue(now))
    }

    fn least_bad<'t, I: Iterator<Item = &'t Entry>>(
        &self,
        left: impl Fn() -> I,
        now: Moment,
        ask: Ask,
    ) -> Option<&'t Entry> {
        loop {
            let badness = |entry: &&Entry| {
                let condition = entry.condition(self.operation, now);
                (condition, condition.is_out().then(|| entry.out_for(self.operation, now)))
            };
            let entry = left().min_by_key(badness)?;
            let is_out = entry.condition(self.operation, now).is_out();
            if is_out && !self.last_resort {
                return None;
            }
            let has_trial = match ask {
                Ask::Take => entry.claim_trial(now),
                Ask::Look => entry.has_trial(now),
            };
            // a trial that another worker took a moment ago: now the region is out, so look again
            if has_trial || is_out {
                return Some(entry);
            }
        }
    }

    /// How many regions were given out.
    pub const fn attempts(&self) -> usize {
        self.count
    }

    fn has_tried(&self, region: RegionId) -> bool {
        self.tried.iter().take(self.count).any(|tried| *tried == region)
    }
}

/// Whether a request will be sent to the region that is chosen.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// It will: its trial is claimed, and its turn taken.
    Take,
    /// Nothing is sent, and nothing changes.
    Look,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;
    use crate::{
        backoff::Backoff,
        breaker::{BreakerSettings, BreakerState, Failure},
        estimate::{Circumstances, Estimate},
        health::State,
        knowledge::Known,
        mix::Mix,
        pending::Pends,
        sample::Measured,
        shape::Class,
        verdict::Verdict,
        vitals::Vitals,
    };

    const BREAKER: BreakerSettings = BreakerSettings {
        ratio: 0.5,
        minimum: 10,
        in_a_row: 2,
        window: Duration::from_secs(10),
        pause: Backoff { least: Duration::from_secs(2), most: Duration::from_secs(60) },
        ramp: Duration::from_secs(16),
    };
    const CHAT: Lack = Lack::operation(0);
    const SPEECH: Lack = Lack::operation(6);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn cooled(id: u32, state: State, seconds: u64) -> Entry {
        let entry = Entry::bare(id, state);
        entry.vitals.cool_until(at(seconds));
        entry
    }

    fn ranking(order: impl IntoIterator<Item = Entry>) -> Ranking {
        Ranking {
            deployment: "gpt-4o".into(),
            measured: Measured::FirstToken,
            order: order.into_iter().collect(),
            leader_since: None,
            leads: Box::default(),
            verdict: Verdict::Best,
        }
    }

    fn fresh(ids: std::ops::Range<u32>) -> Ranking {
        ranking(ids.map(|id| Entry::bare(id, State::Fresh)))
    }

    fn open(vitals: &Vitals, now: Moment) {
        assert!(vitals.breaker().failed(Failure::Unreachable, now, now, &BREAKER));
    }

    fn all_of(ranking: &Ranking, now: Moment, allowed: impl Fn(&Entry) -> bool) -> Vec<u32> {
        rest_of(Plan::new(CHAT, true), ranking, now, allowed)
    }

    fn rest_of(
        mut plan: Plan,
        ranking: &Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Vec<u32> {
        std::iter::from_fn(|| plan.next(ranking, now, &allowed))
            .map(|entry| entry.region.0)
            .collect()
    }

    fn first_of(ranking: &Ranking, now: Moment) -> Option<u32> {
        Plan::new(CHAT, false).next(ranking, now, |_| true).map(|entry| entry.region.0)
    }

    #[test]
    fn good_ones_come_in_order_then_the_least_bad() {
        let ranking = ranking([
            cooled(0, State::Fresh, 60),
            Entry::bare(1, State::Fresh),
            Entry::bare(2, State::Stale),
            cooled(3, State::Unknown, 5),
            Entry::bare(4, State::Unknown),
            Entry::bare(5, State::Down),
            cooled(6, State::Down, 5),
            Entry::bare(7, State::Down),
        ]);
        let now = Moment::ZERO;
        assert_eq!(all_of(&ranking, now, |_| true), [1, 2, 4, 3, 0, 5, 7, 6]);
        assert_eq!(all_of(&ranking, now, |entry| entry.region.0 % 2 == 0), [2, 4, 0, 6]);
        assert_eq!(all_of(&ranking, now, |_| false), [0_u32; 0]);
        let sober = Plan::new(CHAT, false);
        assert_eq!(rest_of(sober, &ranking, now, |_| true), [1, 2, 4], "no last resort");
    }

    #[test]
    fn one_clear_order_of_badness() {
        let ranking = fresh(0..10);
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, _] = &*ranking.order else {
            panic!("as many as made")
        };
        r0.vitals.lack_until(Lack::DEPLOYMENT, at(300));
        r1.vitals.lack_until(CHAT, at(200));
        r2.region_vitals.unauthorized_until(at(100));
        open(&r3.region_vitals, at(2));
        open(&r4.vitals, at(1));
        r5.vitals.cool_until(at(50));
        open(&r6.vitals, Moment::ZERO);
        assert!(r6.vitals.breaker().answered(at(2), at(2), &BREAKER));
        r7.vitals.nearly_spent_until(at(20));
        r8.vitals.lack_until(SPEECH, at(300));

        let now = at(2);
        let conditions = ranking.order.iter().map(|entry| entry.condition(CHAT, now).as_str());
        let expected = [
            "lacking",
            "lacking",
            "unauthorized",
            "open",
            "open",
            "cooled",
            "recovering",
            "nearly_spent",
            "good",
            "good",
        ];
        assert!(conditions.eq(expected));
        // the first request is the turn of those whose traffic returns, the next ones are not
        assert_eq!(all_of(&ranking, now, |_| true), [6, 8, 9, 7, 5, 4, 3, 2, 1, 0]);
        assert_eq!(all_of(&ranking, now, |_| true), [8, 9, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(ranking.fit(CHAT, now), 4);
        assert_eq!(ranking.fit_in(CHAT, now, |_| true), None);
        let out = |entry: &Entry| entry.region.0 < 4;
        assert_eq!(ranking.fit_in(CHAT, now, out), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_first_attempt_is_the_trial_and_only_one_of_them() {
        let ranking = fresh(0..3);
        open(&ranking.order[0].region_vitals, at(0));
        assert_eq!(first_of(&ranking, at(1)), Some(1));
        assert_eq!(first_of(&ranking, at(2)), Some(0), "half-open");
        assert_eq!(first_of(&ranking, at(2)), Some(1), "a trial is under way");

        let breaker = ranking.order[0].region_vitals.breaker();
        assert!(breaker.failed(Failure::Fault, at(2), at(3), &BREAKER));
        let mut plan = Plan::new(CHAT, true);
        assert_eq!(plan.next(&ranking, at(3), |_| true).map(|one| one.region.0), Some(1));
        assert_eq!(breaker.state(at(7)), BreakerState::HalfOpen);
        assert_eq!(
            rest_of(plan, &ranking, at(7), |_| true),
            [2, 0],
            "a retry rather goes elsewhere"
        );
        assert_eq!(
            first_of(&ranking, at(7)),
            Some(1),
            "but where nothing else is, it is the trial"
        );
    }

    #[test]
    fn what_is_sent_once_is_no_trial_unless_nobody_else_comes() {
        let ranking = fresh(0..2);
        open(&ranking.order[0].vitals, at(0));
        let first_of = |ranking: &Ranking, now| {
            let mut plan = Plan::new(CHAT, false).sent_once(true);
            plan.next(ranking, now, |_| true).map(|entry| entry.region.0)
        };
        assert_eq!(first_of(&ranking, at(2)), Some(1), "half-open");
        assert_eq!(first_of(&ranking, at(11)), Some(1));
        assert_eq!(first_of(&ranking, at(12)), Some(0), "overdue");
        assert_eq!(first_of(&ranking, at(12)), Some(1), "a trial is under way");
        assert_eq!(first_of(&ranking, at(22)), Some(0), "nobody has seen its end");

        let alone = fresh(0..1);
        open(&alone.order[0].vitals, at(0));
        assert_eq!(first_of(&alone, at(2)), Some(0), "rather there than nowhere");

        let returning = fresh(0..2);
        open(&returning.order[0].vitals, at(0));
        assert!(returning.order[0].vitals.breaker().answered(at(2), at(2), &BREAKER));
        assert_eq!(first_of(&returning, at(2)), Some(0), "its turn");
    }

    #[test]
    fn a_tier_that_is_nearly_spent_spills_into_the_next_one_and_comes_back() {
        let spare = Entry { tier: 1, ..Entry::bare(1, State::Fresh) };
        let ranking = ranking([Entry::bare(0, State::Fresh), spare]);
        assert_eq!(first_of(&ranking, at(0)), Some(0));
        ranking.order[0].vitals.nearly_spent_until(at(5));
        assert_eq!(first_of(&ranking, at(4)), Some(1));
        assert_eq!(first_of(&ranking, at(5)), Some(0));
        ranking.order[0].vitals.cool_until(at(9));
        assert_eq!(first_of(&ranking, at(8)), Some(1));
        assert_eq!(first_of(&ranking, at(9)), Some(0));
    }

    #[test]
    fn a_quota_that_is_nearly_spent_is_not_spent_on_a_trial() {
        let ranking = fresh(0..2);
        open(&ranking.order[0].vitals, at(0));
        ranking.order[0].vitals.nearly_spent_until(at(5));
        assert_eq!(first_of(&ranking, at(4)), Some(1));
        assert_eq!(first_of(&ranking, at(5)), Some(0));
    }

    #[test]
    fn two_half_open_breakers_are_tried_together_or_not_at_all() {
        let ranking = ranking([Entry::bare(0, State::Fresh)]);
        let [only] = &*ranking.order else { panic!("as many as made") };
        open(&only.region_vitals, at(0));
        open(&only.vitals, at(0));
        assert!(only.vitals.breaker().claim_trial(at(2)));
        assert_eq!(first_of(&ranking, at(2)), None);
        assert!(!only.claim_trial(at(2)));
        assert!(only.region_vitals.breaker().claim_trial(at(2)), "nobody has taken it");
        assert_eq!(first_of(&ranking, at(12)), Some(0), "both have expired");
        assert!(!only.region_vitals.breaker().claim_trial(at(12)));
    }

    #[test]
    fn a_bound_that_is_reached_claims_no_trial() {
        let ranking = fresh(0..33);
        let mut plan = Plan::new(CHAT, true);
        while plan.next(&ranking, at(0), |entry| entry.region.0 > 0).is_some() {}
        assert_eq!(plan.attempts(), MAX_TRIED);
        open(&ranking.order[0].vitals, at(0));
        assert!(plan.next(&ranking, at(2), |_| true).is_none());
        assert!(ranking.order[0].vitals.breaker().claim_trial(at(2)));
    }

    #[test]
    fn a_cool_down_counts_from_the_next_step_on_whoever_set_it() {
        let ranking = fresh(0..3);
        let mut plan = Plan::new(CHAT, true);
        let mut step = || plan.next(&ranking, Moment::ZERO, |_| true).map(|entry| entry.region.0);
        assert_eq!(step(), Some(0));
        ranking.order[1].region_vitals.cool_until(Moment::from_nanos(1));
        assert_eq!((step(), step(), step()), (Some(2), Some(1), None));
    }

    /// Two regions of one tier, 100 and 150 ms, and a faster one of the next tier.
    fn scored() -> Ranking {
        let entry = |id, tier, millis| {
            let score = Some(Duration::from_millis(millis));
            Entry { score, tier, ..Entry::bare(id, State::Fresh) }
        };
        ranking([entry(0, 0, 100), entry(1, 0, 150), entry(2, 1, 90)])
    }

    fn at_home(region: u32, bound: f64) -> Plan {
        Plan::new(CHAT, true).at_home(Some(Home { region: RegionId(region), bound }))
    }

    #[test]
    fn a_first_attempt_goes_home_and_the_others_in_order() {
        let ranking = scored();
        assert_eq!(rest_of(at_home(1, 50.0), &ranking, at(0), |_| true), [1, 0, 2]);
        assert_eq!(rest_of(at_home(1, 49.0), &ranking, at(0), |_| true), [0, 1, 2], "too slow");
        assert_eq!(rest_of(at_home(2, 1e9), &ranking, at(0), |_| true), [0, 1, 2], "a worse tier");
        let fenced = |entry: &Entry| entry.region != RegionId(1);
        assert_eq!(rest_of(at_home(1, 50.0), &ranking, at(0), fenced), [0, 2]);
        ranking.order[1].vitals.cool_until(at(5));
        assert_eq!(rest_of(at_home(1, 50.0), &ranking, at(4), |_| true), [0, 2, 1]);
        assert_eq!(rest_of(at_home(1, 50.0), &ranking, at(5), |_| true), [1, 0, 2]);
        let spilled = |entry: &Entry| entry.tier > 0;
        assert_eq!(rest_of(at_home(2, 0.0), &ranking, at(5), spilled), [2]);
    }

    #[test]
    fn a_home_whose_traffic_returns_takes_its_turns_alone() {
        let ranking = scored();
        open(&ranking.order[1].vitals, at(0));
        assert!(ranking.order[1].vitals.breaker().answered(at(2), at(2), &BREAKER));
        let first = || at_home(1, 50.0).next(&ranking, at(2), |_| true).map(|one| one.region.0);
        let firsts: Vec<_> = (0..8).map(|_| first()).collect();
        assert_eq!(firsts[0], Some(1), "its turn");
        assert!(firsts.contains(&Some(0)), "{firsts:?}");
    }

    #[test]
    fn another_ranking_in_between_repeats_nothing() {
        let mut plan = Plan::new(CHAT, true);
        for (order, expected) in [([0, 1], Some(0)), ([1, 0], Some(1)), ([0, 1], None)] {
            let ranking = ranking(order.map(|id| Entry::bare(id, State::Fresh)));
            let next = plan.next(&ranking, Moment::ZERO, |_| true);
            assert_eq!(next.map(|entry| entry.region.0), expected);
        }
        assert_eq!(plan.attempts(), 2);
    }

    #[test]
    fn a_plan_ends_at_its_bound() {
        assert_eq!(all_of(&fresh(0..40), Moment::ZERO, |_| true).len(), MAX_TRIED);
    }

    #[test]
    fn of_many_workers_one_makes_the_trial() {
        for _ in 0..50 {
            let ranking = fresh(0..2);
            open(&ranking.order[0].region_vitals, at(0));
            open(&ranking.order[0].vitals, at(0));
            let tries = std::thread::scope(|scope| {
                let ask = || first_of(&ranking, at(2));
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                let firsts = threads.into_iter().map(|thread| thread.join().unwrap().unwrap());
                firsts.filter(|first| *first == 0).count()
            });
            assert_eq!(tries, 1);
        }
    }

    /// All that can be wrong with a region at once.
    #[derive(Clone, Debug)]
    struct Ills {
        state: State,
        allowed: bool,
        cooled: Option<u64>,
        nearly_spent: Option<u64>,
        unauthorized: Option<u64>,
        lacks: Option<(Lack, u64)>,
        opened: Option<u64>,
        region_opened: Option<u64>,
    }

    fn ills() -> impl Strategy<Value = Ills> {
        let deadline = || option::weighted(0.3, 0_u64..20);
        let lacks = option::weighted(0.3, (select(&[Lack::DEPLOYMENT, CHAT, SPEECH]), 0_u64..20));
        let deadlines = (deadline(), deadline(), deadline(), lacks, deadline(), deadline());
        (select(&State::ALL), any::<bool>(), deadlines).prop_map(|(state, allowed, deadlines)| {
            let (cooled, nearly_spent, unauthorized, lacks, opened, region_opened) = deadlines;
            Ills {
                state,
                allowed,
                cooled,
                nearly_spent,
                unauthorized,
                lacks,
                opened,
                region_opened,
            }
        })
    }

    fn ill(id: u32, ills: &Ills) -> Entry {
        let entry = Entry::bare(id, ills.state);
        let (vitals, region) = (&entry.vitals, &entry.region_vitals);
        ills.cooled.iter().for_each(|until| vitals.cool_until(at(*until)));
        ills.nearly_spent.iter().for_each(|until| vitals.nearly_spent_until(at(*until)));
        ills.unauthorized.iter().for_each(|until| region.unauthorized_until(at(*until)));
        ills.lacks.iter().for_each(|(lack, until)| vitals.lack_until(*lack, at(*until)));
        ills.opened.iter().for_each(|since| open(vitals, at(*since)));
        ills.region_opened.iter().for_each(|since| open(region, at(*since)));
        entry
    }

    /// What costs depend on, beside what can be wrong.
    #[derive(Clone, Debug)]
    struct Times {
        ills: Ills,
        /// Whether its breakers have seen an answer since they opened.
        returns: bool,
        tier: u32,
        millis: Option<f64>,
        /// How many wait there, and since when.
        waiting: (usize, u64),
        /// Requests that have come while its traffic returns.
        arrivals: usize,
    }

    fn times() -> impl Strategy<Value = Times> {
        let waiting = (0..6_usize, 0_u64..25);
        let parts =
            (ills(), any::<bool>(), 0..2_u32, option::of(1.0..500.0_f64), waiting, 0..9_usize);
        parts.prop_map(|(ills, returns, tier, millis, waiting, arrivals)| Times {
            ills,
            returns,
            tier,
            millis,
            waiting,
            arrivals,
        })
    }

    fn timed(id: u32, times: &Times, now: Moment) -> (Entry, Vec<Pends>) {
        let score = |millis: f64| Duration::from_secs_f64(millis / 1_000.0);
        let alone = Circumstances { shape: Shape::PROBE, output: 0.0, in_flight: 0 };
        let known = |millis| {
            let estimate = Estimate::first(millis, alone, Moment::ZERO, None);
            Known { estimate, failing: 0.0, answered: None }
        };
        let (known, score) = (times.millis.map(known), times.millis.map(score));
        let entry = Entry { tier: times.tier, known, score, ..ill(id, &times.ills) };
        if times.returns {
            for vitals in [&entry.vitals, &entry.region_vitals] {
                vitals.breaker().answered(now, now, &BREAKER);
            }
        }
        (0..times.arrivals).for_each(|_| {
            entry.vitals.breaker().passes_in_turn(now);
        });
        let (count, since) = times.waiting;
        let pend = || entry.vitals.pend(at(since), Duration::from_millis(100));
        let waiting = (0..count).map(|_| pend()).collect();
        (entry, waiting)
    }

    proptest! {
        #[test]
        fn who_looks_sees_what_the_next_request_gets_and_changes_nothing(
            regions in vec(times(), 0..8), now in 0_u64..25, last_resort: bool, sent_once: bool,
            shape in option::of((0..20_000_u32, any::<bool>())), leader in 0..8_u32,
            home in option::of((0..8_u32, 0.0..500.0_f64))
        ) {
            let now = at(now);
            let made: Vec<_> = (0..).zip(&regions).map(|(id, one)| timed(id, one, now)).collect();
            let (entries, _waiting): (Vec<_>, Vec<_>) = made.into_iter().unzip();
            let lead = |class: Class| Lead {
                leader: Some(RegionId(leader)),
                since: None,
                verdict: Verdict::Best,
                typical: Mix::default().typical(class),
                main: false,
            };
            let leads = Class::all().map(lead).collect();
            let ranking = Ranking { leads, ..ranking(entries) };
            let allowed = |entry: &Entry| regions[entry.region.0 as usize].ills.allowed;

            let home = home.map(|(region, bound)| Home { region: RegionId(region), bound });
            let mut plan = Plan::new(CHAT, last_resort).sent_once(sent_once).at_home(home);
            if let Some((prompt, streams)) = shape {
                plan = plan.of(Shape { prompt, streams });
            }
            loop {
                let looked = |plan: &Plan| {
                    let found = plan.look(&ranking, now, allowed);
                    found.map(|(entry, why)| (entry.region, why))
                };
                let seen = looked(&plan);
                prop_assert_eq!(looked(&plan), seen);
                let given = plan.next(&ranking, now, allowed).map(|entry| entry.region);
                prop_assert_eq!(given.map(|region| (region, plan.why())), seen);
                let went_home = given.is_some() && plan.why() == Why::Home;
                prop_assert!(!went_home || (plan.attempts() == 1 && given == home.map(|home| home.region)));
                if given.is_none() {
                    break;
                }
            }
        }

        #[test]
        fn every_allowed_region_comes_once_and_bad_ones_last(
            regions in vec(ills(), 0..MAX_TRIED), now in 0_u64..25, last_resort: bool
        ) {
            let now = at(now);
            let ranking = ranking((0..).zip(&regions).map(|(id, ills)| ill(id, ills)));
            let allowed = |entry: &Entry| regions[entry.region.0 as usize].allowed;
            let before: Vec<_> =
                ranking.order.iter().map(|entry| entry.condition(CHAT, now)).collect();
            let plan = Plan::new(CHAT, last_resort);
            let given = rest_of(plan, &ranking, now, allowed);

            let mut each_once = given.clone();
            each_once.sort_unstable();
            let may_come = |entry: &&Entry| {
                allowed(entry) && (last_resort || !before[entry.region.0 as usize].is_out())
            };
            let expected: Vec<_> =
                ranking.order.iter().filter(may_come).map(|entry| entry.region.0).collect();
            prop_assert_eq!(each_once, expected);

            let was = |id: &u32| before[*id as usize];
            prop_assert!(given.is_sorted_by_key(|id| was(id).is_out()), "{:?}", given);
            prop_assert!(given.is_sorted_by_key(|id| was(id) == Condition::Lacking));
            // but for the one that a first attempt may try, the order is the order of conditions
            prop_assert!(given.get(1..).unwrap_or_default().is_sorted_by_key(was), "{:?}", given);
        }

        #[test]
        fn of_many_first_attempts_one_is_the_trial(
            now in 2_u64..12, half_open in 0_u32..3, requests in 1_usize..20
        ) {
            let ranking = fresh(0..3);
            open(&ranking.order[half_open as usize].vitals, at(0));
            let firsts: Vec<_> = (0..requests).map(|_| first_of(&ranking, at(now))).collect();
            let trials = firsts.iter().filter(|first| **first == Some(half_open)).count();
            // the natural leader's place is the only one that a request comes to
            prop_assert_eq!(trials, usize::from(half_open == 0));
        }
    }
}
