//! A circuit breaker: stops sending requests where too many fail, and comes back carefully.
//!
//! Closed, it counts how requests end over a sliding window. It opens when the share of failures is
//! too high, when a few fail in a row, or at once when nobody is there to answer. After a pause one
//! request at a time may try; each failed trial doubles the pause, and after a good one the traffic
//! returns bit by bit, so that a region that has just recovered is not run over.
//!
//! [`Vitals`](crate::Vitals) hold one; all workers share it: atomics, no lock, time is an argument.
//! What decides the state is one word, changed whole by compare-exchange, so that of two workers
//! that see the same fault one opens it. Which outcomes count at all is the caller's to know: what
//! a client earned, and a refusal for a quota, do not.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    backoff::Backoff,
    moment::Moment,
    recent::{Ended, Recent},
};

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Share of failures among the requests of the window from which it opens, 0 to 1.
    pub ratio: f64,
    /// Requests in the window before the share says anything.
    pub minimum: u32,
    /// Failures of the window in a row, no answer between them, from which it opens whatever the
    /// share: a busy region that dies has a long past of answers.
    pub in_a_row: u32,
    /// How far back requests count.
    pub window: Duration,
    /// How long it stays open, by the number of times that it opened without recovering.
    pub pause: Backoff,
    /// How long the traffic takes to return in full.
    pub ramp: Duration,
}

/// Where a breaker stands. The order is from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakerState {
    /// Requests pass and are counted.
    Closed,
    /// A trial was answered: a growing share passes.
    Returning,
    /// One at a time may try.
    HalfOpen,
    /// None pass.
    Open,
}

impl BreakerState {
    /// Every state, in order.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Returning, Self::HalfOpen, Self::Open];

    /// A label: `closed`, `returning`, `half_open` or `open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Returning => "returning",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How much one failure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The region answered badly, or too late, or broke off: it counts.
    Fault,
    /// No connection came about: nobody is there, and the breaker opens at once.
    Unreachable,
}

/// The moving state of one breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Packed [`Stance`].
    stance: AtomicU64,
    /// Until when the trial under way keeps the next one waiting, in nanoseconds of a [`Moment`];
    /// 0 = none is. A client that leaves would else keep the place for ever.
    trial_until: AtomicU64,
    /// Nanoseconds in which the traffic returns, as they were set when it began to.
    ramp: AtomicU64,
    /// Counts requests while the traffic returns.
    arrivals: AtomicU32,
    /// Failures since the last answer.
    in_a_row: AtomicU32,
    recent: Recent,
}

impl Breaker {
    /// Where it stands.
    pub fn state(&self, now: Moment) -> BreakerState {
        self.stance().state(now)
    }

    /// How long it is still open; `None` when it is not. Never `Some(ZERO)`.
    pub fn open_for(&self, now: Moment) -> Option<Duration> {
        let stance = self.stance();
        (stance.state(now) == BreakerState::Open).then(|| stance.until.since(now))
    }

    /// The share of requests that passes, 0 to 1. The one trial of a half-open breaker is no share.
    pub fn share(&self, now: Moment) -> f64 {
        let stance = self.stance();
        match stance.state(now) {
            BreakerState::Closed => 1.0,
            BreakerState::Returning => f64::from(self.steps(stance, now)) / f64::from(STEPS),
            BreakerState::HalfOpen | BreakerState::Open => 0.0,
        }
    }

    /// A request that was sent at `sent` was answered. Returns whether it was a trial that succeeded:
    /// the traffic begins to return.
    ///
    /// What was sent before the breaker came to stand where it does says nothing about it.
    pub fn answered(&self, sent: Moment, now: Moment, settings: &BreakerSettings) -> bool {
        let stance = self.stance();
        if sent < stance.began(settings) {
            return false;
        }
        match stance.state(now) {
            BreakerState::Closed | BreakerState::Returning => {
                self.end_row();
                self.recent.count(Ended::Answered, now, settings.window);
                false
            }
            // while it is open too: sent as a last resort, and good all the same
            BreakerState::HalfOpen | BreakerState::Open => {
                let ramp = u64::try_from(settings.ramp.as_nanos()).unwrap_or(u64::MAX);
                self.ramp.store(ramp, Relaxed);
                let until = now + settings.ramp;
                self.change(stance, Stance { phase: Phase::Returning, until, ..stance })
            }
        }
    }

    /// A request that was sent at `sent` failed. Returns whether that opened the breaker.
    pub fn failed(
        &self,
        failure: Failure,
        sent: Moment,
        now: Moment,
        settings: &BreakerSettings,
    ) -> bool {
        let stance = self.stance();
        match stance.state(now) {
            // it has been judged already
            BreakerState::Open => false,
            // a trial was sent after the pause
            BreakerState::HalfOpen => sent >= stance.until && self.open(stance, now, settings),
            BreakerState::Closed | BreakerState::Returning => {
                sent >= stance.began(settings)
                    && self.too_many_with_this(failure, now, settings)
                    && self.open(stance, now, settings)
            }
        }
    }

    /// Whether a trial could be claimed: it is half-open and none is under way.
    pub(crate) fn has_trial(&self, now: Moment) -> bool {
        self.state(now) == BreakerState::HalfOpen
            && self.trial_until.load(Relaxed) <= now.as_nanos()
    }

    /// Whether it has been half-open for as long as a trial may take, and nobody has made one.
    pub(crate) fn trial_is_overdue(&self, now: Moment) -> bool {
        self.has_trial(now) && now.since(self.stance().until) >= TRIAL
    }

    /// Claims the one trial of a half-open breaker. Whoever gets it must send a request at `now`, or
    /// give it back.
    pub(crate) fn claim_trial(&self, now: Moment) -> bool {
        let former = self.trial_until.load(Relaxed);
        let until = (now + TRIAL).as_nanos();
        self.state(now) == BreakerState::HalfOpen
            && former <= now.as_nanos()
            && self.trial_until.compare_exchange(former, until, Relaxed, Relaxed).is_ok()
    }

    /// Gives back the trial claimed at `now`: the request goes elsewhere after all.
    pub(crate) fn give_back_trial(&self, now: Moment) {
        let claimed = (now + TRIAL).as_nanos();
        // fails only when somebody has ended the trial already
        let _ = self.trial_until.compare_exchange(claimed, 0, Relaxed, Relaxed);
    }

    /// Whether the next request passes while the traffic returns; counts it as come either way. Of
    /// [`STEPS`] requests in a row at least one passes, and none fewer later than earlier.
    pub(crate) fn passes_in_turn(&self, now: Moment) -> bool {
        self.passes(self.arrivals.fetch_add(1, Relaxed), now)
    }

    /// The same without counting it: what the next request will be told.
    pub(crate) fn would_pass_in_turn(&self, now: Moment) -> bool {
        self.passes(self.arrivals.load(Relaxed), now)
    }

    fn passes(&self, turn: u32, now: Moment) -> bool {
        // an odd factor scatters those that pass among those that do not
        turn.wrapping_mul(SCATTER) % STEPS < self.steps(self.stance(), now)
    }

    /// How many of [`STEPS`] requests pass while the traffic returns.
    fn steps(&self, stance: Stance, now: Moment) -> u32 {
        let ramp = Duration::from_nanos(self.ramp.load(Relaxed)).as_secs_f64();
        let left = stance.until.since(now).as_secs_f64();
        let share = 1.0 - left / ramp.max(f64::MIN_POSITIVE);
        (1..STEPS).filter(|step| f64::from(*step) <= share * f64::from(STEPS)).max().unwrap_or(1)
    }

    fn stance(&self) -> Stance {
        Stance::unpacked(self.stance.load(Relaxed))
    }

    /// Whether one more failure is one too many.
    fn too_many_with_this(
        &self,
        failure: Failure,
        now: Moment,
        settings: &BreakerSettings,
    ) -> bool {
        self.recent.count(Ended::Failed, now, settings.window);
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let (failures, requests) = self.recent.failures_of_requests(now, settings.window);
        failure == Failure::Unreachable
            || in_a_row.min(failures) >= settings.in_a_row.max(1)
            || (requests >= settings.minimum
                && f64::from(failures) >= settings.ratio * f64::from(requests))
    }

    fn open(&self, stance: Stance, now: Moment, settings: &BreakerSettings) -> bool {
        let openings = match stance.state(now) {
            BreakerState::Closed => 0,
            _ => stance.openings,
        };
        let until = now + settings.pause.doubled(openings.into());
        let openings = openings.saturating_add(1).min(MAX_OPENINGS);
        self.change(stance, Stance { phase: Phase::Open, openings, until })
    }

    /// Goes from one stance to another; `false` if another worker was faster.
    fn change(&self, from: Stance, to: Stance) -> bool {
        let changed =
            self.stance.compare_exchange(from.packed(), to.packed(), Relaxed, Relaxed).is_ok();
        if changed {
            self.trial_until.store(0, Relaxed);
            self.end_row();
            self.recent.forget();
        }
        changed
    }

    fn end_row(&self) {
        // almost always there is none: then the cache line stays shared
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }
}

/// Where a breaker stands and until when: what fits into one word.
#[derive(Clone, Copy)]
struct Stance {
    phase: Phase,
    /// Times that it opened without having closed in between.
    openings: u8,
    /// When the phase is over, in whole microseconds.
    until: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    /// Half-open when it is over.
    Open,
    /// Closed when it is over.
    Returning,
}

impl Stance {
    fn state(self, now: Moment) -> BreakerState {
        match self.phase {
            Phase::Open if now < self.until => BreakerState::Open,
            Phase::Open => BreakerState::HalfOpen,
            Phase::Returning if now < self.until => BreakerState::Returning,
            Phase::Closed | Phase::Returning => BreakerState::Closed,
        }
    }

    /// When the phase began. A reload of the settings in between shifts it a little, no more.
    fn began(self, settings: &BreakerSettings) -> Moment {
        let took = match self.phase {
            Phase::Closed => return Moment::ZERO,
            Phase::Open => settings.pause.doubled(u32::from(self.openings.saturating_sub(1))),
            Phase::Returning => settings.ramp,
        };
        Moment::ZERO + self.until.since(Moment::from(took))
    }

    /// 2 bits for the phase, 6 for the openings, 56 for the microseconds, which all moments fit.
    fn packed(self) -> u64 {
        let phase = match self.phase {
            Phase::Closed => 0,
            Phase::Open => 1,
            Phase::Returning => 2,
        };
        let micros = self.until.as_nanos().div_ceil(1_000);
        phase << 62 | u64::from(self.openings.min(MAX_OPENINGS)) << 56 | micros
    }

    fn unpacked(packed: u64) -> Self {
        let [first, ..] = packed.to_be_bytes();
        let phase = match first >> 6 {
            0 => Phase::Closed,
            1 => Phase::Open,
            _ => Phase::Returning,
        };
        let micros = packed & (u64::MAX >> 8);
        let until = Moment::from_nanos(micros.saturating_mul(1_000));
        Self { phase, openings: first & MAX_OPENINGS, until }
    }
}

/// Steps in which traffic returns; a power of two, so that a counter that wraps keeps its turn.
const STEPS: u32 = 16;
/// Odd, and near a third of the steps.
const SCATTER: u32 = 5;
/// For how long a trial keeps the next one waiting. An answer may well take longer: then two are
/// under way, which does no harm.
const TRIAL: Duration = Duration::from_secs(10);
/// What fits beside the deadline; the pause has reached its longest by far.
const MAX_OPENINGS: u8 = 63;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        ratio: 0.5,
        minimum: 10,
        in_a_row: 3,
        window: Duration::from_secs(10),
        pause: Backoff { least: Duration::from_secs(1), most: Duration::from_secs(8) },
        ramp: Duration::from_secs(16),
    };

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn state(breaker: &Breaker, millis: u64) -> BreakerState {
        breaker.state(at(millis))
    }

    /// A request that takes no time.
    fn answer(breaker: &Breaker, millis: u64) -> bool {
        breaker.answered(at(millis), at(millis), &SETTINGS)
    }

    /// A request that takes no time.
    fn fail(breaker: &Breaker, millis: u64) -> bool {
        breaker.failed(Failure::Fault, at(millis), at(millis), &SETTINGS)
    }

    fn opened(millis: u64) -> Breaker {
        let breaker = Breaker::default();
        assert!(breaker.failed(Failure::Unreachable, at(millis), at(millis), &SETTINGS));
        breaker
    }

    /// Asks as a plan does.
    fn admits(breaker: &Breaker, now: Moment) -> bool {
        match breaker.state(now) {
            BreakerState::Closed => true,
            BreakerState::Returning => breaker.passes_in_turn(now),
            BreakerState::HalfOpen => breaker.claim_trial(now),
            BreakerState::Open => false,
        }
    }

    #[test]
    fn it_opens_by_share_only_with_enough_to_go_by() {
        let one_by_one = BreakerSettings { in_a_row: u32::MAX, ..SETTINGS };
        for (answered, failed, opens) in [(5, 4, false), (5, 5, true), (6, 5, false), (0, 9, false)]
        {
            let breaker = Breaker::default();
            for _ in 0..answered {
                answer(&breaker, 100);
            }
            let opened =
                (0..failed).any(|_| breaker.failed(Failure::Fault, at(200), at(200), &one_by_one));
            assert_eq!(opened, opens, "{answered} answered, {failed} failed");
        }
    }

    #[test]
    fn it_opens_by_a_row_whatever_went_before() {
        let breaker = Breaker::default();
        for _ in 0..1_000 {
            answer(&breaker, 100);
        }
        assert!(!fail(&breaker, 200) && !fail(&breaker, 200));
        answer(&breaker, 200);
        assert!(!fail(&breaker, 300) && !fail(&breaker, 300));
        assert!(fail(&breaker, 300));
    }

    #[test]
    fn where_nobody_is_it_opens_at_once() {
        let breaker = Breaker::default();
        for _ in 0..1_000 {
            answer(&breaker, 100);
        }
        assert!(breaker.failed(Failure::Unreachable, at(200), at(300), &SETTINGS));
        assert_eq!(breaker.open_for(at(300)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_row_longer_than_the_window_is_none() {
        let breaker = Breaker::default();
        assert!(!fail(&breaker, 500) && !fail(&breaker, 500));
        assert!(!fail(&breaker, 10_500), "the first ones are ten seconds old");
        assert!(!fail(&breaker, 10_600));
        assert!(fail(&breaker, 10_600));
    }

    #[test]
    fn one_trial_at_a_time_and_a_growing_pause() {
        let breaker = opened(0);
        let mut now = 0;
        for pause in [1_000, 2_000, 4_000, 8_000, 8_000] {
            assert_eq!(breaker.open_for(at(now)), Some(Duration::from_millis(pause)));
            assert!(!admits(&breaker, at(now + pause - 1)));
            now += pause;
            assert_eq!(state(&breaker, now), BreakerState::HalfOpen);
            assert!(breaker.has_trial(at(now)) && admits(&breaker, at(now)));
            assert!(!admits(&breaker, at(now)), "a trial is under way");
            assert!(!breaker.has_trial(at(now)));
            assert!(fail(&breaker, now));
        }
    }

    #[test]
    fn a_trial_that_never_ends_or_is_not_needed_gives_its_place_back() {
        let breaker = opened(0);
        assert!(breaker.claim_trial(at(1_000)));
        assert!(!breaker.claim_trial(at(10_999)));
        assert!(breaker.claim_trial(at(11_000)));
        breaker.give_back_trial(at(1_000));
        assert!(!breaker.claim_trial(at(11_001)), "only the holder can");
        breaker.give_back_trial(at(11_000));
        assert!(breaker.claim_trial(at(11_001)));
    }

    #[test]
    fn what_was_sent_before_says_nothing() {
        let breaker = opened(1_000);
        assert!(!breaker.answered(at(999), at(1_500), &SETTINGS));
        assert!(!breaker.answered(at(999), at(2_500), &SETTINGS), "a long stream is no trial");
        assert!(!breaker.failed(Failure::Unreachable, at(1_999), at(2_500), &SETTINGS));
        assert!(breaker.claim_trial(at(2_500)));
        assert!(breaker.answered(at(2_500), at(3_000), &SETTINGS));
        assert!(!breaker.failed(Failure::Unreachable, at(2_999), at(9_000), &SETTINGS));
        assert_eq!(state(&breaker, 9_000), BreakerState::Returning);
        assert!(breaker.failed(Failure::Unreachable, at(3_000), at(9_000), &SETTINGS));
    }

    #[test]
    fn a_last_resort_that_is_answered_ends_the_pause() {
        let breaker = opened(0);
        assert!(breaker.answered(at(100), at(200), &SETTINGS));
        assert_eq!(state(&breaker, 200), BreakerState::Returning);
    }

    #[test]
    fn traffic_returns_bit_by_bit() {
        let breaker = opened(0);
        assert_eq!(breaker.share(at(500)).to_bits(), 0.0_f64.to_bits());
        assert!(answer(&breaker, 1_000));
        for (after, admitted) in [(0, 1), (4_000, 4), (8_000, 8), (15_999, 15), (16_000, 16)] {
            let now = at(1_000 + after);
            let count = (0..16).filter(|_| admits(&breaker, now)).count();
            assert_eq!(count, admitted, "after {after} ms");
            let share = breaker.share(now) * 16.0;
            assert!((share - f64::from(u32::try_from(admitted).unwrap())).abs() < 1e-9);
        }
        assert_eq!(state(&breaker, 17_000), BreakerState::Closed);
        assert!(breaker.failed(Failure::Unreachable, at(18_000), at(18_000), &SETTINGS));
        let anew = breaker.open_for(at(18_000));
        assert_eq!(anew, Some(Duration::from_secs(1)), "it starts anew");
    }

    #[test]
    fn a_region_that_fails_as_the_traffic_returns_waits_longer() {
        let breaker = opened(0);
        assert!(answer(&breaker, 1_000));
        assert!(breaker.failed(Failure::Unreachable, at(5_000), at(5_000), &SETTINGS));
        assert_eq!(breaker.open_for(at(5_000)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_opened_it_does_not_count_again() {
        let breaker = Breaker::default();
        (0..3).for_each(|_| _ = fail(&breaker, 0));
        assert!(answer(&breaker, 1_000));
        for _ in 0..7 {
            assert!(!fail(&breaker, 2_000));
            answer(&breaker, 2_000);
            answer(&breaker, 2_000);
        }
    }

    #[test]
    fn of_many_threads_one_opens_it_and_one_tries() {
        for _ in 0..50 {
            let breaker = Breaker::default();
            let count = |step: &(dyn Fn() -> bool + Sync)| {
                std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..4).map(|_| scope.spawn(step)).collect();
                    threads
                        .into_iter()
                        .map(|thread| thread.join().unwrap())
                        .filter(|is| *is)
                        .count()
                })
            };
            let fails = || breaker.failed(Failure::Unreachable, at(0), at(0), &SETTINGS);
            assert_eq!(count(&fails), 1);
            assert_eq!(breaker.open_for(at(0)), Some(Duration::from_secs(1)), "not doubled");
            assert_eq!(count(&|| breaker.claim_trial(at(1_000))), 1);
            assert_eq!(count(&|| breaker.answered(at(1_000), at(1_000), &SETTINGS)), 1);
        }
    }

    #[test]
    fn a_stance_fits_its_word() {
        for phase in [Phase::Closed, Phase::Open, Phase::Returning] {
            for (openings, nanos) in [(0, 0), (1, 5_000), (63, 1 << 63)] {
                let until = Moment::from_nanos(nanos);
                let packed = Stance { phase, openings, until }.packed();
                let back = Stance::unpacked(packed);
                assert!(back.phase == phase && back.openings == openings);
                assert!(back.until.since(until) < Duration::from_micros(1) && back.until >= until);
                assert_eq!(back.packed(), packed);
            }
        }
    }

    /// A request, how long after the one before, how it ends, and how long it takes; `None` = the
    /// client leaves.
    fn requests() -> impl Strategy<Value = Vec<(u64, Option<(bool, u64)>)>> {
        let end = prop_oneof![1 => Just(None), 9 => (any::<bool>(), 0_u64..4_000).prop_map(Some)];
        vec((0_u64..1_000, end), 0..200)
    }

    proptest! {
        #[test]
        fn one_trial_at_a_time_and_in_the_end_it_admits_again(requests in requests()) {
            let breaker = Breaker::default();
            let mut now = 0;
            let mut under_way: Vec<(u64, u64, bool)> = Vec::new();
            let mut trial = None;
            for (pause, end) in requests {
                now += pause;
                under_way.sort_unstable_by_key(|(ends, ..)| *ends);
                while let Some((ends, sent, good)) = under_way.first().copied().filter(|one| one.0 <= now) {
                    under_way.remove(0);
                    let changed = if good {
                        breaker.answered(at(sent), at(ends), &SETTINGS)
                    } else {
                        breaker.failed(Failure::Fault, at(sent), at(ends), &SETTINGS)
                    };
                    if changed {
                        trial = None;
                    }
                }
                let tries = breaker.state(at(now)) == BreakerState::HalfOpen;
                if admits(&breaker, at(now)) {
                    if tries {
                        prop_assert!(trial.is_none_or(|before| before + 10_000 <= now));
                        trial = Some(now);
                    }
                    under_way.extend(end.map(|(good, takes)| (now + takes, now, good)));
                }
            }
            let longest = now + 8_000 + 10_000;
            prop_assert!((0..16).any(|_| admits(&breaker, at(longest))));
        }

        #[test]
        fn answers_alone_never_open_it(mut times in vec(0_u64..100_000, 0..100)) {
            let breaker = Breaker::default();
            times.sort_unstable();
            for time in times {
                prop_assert!(admits(&breaker, at(time)));
                prop_assert!(!answer(&breaker, time));
            }
        }

        #[test]
        fn the_share_that_returns_never_shrinks(mut times in vec(0_u64..20_000, 1..50)) {
            let breaker = opened(0);
            assert!(answer(&breaker, 1_000));
            times.sort_unstable();
            let passing = |time: &u64| (0..16).filter(|_| admits(&breaker, at(1_000 + time))).count();
            let shares: Vec<_> = times.iter().map(passing).collect();
            prop_assert!(shares.is_sorted() && shares[0] >= 1, "{:?}", shares);
        }

        #[test]
        fn no_input_panics(
            (ratio, minimum, in_a_row) in any::<(f64, u32, u32)>(),
            [window, least, most, ramp] in any::<[Duration; 4]>(),
            steps in vec(any::<(u8, u64, u64)>(), 0..40)
        ) {
            let pause = Backoff { least, most };
            let settings = BreakerSettings { ratio, minimum, in_a_row, window, pause, ramp };
            let breaker = Breaker::default();
            for (what, sent, now) in steps {
                let (sent, now) = (Moment::from_nanos(sent), Moment::from_nanos(now));
                match what % 4 {
                    0 => breaker.answered(sent, now, &settings),
                    1 => breaker.failed(Failure::Fault, sent, now, &settings),
                    2 => breaker.failed(Failure::Unreachable, sent, now, &settings),
                    _ => admits(&breaker, now),
                };
                prop_assert!((0.0..=1.0).contains(&breaker.share(now)));
                prop_assert_ne!(breaker.open_for(now), Some(Duration::ZERO));
            }
        }
    }
}
