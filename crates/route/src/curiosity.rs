//! When a (region, deployment) is worth a probe: where nothing was seen for an interval, rarely where
//! nothing could make it the best, and soon again after it surprised.
//!
//! A clients' request tells as much as a probe, so where there is traffic, there are no probes. A
//! region that was slow once, or is fast all at once, is looked at again within a part of the interval,
//! at the price of probes and not of clients.

use std::time::Duration;

use crate::{
    moment::{Moment, scaled},
    sample::Source,
};

/// What is known of when something was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Curiosity {
    seen: Option<Moment>,
    surprise: Option<Surprise>,
    /// Clients' requests seen since the last probe.
    clients: u32,
}

/// A time, or a failure, that was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    /// When it came, and when what it is of was sent.
    pub(crate) at: Moment,
    pub(crate) sent: Moment,
    pub(crate) source: Source,
    /// By how many deviations it was slower than expected.
    pub(crate) deviations: f64,
}

/// It was much slower or faster than expected, and is looked at again and again.
#[derive(Clone, Copy, Debug)]
struct Surprise {
    at: Moment,
    /// Looks since.
    looks: usize,
}

impl Curiosity {
    /// Something was seen. What was sent before a look is due is none, however late it comes: it tells what
    /// caused the surprise once more.
    pub(crate) fn saw(&mut self, sight: Sight, interval: Duration) {
        let Sight { at, sent, source, deviations } = sight;
        self.clients = match source {
            Source::Live => self.clients.saturating_add(1),
            Source::Probe => 0,
        };
        while let Some(surprise) = self.surprise
            && surprise.next(interval).is_none_or(|next| next <= sent)
        {
            let looks = surprise.looks + 1;
            self.surprise = (looks < LOOKS.len()).then_some(Surprise { looks, ..surprise });
        }
        if !(SURPRISING_FAST..=SURPRISING).contains(&deviations) && self.surprise.is_none() {
            self.surprise = Some(Surprise { at, looks: 0 });
        }
        self.seen = self.seen.max(Some(at));
    }

    /// When the next probe is due; at once where nothing was ever seen. A leader whose clients tell enough
    /// needs no looks.
    pub(crate) fn due(&self, now: Moment, interval: Duration, nearness: Nearness) -> Moment {
        let Some(seen) = self.seen else { return Moment::ZERO };
        let times = if nearness == Nearness::Far { FAR_TIMES } else { 1.0 };
        let regular = seen + scaled(interval, times);
        // who comes next tells as soon as a probe would
        let flows = self.clients >= MANY && now.since(seen) < interval / 2;
        if nearness == Nearness::Leads && flows {
            return regular;
        }
        let again = self.surprise.and_then(|surprise| surprise.next(interval));
        again.map_or(regular, |again| again.min(regular))
    }
}

/// Where a region stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearness {
    /// It has the traffic.
    Leads,
    /// It could have become the best.
    Near,
    /// It is so far from the best that it could hardly have.
    Far,
}

impl Surprise {
    fn next(self, interval: Duration) -> Option<Moment> {
        LOOKS.get(self.looks).map(|share| self.at + scaled(interval, *share))
    }
}

/// More than these deviations are no scatter.
const SURPRISING: f64 = 3.5;
/// Nor are these: it may have become the best.
const SURPRISING_FAST: f64 = -1.5;
/// When it is looked at again, in intervals since.
const LOOKS: [f64; 4] = [0.12, 0.31, 0.61, 1.07];
/// A region that is far from the best is probed so much more rarely.
const FAR_TIMES: f64 = 1.5;
/// So many clients' requests without a probe between them are a traffic that goes on.
const MANY: u32 = 8;

#[cfg(test)]
mod tests {
    use super::{
        Nearness::{Far, Leads, Near},
        *,
    };

    const INTERVAL: Duration = Duration::from_secs(100);

    /// Seen as soon as it was sent.
    fn seen(at: Moment, deviations: f64) -> Sight {
        Sight { at, sent: at, source: Source::Probe, deviations }
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_never_seen_is_due_and_what_was_seen_in_an_interval() {
        let mut curiosity = Curiosity::default();
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), Moment::ZERO);
        curiosity.saw(seen(at(50), 0.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(150));
        assert_eq!(curiosity.due(at(0), INTERVAL, Far), at(200), "far from the best");
        curiosity.saw(seen(at(20), 0.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(150), "a late report");
    }

    #[test]
    fn what_surprised_is_looked_at_again_soon_and_then_less_so() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(seen(at(1_000), 9.0), INTERVAL);
        let mut looks = Vec::new();
        for _ in 0..6 {
            let due = curiosity.due(at(0), INTERVAL, Near);
            looks.push(due.since(at(1_000)).as_secs());
            curiosity.saw(seen(due, 0.0), INTERVAL);
        }
        assert_eq!(looks, [12, 31, 61, 107, 207, 307]);
    }

    #[test]
    fn one_that_is_fast_all_at_once_is_looked_at_again_too() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(seen(at(1_000), -1.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(1_100));
        curiosity.saw(seen(at(1_100), -2.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(1_112));
    }

    #[test]
    fn what_clients_see_meanwhile_spares_the_looks() {
        let mut curiosity = Curiosity::default();
        curiosity.saw(seen(at(1_000), 9.0), INTERVAL);
        curiosity.saw(seen(at(1_040), 0.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(1_061));
        curiosity.saw(seen(at(2_000), 0.0), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(2_100));
    }

    #[test]
    fn what_was_sent_before_a_look_is_none() {
        let mut curiosity = Curiosity::default();
        let late = |at, sent| Sight { sent, ..seen(at, 9.0) };
        curiosity.saw(late(at(1_000), at(990)), INTERVAL);
        curiosity.saw(late(at(1_100), at(1_005)), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Far), at(1_012), "overdue");
        curiosity.saw(late(at(1_101), at(1_062)), INTERVAL);
        assert_eq!(curiosity.due(at(0), INTERVAL, Far), at(1_107), "that one was three");
    }

    #[test]
    fn a_leader_whose_clients_tell_enough_needs_no_looks() {
        let mut curiosity = Curiosity::default();
        let live = |second| Sight { source: Source::Live, ..seen(at(second), 0.0) };
        (1_000..1_020).for_each(|second| curiosity.saw(live(second), INTERVAL));
        curiosity.saw(Sight { deviations: 9.0, ..live(1_020) }, INTERVAL);
        assert_eq!(curiosity.due(at(1_021), INTERVAL, Leads), at(1_120));
        assert_eq!(curiosity.due(at(1_021), INTERVAL, Near), at(1_032), "they have left");
        assert_eq!(curiosity.due(at(1_080), INTERVAL, Leads), at(1_032), "nothing comes any more");
        curiosity.saw(seen(at(1_032), 0.0), INTERVAL);
        assert_eq!(curiosity.due(at(1_033), INTERVAL, Leads), at(1_051), "it is probed");
    }

    #[test]
    fn a_second_surprise_does_not_begin_anew() {
        let mut curiosity = Curiosity::default();
        (0..50).for_each(|second| curiosity.saw(seen(at(second), 9.0), INTERVAL));
        assert_eq!(curiosity.due(at(0), INTERVAL, Near), at(61));
    }
}
