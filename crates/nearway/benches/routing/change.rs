//! When another region becomes the best one, and how soon requests follow.

use crate::{
    score::Ended,
    world::{END, Request, START, World},
};

/// Another region is the best for a usual request from then on, by a tenth at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) turn: Turn,
    /// Seconds since the regions began.
    pub(crate) at: f64,
    /// The next change, or the end.
    pub(crate) until: f64,
    /// The best region.
    pub(crate) right: usize,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The best one got worse.
    Worse,
    /// Another one got better.
    Better,
}

/// What one contestant made of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reaction {
    pub(crate) turn: Turn,
    /// Until nine of ten requests in a row went to the right region. If they never did, how long the
    /// change lasted.
    pub(crate) seconds: f64,
    pub(crate) followed: bool,
}

impl Reaction {
    /// So that a change that was not followed is the longest of all.
    pub(crate) fn time(&self) -> f64 {
        if self.followed { self.seconds } else { f64::INFINITY }
    }
}

/// In the order in which they come. Load and quotas are not seen here.
pub(crate) fn changes(world: &World) -> Vec<Change> {
    let usual = Request { at: 0.0, prompt: 100, streams: true };
    let cost = |place: usize, at: f64| world.cost(place, at, usual, 0);
    let best = |at: f64| {
        let places = 0..world.regions.len();
        places.min_by(|one, other| cost(*one, at).total_cmp(&cost(*other, at))).unwrap_or(0)
    };
    let mut changes: Vec<Change> = Vec::new();
    let mut settled = best(START);
    for tenth in 1..STEPS {
        let at = START + f64::from(tenth) / 10.0;
        let right = best(at);
        if cost(right, at) > LEAD * cost(settled, at) {
            continue;
        }
        let before = at - 0.1;
        let worsened = cost(settled, at) - cost(settled, before);
        let improved = cost(right, before) - cost(right, at);
        let turn = if worsened >= improved { Turn::Worse } else { Turn::Better };
        if let Some(last) = changes.last_mut() {
            last.until = at;
        }
        changes.push(Change { turn, at, until: END, right });
        settled = right;
    }
    changes
}

/// To those changes that lasted for ten requests.
pub(crate) fn reactions(ended: &[Ended], changes: &[Change]) -> Vec<Reaction> {
    let react = |change: &Change| {
        let right = format!("r{}", change.right);
        let is_right =
            |ended: &&Ended| ended.answer.as_ref().is_some_and(|answer| answer.region == right);
        let meanwhile = |ended: &&Ended| (change.at..change.until).contains(&ended.request.at);
        let meanwhile: Vec<&Ended> = ended.iter().filter(meanwhile).collect();
        let mut tens = meanwhile.windows(10).peekable();
        tens.peek()?;
        let follows = tens.find(|ten| ten.iter().filter(|ended| is_right(ended)).count() >= 9);
        let since = follows.and_then(|ten| Some(ten.first()?.request.at - change.at));
        let lasted = change.until - change.at;
        let (seconds, followed) = (since.unwrap_or(lasted), since.is_some());
        Some(Reaction { turn: change.turn, seconds, followed })
    };
    changes.iter().filter_map(react).collect()
}

/// Tenths of a second.
const STEPS: u16 = 400;
/// What the best may cost of what the other one does: less would be a tie that nobody needs to follow.
const LEAD: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{score::tests::ended, worlds};

    fn told(name: &str) -> Vec<(f64, usize, Turn)> {
        let changes = changes(&worlds::named(name));
        changes.iter().map(|change| (change.at, change.right, change.turn)).collect()
    }

    #[test]
    fn scripted_changes_are_found_when_they_come() {
        assert_eq!(told("steady"), []);
        assert_eq!(told("crossover"), [(14.0, 1, Turn::Worse)]);
        assert_eq!(told("brown-out"), [(14.0, 1, Turn::Worse), (24.0, 0, Turn::Better)]);
        assert_eq!(told("spike bursts").len(), 12);
        // a hang that is nearly over is no longer one
        let stalled = told("stalled");
        assert_eq!(stalled.len(), 2);
        assert_eq!((stalled[0].0, stalled[0].2), (15.0, Turn::Worse));
        assert!((22.5..=23.0).contains(&stalled[1].0) && stalled[1].2 == Turn::Better);
    }

    #[test]
    fn a_change_lasts_until_the_next() {
        let changes = changes(&worlds::named("brown-out"));
        assert_eq!(changes.iter().map(|one| one.until).collect::<Vec<_>>(), [24.0, END]);
    }

    #[test]
    fn nine_of_ten_requests_in_a_row_are_a_reaction() {
        let change = Change { turn: Turn::Worse, at: 10.0, until: 20.0, right: 1 };
        // ten a second: from 12.0 on all but one of each ten to the right one
        let place = |tenth: u32| usize::from(tenth >= 120 && !tenth.is_multiple_of(10));
        let all: Vec<_> =
            (0..300).map(|tenth| ended(f64::from(tenth) / 10.0, 100.0, place(tenth))).collect();
        let expected = Reaction { turn: Turn::Worse, seconds: 2.0, followed: true };
        assert_eq!(reactions(&all, &[change]), [expected]);
    }

    #[test]
    fn what_is_never_followed_is_infinite_and_what_is_too_short_unknown() {
        let all: Vec<_> = (0..300).map(|tenth| ended(f64::from(tenth) / 10.0, 100.0, 0)).collect();
        let lasts = Change { turn: Turn::Better, at: 10.0, until: 14.0, right: 1 };
        let short = Change { until: 10.5, ..lasts };
        let expected = Reaction { turn: Turn::Better, seconds: 4.0, followed: false };
        assert_eq!(reactions(&all, &[lasts, short]), [expected]);
        assert!(expected.time().is_infinite());
    }
}
