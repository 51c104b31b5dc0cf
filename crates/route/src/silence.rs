//! Whether a region has fallen silent: several requests wait there, and none has been answered for
//! much longer than answers take there.
//!
//! A timeout must be long, since some answers are; the silence of all requests at once is told from
//! that within a second. The proxy says what each request waits for and when that has come; the plan
//! and the rescue of those that wait ask here. What is waited for is kept apart: a region whose heads
//! still come may send nothing behind them. Atomics, as in [`Vitals`](crate::Vitals).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{moment::Moment, vitals::Vitals};

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The head of the answer.
    Head,
    /// Behind it, the first content token of a stream.
    FirstToken,
    /// Behind it, the end of a short answer.
    End,
}

/// Who waits for one of them at one (region, deployment), and how long that takes.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    waiting: AtomicU32,
    /// When the last answer came, or the first of those that wait now began; nanoseconds.
    since: AtomicU64,
    /// The value of `since` with which it was found to have fallen: until the next answer it has,
    /// though those that wait leave one after the other.
    fallen: AtomicU64,
    /// The slowest answer of a part of the window, packed with the part's number.
    slowest: [AtomicU64; 2],
}

impl Silence {
    fn begin(&self, now: Moment) {
        if self.waiting.fetch_add(1, Relaxed) == 0 {
            self.since.store(now.as_nanos(), Relaxed);
        }
    }

    fn answered(&self, took: Duration, now: Moment) {
        self.since.fetch_max(now.as_nanos(), Relaxed);
        let (number, millis) = (part(now), u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        let Some(slowest) = self.slowest.get(usize::from(number % 2 == 1)) else { return };
        // never refuses
        let _ = slowest.fetch_update(Relaxed, Relaxed, |packed| {
            let (theirs, so_far) = unpacked(packed);
            Some(pack(number, if theirs == number { millis.max(so_far) } else { millis }))
        });
    }

    /// The slowest answer of this part of the window and the one before; `None` if there was none.
    fn slowest(&self, now: Moment) -> Option<Duration> {
        let number = part(now);
        let parts = self.slowest.iter().map(|packed| unpacked(packed.load(Relaxed)));
        let recent = parts.filter(|(theirs, _)| *theirs != 0 && number.wrapping_sub(*theirs) < 2);
        recent.map(|(_, millis)| Duration::from_millis(millis.into())).max()
    }

    /// Whether it has fallen silent. `usual` is how long an answer takes where none was seen of
    /// late.
    pub(crate) fn has_fallen(&self, usual: Option<Duration>, now: Moment) -> bool {
        let (waiting, since) = (self.waiting.load(Relaxed), self.since.load(Relaxed));
        if waiting == 0 {
            return false;
        }
        if since != 0 && self.fallen.load(Relaxed) == since {
            return true;
        }
        let Some(slowest) = self.slowest(now).max(usual) else { return false };
        let silent = now.since(Moment::from_nanos(since));
        let fallen = waiting >= MANY && silent >= slowest.saturating_mul(SLOWER_BY).max(LEAST);
        if fallen {
            self.fallen.store(since, Relaxed);
        }
        fallen
    }
}

/// One request that waits.
#[derive(Debug)]
#[must_use = "the request waits no more as soon as this is dropped"]
pub struct Waiting {
    vitals: Arc<Vitals>,
    awaited: Awaited,
    began: Moment,
}

impl Waiting {
    pub(crate) fn begin(vitals: Arc<Vitals>, awaited: Awaited, now: Moment) -> Self {
        vitals.silence(awaited).begin(now);
        Self { vitals, awaited, began: now }
    }

    /// It has come. Dropped without, the request was given up, which says nothing.
    pub fn answered(self, now: Moment) {
        self.silence().answered(now.since(self.began), now);
    }

    /// It has come, and something else is waited for.
    pub fn goes_on(self, awaited: Awaited, now: Moment) -> Self {
        let vitals = Arc::clone(&self.vitals);
        self.answered(now);
        Self::begin(vitals, awaited, now)
    }

    fn silence(&self) -> &Silence {
        self.vitals.silence(self.awaited)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.silence().waiting.fetch_sub(1, Relaxed);
    }
}

/// The number of the part of the window that `now` is in; never 0.
fn part(now: Moment) -> u32 {
    let number = now.as_nanos() / PART_NANOS;
    // wraps after centuries
    u32::try_from(number % u64::from(u32::MAX)).unwrap_or_default().saturating_add(1)
}

fn pack(number: u32, millis: u32) -> u64 {
    u64::from(number) << 32 | u64::from(millis)
}

fn unpacked(packed: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = packed.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

/// Fewer that wait may all be slow ones.
const MANY: u32 = 4;
/// A silence so much longer than the slowest answer is none of a slow one.
const SLOWER_BY: u32 = 3;
/// A shorter silence is nothing.
const LEAST: Duration = Duration::from_millis(500);
/// Answers count for one to two of these: half a minute.
const PART_NANOS: u64 = 30_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn waiting(vitals: &Arc<Vitals>, count: usize, millis: u64) -> Vec<Waiting> {
        (0..count).map(|_| Waiting::begin(vitals.clone(), Awaited::Head, at(millis))).collect()
    }

    #[test]
    fn many_that_wait_long_in_vain_are_a_silence() {
        let vitals = Arc::new(Vitals::default());
        let usual = Some(Duration::from_millis(100));
        let fallen = |millis| vitals.silence(Awaited::Head).has_fallen(usual, at(millis));
        let few = waiting(&vitals, 3, 1_000);
        assert!(!fallen(9_000), "three may all be slow");
        let one_more = waiting(&vitals, 1, 9_000);
        assert!(fallen(9_000));
        drop(one_more);
        assert!(fallen(9_000), "those that are left wait in vain too");
        drop(few);
        assert!(!fallen(9_000));

        let mut many = waiting(&vitals, 10, 20_000);
        assert!(!fallen(20_499) && fallen(20_500));
        many.pop().unwrap().answered(at(20_500));
        assert!(!fallen(20_600), "one was answered");
        assert!(!fallen(21_999) && fallen(22_000), "answers take up to 500 ms here");
        drop(many);
        assert!(!fallen(30_000));
    }

    #[test]
    fn what_is_slow_by_nature_is_none() {
        let vitals = Arc::new(Vitals::default());
        waiting(&vitals, 1, 0).pop().unwrap().answered(at(20_000));
        let many = waiting(&vitals, 50, 21_000);
        let usual = Some(Duration::from_millis(100));
        let fallen = |millis| vitals.silence(Awaited::Head).has_fallen(usual, at(millis));
        assert!(!fallen(50_000), "answers take 20 s");
        assert!(fallen(81_000), "but not a minute");
        drop(many);
        let unknown = Arc::new(Vitals::default());
        let many = waiting(&unknown, 50, 0);
        assert!(
            !unknown.silence(Awaited::Head).has_fallen(None, at(1_000_000)),
            "nothing is known"
        );
        drop(many);
    }

    #[test]
    fn heads_that_come_hide_no_silence_behind_them() {
        let vitals = Arc::new(Vitals::default());
        let usual = Some(Duration::from_millis(100));
        let mut behind = Vec::new();
        for millis in (0..1_000).step_by(50) {
            let head = Waiting::begin(vitals.clone(), Awaited::Head, at(millis));
            behind.push(head.goes_on(Awaited::End, at(millis + 1)));
        }
        assert!(!vitals.is_silent(usual, at(400)) && vitals.is_silent(usual, at(1_000)));
        drop(behind);
        assert!(!vitals.is_silent(usual, at(1_000)));
    }

    #[test]
    fn an_old_answer_is_forgotten() {
        let silence = Silence::default();
        silence.answered(Duration::from_secs(5), at(10_000));
        assert_eq!(silence.slowest(at(59_999)), Some(Duration::from_secs(5)));
        assert_eq!(silence.slowest(at(60_000)), None);
    }

    proptest! {
        #[test]
        fn whoever_is_answered_or_gives_up_waits_no_more(ends in vec(any::<bool>(), 0..20)) {
            let vitals = Arc::new(Vitals::default());
            for (one, answered) in waiting(&vitals, ends.len(), 5).into_iter().zip(&ends) {
                if *answered {
                    one.answered(at(9));
                }
            }
            prop_assert_eq!(vitals.silence(Awaited::Head).waiting.load(Relaxed), 0);
        }
    }
}
