//! When a (region, deployment) is probed where the ranking tells what a probe is worth: plain values,
//! no clock and no randomness of its own.
//!
//! The ranking says when a probe would tell something new. Here that meets what else bears on it: a
//! region that is out is looked at within the interval, one that asked to be left alone is, and neither
//! the region's own limits nor the budget are exceeded. The loop in `run.rs` asks after each table and
//! steers the timetable by the answer.

use std::collections::HashMap;
use std::time::Duration;

use nearway_route::{Moment, ProbeDue, RegionId};
use nearway_telemetry::ProbeSkip;
use nearway_wire::quota::Limits;

use crate::budget::{Budget, Rate};
use crate::timetable::{Due, Pace, Then};

/// What is remembered of all that is probed.
#[derive(Debug, Default)]
pub(crate) struct Demands(HashMap<Due, Demand>);

/// What is remembered of one (region, deployment).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// When the last probe began; `None` before the first.
    began: Option<Moment>,
    /// Until when the region asked to be left alone.
    held: Moment,
    /// Until when a probe would only repeat the last failure.
    rest: Moment,
    /// Something changed that a probe must look at, however fresh the rest is.
    hurried: bool,
    /// By which factor a wait is longer or shorter, so that replicas drift apart.
    stretch: f64,
    /// When the ranking wants the next probe, and when that is with `stretch`.
    wish: Moment,
    due: Moment,
    /// What the last probe used that used any.
    tokens: Option<u32>,
    /// The least interval that the region's limits leave.
    least: Option<Duration>,
    budget: Budget,
    /// From when on an interval without a probe counts as skipped.
    counted: Moment,
}

/// What is known of a (region, deployment) when its next probe is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// When the ranking finds a probe worth its tokens.
    pub(crate) worth: ProbeDue,
    /// Requests go there only as a last resort.
    pub(crate) out: bool,
    /// How long it asked clients' requests to stay away.
    pub(crate) cooled: Option<Duration>,
}

/// The next probe of a (region, deployment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) at: Moment,
    /// Why not yet.
    pub(crate) reason: ProbeSkip,
}

impl Demands {
    /// Of what was never probed there is nothing yet.
    pub(crate) fn of(&mut self, due: &Due) -> &mut Demand {
        self.0.entry(due.clone()).or_default()
    }

    /// What the region is probed for is to be looked at now, whatever was known.
    pub(crate) fn hurry(&mut self, region: RegionId) {
        let its = self.0.iter_mut().filter(|(due, _)| due.region == region);
        its.for_each(|(_, demand)| demand.hurry());
    }

    /// Forgets what is no longer probed.
    pub(crate) fn retain(&mut self, is_probed: impl Fn(&Due) -> bool) {
        self.0.retain(|due, _| is_probed(due));
    }
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            began: None,
            held: Moment::ZERO,
            rest: Moment::ZERO,
            hurried: false,
            stretch: 1.0,
            wish: Moment::ZERO,
            due: Moment::ZERO,
            tokens: None,
            least: None,
            budget: Budget::default(),
            counted: Moment::ZERO,
        }
    }
}

impl Demand {
    /// A probe begins. `draw` is a number in `0.0..1.0` for the jitter of the next one.
    pub(crate) fn begin(&mut self, pace: Pace, now: Moment, draw: f64) {
        self.began = Some(now);
        self.hurried = false;
        self.stretch = pace.stretch(draw);
        let interval = pace.interval();
        self.counted = now + interval + interval / 2;
    }

    /// A probe ended.
    pub(crate) fn end(&mut self, then: Then, pace: Pace, now: Moment) {
        match then {
            Then::Next => {}
            Then::Skip => self.rest = self.began.unwrap_or(now) + pace.interval(),
            Then::Hold(wait) => self.held = now + wait,
        }
    }

    /// Tokens were used.
    pub(crate) fn spend(&mut self, tokens: u32, rate: Option<Rate>, now: Moment) {
        self.tokens = Some(tokens).filter(|tokens| *tokens > 0).or(self.tokens);
        if let Some(rate) = rate {
            self.budget.spend(tokens, rate, now);
        }
    }

    /// The share of the budget that is spent ahead; `None` without a budget.
    pub(crate) fn budget_used(&self, rate: Option<Rate>, now: Moment) -> Option<f64> {
        rate.map(|_| self.budget.used(now))
    }

    /// The region tells its limits; a probe uses so many tokens where none has told. Gives the least
    /// interval that they leave, if it is longer than the interval and that is new.
    pub(crate) fn limited(&mut self, limits: Limits, tokens: u32, pace: Pace) -> Option<Duration> {
        let tokens = self.tokens.unwrap_or(tokens);
        let least = least_interval(limits, tokens)?.saturating_mul(pace.samples);
        let former = self.least.replace(least);
        let lengthens = |least: Duration| least > pace.interval();
        (lengthens(least) && !former.is_some_and(lengthens)).then_some(least)
    }

    fn hurry(&mut self) {
        self.hurried = true;
        self.rest = Moment::ZERO;
    }

    /// When the next probe is due. What was never probed is due at once, unless it asked to be left
    /// alone.
    pub(crate) fn next(
        &mut self,
        standing: &Standing,
        pace: Pace,
        rate: Option<Rate>,
        now: Moment,
    ) -> Next {
        let cooled = standing.cooled.map_or(Moment::ZERO, |left| now + left);
        let alone = self.rest.max(self.held).max(cooled);
        let Some(began) = self.began else {
            return Next { at: alone, reason: ProbeSkip::Rest };
        };
        self.wish_for(standing, began, pace.interval(), now);
        let reason = if standing.worth.far { ProbeSkip::Far } else { ProbeSkip::Fresh };
        let worth = if self.hurried { now } else { self.due };
        let limits = [
            (alone, ProbeSkip::Rest),
            (began + self.least.unwrap_or_default(), ProbeSkip::Quota),
            (rate.map_or(Moment::ZERO, |_| self.budget.ready()), ProbeSkip::Budget),
        ];
        limits.into_iter().fold(Next { at: worth, reason }, |next, (at, reason)| {
            if at > next.at { Next { at, reason } } else { next }
        })
    }

    fn wish_for(&mut self, standing: &Standing, began: Moment, interval: Duration, now: Moment) {
        let regular = began + interval;
        let wish = match standing.worth.at {
            // the last probe taught nothing, and the next one would not either
            at if at <= began => regular,
            at if standing.out => at.min(regular),
            at => at + interval / GRACE,
        };
        if wish != self.wish {
            self.wish = wish;
            self.due = now.min(wish) + wish.since(now).mul_f64(self.stretch);
        }
    }

    /// Why an interval went by without a probe, once for each.
    pub(crate) fn skipped(&mut self, next: Next, pace: Pace, now: Moment) -> Option<ProbeSkip> {
        if next.at <= now || now < self.counted {
            return None;
        }
        self.counted = now + pace.interval();
        Some(next.reason)
    }
}

/// The interval at which probes of so many tokens take [`SHARE`] of what the region allows in a minute
/// (API fact sheet 8.4); `None` where it tells no limit.
fn least_interval(limits: Limits, tokens: u32) -> Option<Duration> {
    let minutes = |used: u32, limit: u64| f64::from(used) / (share_of(limit));
    let by_requests = limits.requests.map(|limit| minutes(1, limit));
    let by_tokens = limits.tokens.map(|limit| minutes(tokens, limit));
    let minutes = by_requests.into_iter().chain(by_tokens).reduce(f64::max)?;
    Some(Duration::try_from_secs_f64(minutes * 60.0).map_or(LONGEST, |least| least.min(LONGEST)))
}

fn share_of(limit: u64) -> f64 {
    f64::from(u32::try_from(limit).unwrap_or(u32::MAX)) * SHARE
}

/// A probe waits for a part of the interval, so that a client's request that comes then spares it.
const GRACE: u32 = 16;
/// The share of a region's requests and tokens that probes may take.
const SHARE: f64 = 0.01;
/// However little a region allows, it is looked at once an hour.
const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { interval: Duration::from_secs(100), jitter: 0.0, samples: 1 };

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// Worth a probe early enough that it is due then.
    fn worth(seconds: u64) -> Standing {
        let wish = Duration::from_secs(seconds).saturating_sub(PACE.interval / GRACE);
        let worth = ProbeDue { at: Moment::from(wish), far: false };
        Standing { worth, out: false, cooled: None }
    }

    fn far(seconds: u64) -> Standing {
        let near = worth(seconds);
        Standing { worth: ProbeDue { far: true, ..near.worth }, ..near }
    }

    /// Probed at 1000 s.
    fn probed() -> Demand {
        let mut demand = Demand::default();
        demand.begin(PACE, at(1_000), 0.5);
        demand
    }

    fn next(demand: &mut Demand, standing: &Standing, now: u64) -> (u64, ProbeSkip) {
        let next = demand.next(standing, PACE, None, at(now));
        (next.at.since(Moment::ZERO).as_secs(), next.reason)
    }

    #[test]
    fn what_was_never_probed_is_due_at_once_unless_it_asked_to_be_left_alone() {
        let mut demand = Demand::default();
        assert!(next(&mut demand, &worth(5_000), 1_000).0 <= 1_000, "clients alone saw it");
        let cooled = Standing { cooled: Some(Duration::from_secs(7)), ..worth(0) };
        assert_eq!(next(&mut demand, &cooled, 1_000), (1_007, ProbeSkip::Rest));
    }

    #[test]
    fn a_client_may_come_first() {
        let mut demand = probed();
        let worth = ProbeDue { at: at(1_012), far: false };
        let standing = Standing { worth, out: false, cooled: None };
        assert_eq!(
            demand.next(&standing, PACE, None, at(1_001)).at,
            at(1_012) + PACE.interval / 16
        );
    }

    #[test]
    fn the_ranking_decides_and_a_probe_that_taught_nothing_is_not_repeated_at_once() {
        let mut demand = probed();
        assert_eq!(next(&mut demand, &worth(1_012), 1_001), (1_012, ProbeSkip::Fresh));
        assert_eq!(next(&mut demand, &worth(1_300), 1_001), (1_300, ProbeSkip::Fresh));
        for nothing_new in [0, 900, 1_000] {
            assert_eq!(next(&mut demand, &worth(nothing_new), 1_001).0, 1_100);
        }
    }

    #[test]
    fn a_region_that_is_out_is_looked_at_within_the_interval_and_not_before_its_hint() {
        let mut demand = probed();
        let out = Standing { out: true, ..far(1_300) };
        assert_eq!(next(&mut demand, &far(1_300), 1_001), (1_300, ProbeSkip::Far));
        assert_eq!(next(&mut demand, &out, 1_001).0, 1_100);
        let cooled = Standing { cooled: Some(Duration::from_secs(150)), ..out };
        assert_eq!(next(&mut demand, &cooled, 1_001), (1_151, ProbeSkip::Rest));
        demand.end(Then::Hold(Duration::from_secs(300)), PACE, at(1_001));
        assert_eq!(next(&mut demand, &out, 1_001), (1_301, ProbeSkip::Rest));
    }

    #[test]
    fn what_would_only_repeat_itself_waits_for_an_interval_and_a_change_ends_that() {
        let mut demand = probed();
        demand.end(Then::Skip, PACE, at(1_010));
        assert_eq!(next(&mut demand, &worth(1_012), 1_010), (1_100, ProbeSkip::Rest));
        demand.hurry();
        assert_eq!(next(&mut demand, &worth(1_012), 1_020).0, 1_020);
        demand.begin(PACE, at(1_020), 0.5);
        assert_eq!(next(&mut demand, &worth(1_120), 1_021).0, 1_120, "once");
    }

    #[test]
    fn jitter_stretches_what_is_left_to_wait() {
        let mut demand = Demand::default();
        demand.begin(Pace { jitter: 0.2, ..PACE }, at(1_000), 0.0);
        assert_eq!(next(&mut demand, &worth(1_100), 1_000).0, 1_080);
        assert_eq!(next(&mut demand, &worth(1_100), 1_050).0, 1_080, "the same all the time");
        assert_eq!(next(&mut demand, &worth(1_020), 1_050).0, 1_020, "overdue");
    }

    #[test]
    fn probes_take_a_hundredth_of_the_limits_and_the_first_that_lengthens_is_told() {
        let mut demand = probed();
        let limits = |requests, tokens| Limits { requests: Some(requests), tokens };
        assert_eq!(demand.limited(limits(600, None), 9, PACE), None);
        assert_eq!(next(&mut demand, &worth(1_007), 1_001).0, 1_010, "every 10 s at most");
        let longer = demand.limited(limits(10, None), 9, PACE);
        assert_eq!(longer, Some(Duration::from_secs(600)));
        assert_eq!(demand.limited(limits(10, None), 9, PACE), None, "told once");
        assert_eq!(next(&mut demand, &worth(1_100), 1_001), (1_600, ProbeSkip::Quota));
        demand.limited(limits(100_000, Some(1_000)), 9, PACE);
        assert_eq!(next(&mut demand, &worth(1_007), 1_001), (1_054, ProbeSkip::Quota));
        demand.limited(limits(1, None), 9, PACE);
        assert_eq!(next(&mut demand, &worth(1_007), 1_001).0, 4_600, "an hour at most");
        assert_eq!(demand.limited(Limits::default(), 9, PACE), None, "it tells none");
    }

    #[test]
    fn what_a_probe_used_counts_and_before_that_what_it_should_use() {
        let limits = Limits { requests: None, tokens: Some(6_000) };
        let mut demand = probed();
        assert_eq!(demand.limited(limits, 200, PACE), Some(Duration::from_secs(200)));
        demand.spend(10, None, at(1_000));
        demand.spend(0, None, at(1_001));
        assert_eq!(demand.limited(limits, 200, PACE), None);
        assert_eq!(next(&mut demand, &worth(1_007), 1_001).0, 1_010, "a failed one is not billed");
    }

    #[test]
    fn a_budget_that_is_spent_makes_probes_rarer() {
        let rate = Some(Rate::per_day(900));
        let mut demand = probed();
        demand.spend(45, rate, at(1_000));
        let next = demand.next(&worth(1_100), PACE, rate, at(1_001));
        assert_eq!(next, Next { at: at(1_900), reason: ProbeSkip::Budget });
        assert_eq!(
            demand.next(&worth(1_100), PACE, None, at(1_001)).at,
            at(1_100),
            "none any more"
        );
    }

    #[test]
    fn each_interval_without_a_probe_is_told_once() {
        let mut demand = probed();
        let mut told = Vec::new();
        for now in 1_001..1_300 {
            let next = demand.next(&far(1_300), PACE, None, at(now));
            told.extend(demand.skipped(next, PACE, at(now)).map(|reason| (now, reason)));
        }
        assert_eq!(told, [(1_150, ProbeSkip::Far), (1_250, ProbeSkip::Far)]);
    }
}
