//! Who leads: the natural best, unless the present leader still does well enough.
//!
//! A leader gives way to a better region of its own class only for a gain that is large enough as
//! a share *and* as a time, and after the hold time. One that failed loses the hold's protection;
//! one that is down, stale or gone is left at once. Called by the ranker, once per ranking.

use std::{sync::Arc, time::Duration};

use crate::{
    health::State,
    moment::{Moment, scaled},
    rank::Standing,
    region::RegionId,
    settings::Switch,
    verdict::Verdict,
};

/// Who leads one ranking, from one rank to the next.
#[derive(Debug, Default)]
pub(crate) struct Leadership {
    leader: Option<Leader>,
    /// When a leader was found where there was none before.
    opened: Moment,
    /// Whether a first round has passed since then. Until it has, hysteresis waits: else the
    /// region that happens to be measured first would keep the lead over a better one.
    settled: bool,
}

/// The region that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) region: RegionId,
    /// Kept because a change still names a region that a reload removed.
    pub(crate) name: Arc<str>,
    pub(crate) since: Moment,
    /// What it scored when it took over; `None` where that gives it no protection to lose.
    pub(crate) scored: Option<Duration>,
}

/// Where in the natural order the leader is, and why it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) position: usize,
    pub(crate) verdict: Verdict,
}

impl Leadership {
    /// Makes this region the leader; returns whom it follows if it did not lead already.
    pub(crate) fn follow(&mut self, next: Leader, standings: &[Standing], hold: Duration) -> Step {
        let now = next.since;
        let former = self.leader.take();
        let in_office = former.as_ref().is_some_and(|former| serves(former, standings));
        if !in_office {
            self.opened = now;
        }
        self.settled = (in_office && (self.settled || now.since(self.opened) >= hold))
            || standings.iter().all(|standing| standing.state() != State::Unknown);

        match former {
            Some(same) if same.region == next.region => {
                let scored = same.scored.min(next.scored).or(same.scored);
                self.leader = Some(Leader { since: same.since, scored, ..next });
                Step::Stays
            }
            former => {
                self.leader = Some(next);
                Step::Follows(former.map(|former| former.name))
            }
        }
    }

    /// Leaves the lead empty: no region serves the deployment.
    pub(crate) fn vacate(&mut self) {
        self.leader = None;
    }

    /// Who leads these regions, given in natural order; `None` if there are none.
    pub(crate) fn decide(
        &self,
        standings: &[Standing],
        switch: &Switch,
        now: Moment,
    ) -> Option<Decision> {
        let best = standings.first()?;
        let best_leads = |verdict| Some(Decision { position: 0, verdict });

        let Some(former) = &self.leader else { return best_leads(on_merit(standings)) };
        let Some(position) = standings.iter().position(|one| one.region() == former.region) else {
            return best_leads(Verdict::LeaderGone);
        };
        let leader = standings.get(position)?;
        if position == 0 {
            return best_leads(on_merit(standings));
        }
        if leader.class() != best.class() {
            return best_leads(outclassed(leader, best));
        }
        if !self.settled && best.score().is_some() {
            return best_leads(on_merit(standings));
        }

        let failed = leader.failed_since(former.since);
        let held = now.since(former.since) >= switch.hold;
        let slower = former.has_become_slower(leader.score());
        let verdict = match gain(leader, best, switch) {
            Gain::TooShort => Verdict::GainTooShort,
            Gain::TooSmall => Verdict::GainTooSmall,
            Gain::Enough if failed => return best_leads(Verdict::LeaderFailed),
            Gain::Enough if held => return best_leads(Verdict::Better),
            Gain::Enough if slower => return best_leads(Verdict::LeaderSlower),
            Gain::Enough => Verdict::Holding,
        };
        Some(Decision { position, verdict })
    }

    /// Who leads.
    pub(crate) fn leader(&self) -> Option<RegionId> {
        self.leader.as_ref().map(|leader| leader.region)
    }

    /// Since when the leader leads.
    pub(crate) fn since(&self) -> Option<Moment> {
        self.leader.as_ref().map(|leader| leader.since)
    }
}

impl Leader {
    /// Whether it is no longer what it was when it took over: then the hold time protects nothing.
    fn has_become_slower(&self, score: Option<Duration>) -> bool {
        let slower = |(then, now): (Duration, Duration)| now > scaled(then, SLOWER_BY);
        self.scored.zip(score).is_some_and(slower)
    }
}

/// What became of the lead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The same region leads on.
    Stays,
    /// Another one took over, from the one of this name if there was one.
    Follows(Option<Arc<str>>),
}

fn serves(former: &Leader, standings: &[Standing]) -> bool {
    standings.iter().any(|standing| standing.region() == former.region)
}

/// Why the natural best leads when nobody stands in its way.
fn on_merit(standings: &[Standing]) -> Verdict {
    let [best, others @ ..] = standings else { return Verdict::Configured };
    let rivals = || others.iter().filter(|other| other.tier() == best.tier());
    let beyond = |state| {
        rivals().all(|one| one.state() != state) && others.iter().any(|one| one.state() == state)
    };
    match best.state() {
        _ if others.is_empty() => Verdict::Only,
        State::Down => Verdict::AllDown,
        // a higher tier would do better, by what is known
        _ if rivals().next().is_none() => Verdict::LowestTier,
        State::Stale | State::Unknown if beyond(State::Fresh) => Verdict::LowestTier,
        _ if best.score().is_none() => Verdict::Configured,
        State::Stale => Verdict::NoneFresh,
        _ if rivals().any(|other| other.state() == State::Unknown) => Verdict::FirstRound,
        State::Fresh | State::Unknown => Verdict::Best,
    }
}

/// Why a leader lost to a better class.
fn outclassed(leader: &Standing, best: &Standing) -> Verdict {
    match leader.state() {
        State::Unknown | State::Fresh | State::Stale if leader.tier() != best.tier() => {
            Verdict::LowestTier
        }
        State::Down => Verdict::LeaderDown,
        State::Stale => Verdict::LeaderStale,
        // fresh: answered, but without the clock that is ranked by
        State::Unknown | State::Fresh => Verdict::LeaderUnmeasured,
    }
}

/// What a switch would gain.
enum Gain {
    TooShort,
    TooSmall,
    Enough,
}

fn gain(leader: &Standing, best: &Standing, switch: &Switch) -> Gain {
    let (Some(now), Some(then)) = (leader.score(), best.score()) else { return Gain::TooShort };
    let gained = now.saturating_sub(then).saturating_sub(scaled(best.doubt(), DOUBT_SHARE));
    if gained < switch.at_least || gained.is_zero() {
        return Gain::TooShort;
    }
    // `max` also turns a not-a-number into the 0 beside it
    let share = switch.percent.max(0.0) / 100.0;
    if gained.as_secs_f64() < now.as_secs_f64() * share {
        return Gain::TooSmall;
    }
    Gain::Enough
}

/// A leader that takes so much longer than when it took over has become slower.
const SLOWER_BY: f64 = 1.25;
/// Of what is not known of the better region, so much is taken off the gain.
const DOUBT_SHARE: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const SWITCH: Switch = Switch { percent: 20.0, at_least: ms(10), hold: ms(30_000) };

    fn fresh(id: u32, millis: u64) -> Standing {
        Standing::new(RegionId(id), id as usize, State::Fresh, Some(ms(millis)))
    }

    fn bare(id: u32, state: State) -> Standing {
        Standing::new(RegionId(id), id as usize, state, None)
    }

    /// Region 0 leads since the epoch, after a first round.
    fn led_by_region_0() -> Leadership {
        let mut leadership = Leadership::default();
        let leader =
            Leader { region: RegionId(0), name: "r0".into(), since: Moment::ZERO, scored: None };
        let step = leadership.follow(leader, &[fresh(0, 1)], SWITCH.hold);
        assert_eq!(step, Step::Follows(None));
        leadership
    }

    /// Who leads `after` this long, and why.
    fn decide(leadership: &Leadership, standings: &[Standing], after: Duration) -> (u32, Verdict) {
        decide_by(leadership, standings, after, SWITCH)
    }

    fn decide_by(
        leadership: &Leadership,
        standings: &[Standing],
        after: Duration,
        switch: Switch,
    ) -> (u32, Verdict) {
        let mut standings = standings.to_vec();
        standings.sort();
        let decision = leadership.decide(&standings, &switch, Moment::ZERO + after).unwrap();
        (standings[decision.position].region().0, decision.verdict)
    }

    #[test]
    fn no_gain_leads_to_a_higher_tier_and_no_hold_keeps_a_lower_one_waiting() {
        let leadership = led_by_region_0();
        let spare = |millis| fresh(1, millis).in_tier(1);
        let alone = [fresh(0, 900), spare(1)];
        assert_eq!(decide(&leadership, &alone, ms(60_000)), (0, Verdict::LowestTier));
        let down = Standing::new(RegionId(0), 0, State::Down, Some(ms(9)));
        assert_eq!(decide(&leadership, &[down, spare(1)], ms(1)), (1, Verdict::LeaderDown));
        let back = [fresh(0, 1).in_tier(1), fresh(1, 900), fresh(2, 950)];
        assert_eq!(decide(&leadership, &back, ms(1)), (1, Verdict::LowestTier));
    }

    #[test]
    fn a_switch_needs_a_share_and_a_time_and_the_hold() {
        let minute = ms(60_000);
        for (leader, other, after, expected) in [
            // 58 % better, but 7 ms do not matter
            (12, 5, minute, (0, Verdict::GainTooShort)),
            // 50 ms better, but a sixth does not matter
            (300, 250, minute, (0, Verdict::GainTooSmall)),
            (300, 200, minute, (1, Verdict::Better)),
            (300, 200, ms(30_000), (1, Verdict::Better)),
            (300, 200, ms(29_999), (0, Verdict::Holding)),
            (300, 300, minute, (0, Verdict::Best)),
            (200, 300, minute, (0, Verdict::Best)),
            (20, 10, minute, (1, Verdict::Better)),
            (20, 11, minute, (0, Verdict::GainTooShort)),
        ] {
            let standings = [fresh(0, leader), fresh(1, other)];
            let decision = decide(&led_by_region_0(), &standings, after);
            assert_eq!(decision, expected, "{leader} against {other} ms after {after:?}");
        }
    }

    #[test]
    fn the_share_is_of_the_leaders_score() {
        let standings = [fresh(0, 300), fresh(1, 250)];
        for (percent, expected) in [
            (16.0, Verdict::Better),
            (17.0, Verdict::GainTooSmall),
            (f64::INFINITY, Verdict::GainTooSmall),
            (f64::NAN, Verdict::Better),
            (-1.0, Verdict::Better),
        ] {
            let switch = Switch { percent, ..SWITCH };
            let decision = decide_by(&led_by_region_0(), &standings, ms(60_000), switch);
            assert_eq!(decision.1, expected, "{percent} %");
        }
    }

    #[test]
    fn a_tie_is_no_gain_even_if_a_switch_needs_none() {
        let mut leadership = led_by_region_0();
        let leader =
            Leader { region: RegionId(1), name: "r1".into(), since: Moment::ZERO, scored: None };
        leadership.follow(leader, &[fresh(0, 9), fresh(1, 9)], SWITCH.hold);
        let easy = Switch { percent: 0.0, at_least: Duration::ZERO, hold: Duration::ZERO };
        let decision = decide_by(&leadership, &[fresh(0, 9), fresh(1, 9)], ms(0), easy);
        assert_eq!(decision, (1, Verdict::GainTooShort));
    }

    #[test]
    fn a_leader_that_cannot_lead_is_left_at_once() {
        let now = Duration::ZERO;
        let leadership = led_by_region_0();
        let worse = fresh(1, 900);
        for (leader, verdict) in [
            (bare(0, State::Down), Verdict::LeaderDown),
            (bare(0, State::Stale), Verdict::LeaderStale),
            (bare(0, State::Unknown), Verdict::LeaderUnmeasured),
            (bare(0, State::Fresh), Verdict::LeaderUnmeasured),
        ] {
            assert_eq!(decide(&leadership, &[leader, worse], now), (1, verdict));
        }
        assert_eq!(decide(&leadership, &[worse, fresh(2, 950)], now), (1, Verdict::LeaderGone));
    }

    #[test]
    fn a_failure_since_it_leads_costs_the_leader_its_hold_and_no_more() {
        let failed = fresh(0, 300).failed_at(Some(Moment::from_nanos(1)));
        let leadership = led_by_region_0();
        let decision = |other| decide(&leadership, &[failed, fresh(1, other)], ms(1));
        assert_eq!(decision(200), (1, Verdict::LeaderFailed));
        assert_eq!(decision(299), (0, Verdict::GainTooShort));
        let before = fresh(0, 300).failed_at(Some(Moment::ZERO));
        assert_eq!(decide(&leadership, &[before, fresh(1, 200)], ms(1)), (0, Verdict::Holding));
    }

    #[test]
    fn the_first_round_decides_without_hysteresis_but_not_for_ever() {
        let mut leadership = Leadership::default();
        let standings = [fresh(1, 300), bare(0, State::Unknown), bare(2, State::Unknown)];
        let lead = |since| Leader { region: RegionId(1), name: "r1".into(), since, scored: None };
        leadership.follow(lead(Moment::ZERO), &standings, SWITCH.hold);
        let next = [fresh(0, 290), fresh(1, 300), bare(2, State::Unknown)];
        assert_eq!(decide(&leadership, &next, ms(1)), (0, Verdict::FirstRound));

        let all = [fresh(0, 290), fresh(1, 300)];
        assert_eq!(decide(&leadership, &all, ms(1)), (0, Verdict::Best));
        let down = |id| Standing::new(RegionId(id), id as usize, State::Down, Some(ms(9)));
        assert_eq!(decide(&leadership, &[down(0), down(1)], ms(1)), (0, Verdict::AllDown));

        leadership.follow(lead(Moment::ZERO + SWITCH.hold), &standings, SWITCH.hold);
        assert_eq!(decide(&leadership, &next, ms(30_001)), (1, Verdict::GainTooSmall));
    }

    #[test]
    fn the_best_says_why_it_leads_alone() {
        let stale = |id| Standing::new(RegionId(id), id as usize, State::Stale, Some(ms(1)));
        for (standings, verdict) in [
            (vec![bare(0, State::Unknown)], Verdict::Only),
            (vec![bare(0, State::Unknown), bare(1, State::Unknown)], Verdict::Configured),
            (vec![fresh(0, 1), bare(1, State::Unknown)], Verdict::FirstRound),
            (vec![fresh(0, 1), bare(1, State::Down)], Verdict::Best),
            (vec![stale(0), bare(1, State::Down)], Verdict::NoneFresh),
            (vec![bare(0, State::Down), bare(1, State::Down)], Verdict::AllDown),
        ] {
            assert_eq!(decide(&Leadership::default(), &standings, ms(0)), (0, verdict));
        }
        assert_eq!(Leadership::default().decide(&[], &SWITCH, Moment::ZERO), None);
    }
}
