//! Which of the fit regions one request goes to, by what it would cost in each.
//!
//! The leader of its class, unless the request itself, what is in flight, or what has not come back
//! speaks for another one by enough: those that are nearly equal share the load, and nobody swings.

use std::fmt;

use crate::{
    cost::Cost, mix::Typical, moment::Moment, region::RegionId, shape::Shape, table::Entry,
};

/// Why a request goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The first that is fit in the ranking's order.
    Order,
    /// It leads for requests of this class.
    Leads,
    /// It answered such a prompt last, has it in its cache, and is not much slower than the best.
    Home,
    /// The leader can't serve it now, or has been tried, and this one costs least.
    Next,
    /// This very request costs much less here than at the leader of its class.
    Cheaper,
    /// The leader is busy, and this one is as good without what is in flight there.
    Shares,
    /// Those that wait at the leader have waited too long.
    LeaderSilent,
    /// No region is fit, and this one is the least bad.
    LeastBad,
    /// What the request names lives there. The plan does not know of that: whoever restricts it says so.
    Owner,
    /// Lists are read and new objects are made there. The same.
    StateHome,
}

impl Why {
    /// A label, such as `leads`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Leads => "leads",
            Self::Home => "home",
            Self::Next => "next",
            Self::Cheaper => "cheaper",
            Self::Shares => "shares",
            Self::LeaderSilent => "leader_silent",
            Self::LeastBad => "least_bad",
            Self::Owner => "owner",
            Self::StateHome => "state_home",
        }
    }
}

impl fmt::Display for Why {
    /// The end of a sentence that begins with the region's name and "is taken: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "it is the first in order that is fit",
            Self::Leads => "it leads for requests like this one",
            Self::Home => "it has the prompt in its cache, and is not much slower than the best",
            Self::Next => "the leader cannot serve it now, and this one costs least",
            Self::Cheaper => "this very request costs much less here than at the leader",
            Self::Shares => "the leader is busy, and this one is as good",
            Self::LeaderSilent => "requests have waited too long at the leader",
            Self::LeastBad => "no region is fit, and this one is the least bad",
            Self::Owner => "what the request names lives there",
            Self::StateHome => "lists are read and new objects are made there",
        })
    }
}

/// Where the prompt of a request is in the cache, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Home {
    /// The region.
    pub region: RegionId,
    /// By how many milliseconds it may be slower than the best and still be preferred.
    pub bound: f64,
}

/// Whom a request prefers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preferred {
    /// The leader of its class.
    pub(crate) leader: Option<RegionId>,
    /// Before that one.
    pub(crate) home: Option<Home>,
}

/// The region among `left` that this request goes to; `None` if there are none. One whose times are
/// not known comes behind those whose are.
pub(crate) fn cheapest<'t, I: Iterator<Item = &'t Entry>>(
    left: impl Fn() -> I,
    Preferred { leader, home }: Preferred,
    shape: Shape,
    typical: &Typical,
    now: Moment,
) -> Option<(&'t Entry, Why)> {
    let with_cost = |entry: &'t Entry| Some((entry, entry.cost(shape, typical, now)?));
    let costs = || left().filter_map(with_cost);
    let (mut least, mut of_leader, mut of_home): (Option<(&Entry, Cost)>, _, _) =
        Default::default();
    for (entry, cost) in costs() {
        if home.is_some_and(|home| home.region == entry.region) {
            of_home = Some((entry, cost));
        }
        if leader == Some(entry.region) {
            of_leader = Some((entry, cost));
        }
        if least.is_none_or(|(_, least)| cost.now < least.now) {
            least = Some((entry, cost));
        }
    }
    let Some((best, cost)) = least else { return left().next().map(|entry| (entry, Why::Order)) };
    if let (Some(home), Some((entry, there))) = (home, of_home)
        && there.now <= cost.now + home.bound
        && !there.evidence.is_strong()
    {
        return Some((entry, Why::Home));
    }
    let Some((entry, at_leader)) = of_leader else { return Some((best, Why::Next)) };
    if entry.region == best.region {
        return Some((best, Why::Leads));
    }
    if at_leader.evidence.is_strong() {
        return Some((best, Why::LeaderSilent));
    }
    if cost.calm < MUCH_CHEAPER * at_leader.calm {
        return Some((best, Why::Cheaper));
    }
    let relieved = |(_, one): &(&Entry, Cost)| relief(&at_leader, one);
    let most = costs().max_by(|one, other| relieved(one).total_cmp(&relieved(other)));
    match most {
        Some((sharer, cost)) if relief(&at_leader, &cost) > 0.0 => Some((sharer, Why::Shares)),
        _ => Some((entry, Why::Leads)),
    }
}

/// The home among `left`, which are fit and of one tier, in the order of a ranking whose leads are not
/// known: by the scores, which are what its probes took. `None` if it is not there, is known less well than
/// the first, or is slower than the best by more than its bound.
pub(crate) fn home_in_order<'t, I: Iterator<Item = &'t Entry>>(
    left: impl Fn() -> I,
    home: Home,
) -> Option<&'t Entry> {
    let entry = left().find(|entry| entry.region == home.region)?;
    let best = left().filter_map(|entry| entry.score).min()?;
    let slower = entry.score?.saturating_sub(best).as_secs_f64() * 1_000.0;
    let is_known = left().next().is_some_and(|first| entry.state <= first.state);
    (is_known && slower <= home.bound).then_some(entry)
}

/// Milliseconds that a request saves by leaving a busy region for another one, beyond what a move
/// must bring. A region that is better without any load is no gain here: for that, leaders change.
fn relief(busy: &Cost, other: &Cost) -> f64 {
    let worse = (other.without_load() - busy.without_load()).max(0.0);
    busy.load() - other.load() - worse - MOVE * busy.without_load()
}

/// A request that costs less than this share of what it does at the leader goes elsewhere by itself.
const MUCH_CHEAPER: f64 = 0.8;
/// A move must bring this share of the cost.
const MOVE: f64 = 0.02;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        cost::Wait,
        estimate::{Circumstances, Estimate},
        health::State,
        knowledge::Known,
        mix::Mix,
        pending::Pends,
        table::Entry,
        vitals::InFlight,
    };

    const SHAPE: Shape = Shape { prompt: 100, streams: true };

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn typical() -> Typical {
        Mix::default().typical(SHAPE.class())
    }

    /// A region that takes this many milliseconds, and so many more for each request in flight.
    fn entry(id: u32, millis: f64, per_request: f64) -> Entry {
        let beside = |in_flight| Circumstances { shape: SHAPE, output: 0.0, in_flight };
        let mut estimate = Estimate::first(millis, beside(0), Moment::ZERO, None);
        for _ in 0..20 {
            for in_flight in 0..10 {
                estimate.observe(millis + per_request * f64::from(in_flight), beside(in_flight));
            }
        }
        let known = Some(Known { estimate, failing: 0.0, answered: None });
        Entry { known, ..Entry::bare(id, State::Fresh) }
    }

    fn choose(entries: &[Entry], leader: Option<u32>, now: Moment) -> (u32, Why) {
        prefer(entries, Preferred { leader: leader.map(RegionId), home: None }, now)
    }

    fn prefer(entries: &[Entry], preferred: Preferred, now: Moment) -> (u32, Why) {
        let left = || entries.iter();
        let (entry, why) =
            cheapest(left, preferred, SHAPE, &typical(), now).expect("there are entries");
        (entry.region.0, why)
    }

    fn busy(entry: &Entry, requests: u32) -> Vec<InFlight> {
        (0..requests).map(|_| entry.vitals.enter()).collect()
    }

    #[test]
    fn the_leader_serves_though_another_is_a_little_better() {
        let entries = [entry(0, 100.0, 0.0), entry(1, 90.0, 0.0)];
        assert_eq!(choose(&entries, Some(0), at(0)), (0, Why::Leads));
        assert_eq!(choose(&entries, None, at(0)), (1, Why::Next), "a second attempt has no leader");
        assert_eq!(choose(&entries, Some(7), at(0)), (1, Why::Next), "the leader is not fit");
    }

    #[test]
    fn what_is_much_cheaper_elsewhere_goes_there() {
        let entries = [entry(0, 100.0, 0.0), entry(1, 70.0, 0.0)];
        assert_eq!(choose(&entries, Some(0), at(0)), (1, Why::Cheaper));
    }

    #[test]
    fn a_busy_leader_shares_with_its_equals_and_only_as_far_as_that_helps() {
        let entries = [entry(0, 100.0, 10.0), entry(1, 105.0, 10.0), entry(2, 300.0, 0.0)];
        let mut held = busy(&entries[0], 1);
        let mut served = [1, 0, 0];
        for _ in 0..20 {
            let (region, _) = choose(&entries, Some(0), at(0));
            held.extend(busy(&entries[region as usize], 1));
            served[region as usize] += 1;
        }
        assert_eq!(served.iter().sum::<i32>(), 21);
        assert!((served[0] - served[1]).abs() <= 2 && served[2] == 0, "{served:?}");

        let alone = [entry(0, 100.0, 0.0), entry(1, 105.0, 0.0)];
        let _held = busy(&alone[0], 50);
        assert_eq!(choose(&alone, Some(0), at(0)), (0, Why::Leads), "load does not tell here");
    }

    #[test]
    fn a_home_is_kept_while_it_is_not_much_slower() {
        let entries = [entry(0, 100.0, 0.0), entry(1, 160.0, 0.0)];
        let choose = |bound, now| {
            let home = Some(Home { region: RegionId(1), bound });
            prefer(&entries, Preferred { leader: Some(RegionId(0)), home }, now)
        };
        assert_eq!(choose(80.0, at(0)), (1, Why::Home));
        assert_eq!(choose(40.0, at(0)), (0, Why::Leads), "too slow");
        let pend = || Pends::begin(entries[1].vitals.clone(), at(0), Duration::from_millis(100));
        let _waiting: Vec<_> = (0..4).map(|_| pend()).collect();
        assert_eq!(choose(1e9, at(900)), (0, Why::Leads), "it answers nobody");

        let nowhere = Some(Home { region: RegionId(7), bound: 1e9 });
        let preferred = Preferred { leader: Some(RegionId(0)), home: nowhere };
        assert_eq!(prefer(&entries, preferred, at(0)), (0, Why::Leads), "it is not fit");
    }

    #[test]
    fn a_home_that_is_busy_costs_what_its_load_does() {
        let entries = [entry(0, 100.0, 20.0), entry(1, 100.0, 20.0)];
        let home = Some(Home { region: RegionId(1), bound: 100.0 });
        let preferred = Preferred { leader: Some(RegionId(0)), home };
        let mut held = busy(&entries[1], 3);
        assert_eq!(prefer(&entries, preferred, at(0)), (1, Why::Home));
        held.extend(busy(&entries[1], 6));
        assert_eq!(prefer(&entries, preferred, at(0)), (0, Why::Leads));
    }

    #[test]
    fn in_order_a_home_is_held_to_its_score() {
        let scored = |id, state, millis: Option<u64>| {
            let score = millis.map(Duration::from_millis);
            Entry { score, ..Entry::bare(id, state) }
        };
        let home = |entries: &[Entry], bound| {
            let home = Home { region: RegionId(1), bound };
            home_in_order(|| entries.iter(), home).is_some()
        };
        use State::{Fresh, Stale, Unknown};
        for (state, score, bound, is_kept) in [
            (Fresh, Some(150), 60.0, true),
            (Fresh, Some(150), 50.0, true),
            (Fresh, Some(150), 49.0, false),
            (Fresh, Some(90), 0.0, true),
            (Fresh, None, 1e9, false),
            (Stale, Some(100), 1e9, false),
            (Unknown, None, 1e9, false),
        ] {
            let entries = [scored(0, Fresh, Some(100)), scored(1, state, score)];
            assert_eq!(home(&entries, bound), is_kept, "{state:?} {score:?} {bound}");
        }
        let no_longer = [scored(0, Fresh, Some(100)), scored(2, Fresh, Some(100))];
        assert!(!home(&no_longer, 1e9));
        let lately = [scored(0, Stale, Some(100)), scored(1, Fresh, Some(120))];
        assert!(home(&lately, 20.0) && !home(&lately, 19.0));
    }

    #[test]
    fn a_leader_that_answers_nobody_is_left() {
        let entries = [entry(0, 100.0, 0.0), entry(1, 300.0, 0.0)];
        let pend = || Pends::begin(entries[0].vitals.clone(), at(0), Duration::from_millis(100));
        let waiting: Vec<_> = (0..4).map(|_| pend()).collect();
        assert_eq!(choose(&entries, Some(0), at(110)), (0, Why::Leads));
        assert_eq!(choose(&entries, Some(0), at(500)), (1, Why::LeaderSilent));
        drop(waiting);
        assert_eq!(choose(&entries, Some(0), at(500)), (0, Why::Leads));
    }

    #[test]
    fn one_whose_times_are_unknown_comes_last() {
        let unknown = Entry { known: None, ..entry(0, 1.0, 0.0) };
        let entries = [unknown.clone(), entry(1, 300.0, 0.0)];
        assert_eq!(choose(&entries, Some(0), at(0)), (1, Why::Next));
        assert_eq!(choose(&[unknown], None, at(0)), (0, Why::Order));
    }

    #[test]
    fn a_request_is_stuck_when_it_is_late_with_others_or_beyond_measure() {
        let entry = entry(0, 100.0, 0.0);
        let stuck = |so_far, now| {
            let wait = Wait { expected: 100.0, so_far };
            entry.is_stuck(wait, SHAPE, &typical(), now)
        };
        let looks = Wait::looks(100.0).map(|look| look.as_millis());
        assert_eq!(looks, [130, 300]);
        assert!(!stuck(120.0, at(120)) && !stuck(299.0, at(299)) && stuck(301.0, at(301)));
        let pend = || Pends::begin(entry.vitals.clone(), at(0), Duration::from_millis(100));
        let _waiting: Vec<_> = (0..4).map(|_| pend()).collect();
        assert!(stuck(250.0, at(250)), "the others wait too");
        assert!(!stuck(120.0, at(250)), "not late itself");
    }
}
