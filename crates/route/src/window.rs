//! The samples that still count: bounded in time and in number, the newest always among them.
//!
//! Sorted by [`Sample`]'s order, so that neither a late arrival nor the order of equal times
//! changes what the window holds. It does not judge what it holds; `health` and `score` do.

use std::{collections::VecDeque, time::Duration};

use crate::{
    moment::Moment,
    sample::{Measured, Sample},
    spread::Spread,
};

/// Samples a window holds at most; beyond it the oldest go. Five minutes at three a second.
pub const MAX_SAMPLES: usize = 1_024;

/// Samples of one (region, deployment) from one source, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    samples: VecDeque<Sample>,
}

impl Window {
    /// Adds a sample at its place in time; if the window is full, the oldest of all goes.
    pub(crate) fn insert(&mut self, sample: Sample) {
        let place = self.samples.partition_point(|held| *held <= sample);
        self.samples.insert(place, sample);
        if self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Drops what is older than `span`, but never the newest: what was measured once is not
    /// unknown again, and an interval longer than the window still leaves something to rank by.
    pub(crate) fn expire(&mut self, now: Moment, span: Duration) {
        while self.samples.len() > 1
            && self.samples.front().is_some_and(|oldest| now.since(oldest.at) > span)
        {
            self.samples.pop_front();
        }
    }

    /// The newest sample.
    pub(crate) fn newest(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// When the newest failure was.
    pub(crate) fn last_failure(&self) -> Option<Moment> {
        self.iter().rev().find(|sample| sample.outcome.is_failure()).map(|sample| sample.at)
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> u32 {
        count(self.iter())
    }

    /// How many of them are failures.
    pub(crate) fn failures(&self) -> u32 {
        count(self.iter().filter(|sample| sample.outcome.is_failure()))
    }

    /// What one clock showed over the answers.
    pub(crate) fn spread(&self, clock: Measured) -> Option<Spread> {
        Spread::of(self.iter().filter_map(|sample| sample.outcome.measure(clock)))
    }

    /// All samples, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Sample> + Clone {
        self.samples.iter()
    }
}

/// A count as a `u32`, which [`MAX_SAMPLES`] fits.
fn count<'a>(samples: impl Iterator<Item = &'a Sample>) -> u32 {
    samples.fold(0, |count, _| count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Asked, Outcome, Source};

    const fn answer(second: u64) -> Sample {
        Sample {
            at: Moment::from_nanos(second * 1_000_000_000),
            source: Source::Probe,
            asked: Asked::probe(0),
            outcome: Outcome::Reachable { head: Duration::from_millis(second) },
        }
    }

    fn filled(seconds: impl Iterator<Item = u64>) -> Window {
        let mut window = Window::default();
        seconds.for_each(|second| window.insert(answer(second)));
        window
    }

    #[test]
    fn a_full_window_never_gives_up_the_newest_for_an_older_one() {
        let full = 1_000 + MAX_SAMPLES as u64;
        let mut window = filled(1_000..full);
        window.insert(answer(1));
        assert_eq!(window.iter().next(), Some(&answer(1_000)), "the late arrival was the oldest");
        window.insert(answer(full));
        assert_eq!(window.newest(), Some(&answer(full)));
        assert_eq!(window.iter().next(), Some(&answer(1_001)));
        assert_eq!(window.len() as usize, MAX_SAMPLES);
    }

    #[test]
    fn samples_leave_by_age_and_the_newest_stays() {
        let mut window = filled([30, 10, 20].into_iter());
        let at = |second| answer(second).at;
        let span = Duration::from_secs(10);
        window.expire(at(20), span);
        assert_eq!(window.len(), 3, "exactly as old as the window still counts");
        window.expire(at(31), span);
        assert_eq!(window.iter().collect::<Vec<_>>(), [&answer(30)]);
        window.expire(at(9_999), span);
        assert_eq!(window.newest(), Some(&answer(30)));
    }
}
