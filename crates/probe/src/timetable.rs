//! When which (region, deployment) is probed: plain values, no clock and no randomness of its own.
//!
//! Each region has a lane of its own, so regions are probed in parallel and the samples of one
//! region in sequence; a lane under way is never due, so a probe cannot overlap itself. The loop in
//! `run.rs` asks [`Timetable::start`] what to do and reports the end with [`Timetable::done`]. Rounds
//! follow each other at the interval, unless [`Timetable::steer`] says what comes next and when.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use nearway_route::{Moment, RegionId};

/// What a probe measures: a deployment, by the name that clients write, or with `None` whether the
/// region can be reached at all.
pub(crate) type Stop = Option<Arc<str>>;

/// How often, and how much at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From the start of a round to the start of the next; at least [`SHORTEST_INTERVAL`] counts.
    pub(crate) interval: Duration,
    /// The share by which an interval may be shorter or longer, 0 to [`MOST_JITTER`].
    pub(crate) jitter: f64,
    /// Probes of each stop in one round.
    pub(crate) samples: u32,
}

/// One probe to start now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Due {
    pub(crate) region: RegionId,
    pub(crate) stop: Stop,
}

/// How the round of a region goes on after a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// With the next sample.
    Next,
    /// Without further samples of this stop: the next one would only repeat what is known now.
    Skip,
    /// As [`Then::Skip`], and no probe of this stop for so long.
    Hold(Duration),
}

/// The lanes of all regions.
#[derive(Debug)]
pub(crate) struct Timetable {
    pace: Pace,
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    region: RegionId,
    stops: Vec<Stop>,
    due: Moment,
    busy: bool,
    /// When the current round, or the last one, began.
    began: Moment,
    /// The probes of the current round that have not started.
    left: VecDeque<Stop>,
    /// Whether a probe of `left`'s round has started.
    begun: bool,
    /// Stops that asked to be left alone, and until when.
    held: HashMap<Stop, Moment>,
}

impl Timetable {
    /// All regions are due `now`. A region without stops is never probed.
    pub(crate) fn new(pace: Pace, courses: Vec<(RegionId, Vec<Stop>)>, now: Moment) -> Self {
        let mut timetable = Self { pace, lanes: Vec::new() };
        timetable.revise(pace, courses, now);
        timetable
    }

    /// Goes on with other settings: what is under way and who is held stays, a new region or a new
    /// stop is due at once, and a shorter interval acts at once. A region without stops is kept
    /// until its probe has ended, lest another one joins it.
    pub(crate) fn revise(&mut self, pace: Pace, courses: Vec<(RegionId, Vec<Stop>)>, now: Moment) {
        self.pace = pace;
        let mut former = std::mem::take(&mut self.lanes);
        for (region, stops) in courses.into_iter().filter(|(_, stops)| !stops.is_empty()) {
            let lane = match former.iter().position(|lane| lane.region == region) {
                Some(place) => former.swap_remove(place).revised(stops, pace, now),
                None => Lane::new(region, stops, now),
            };
            self.lanes.push(lane);
        }
        let leaving = former.into_iter().filter(|lane| lane.busy);
        self.lanes.extend(leaving.map(|lane| lane.revised(Vec::new(), pace, now)));
    }

    /// The next round of a region is of this stop alone, and then. A round that has begun goes on; a
    /// region under way is to be steered when its probe has ended.
    pub(crate) fn steer(&mut self, due: &Due, at: Moment) {
        let pace = self.pace;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.region == due.region)
            && !lane.busy
            && !lane.is_amid_a_round()
        {
            lane.left = pace.round_of(std::iter::once(&due.stop)).collect();
            lane.begun = false;
            lane.due = at;
        }
    }

    /// The region is due `now`, unless it is under way.
    pub(crate) fn hurry(&mut self, region: RegionId, now: Moment) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.region == region) {
            lane.due = lane.due.min(now);
        }
    }

    /// When something is due next; `None` while every region is under way.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.lanes.iter().filter(|lane| !lane.busy).map(|lane| lane.due).min()
    }

    /// The probes to start now, at most one a region. Each must be reported to [`Timetable::done`].
    ///
    /// `draw` gives numbers in `0.0..1.0` for the jitter.
    pub(crate) fn start(&mut self, now: Moment, mut draw: impl FnMut() -> f64) -> Vec<Due> {
        let pace = self.pace;
        let ready = self.lanes.iter_mut().filter(|lane| !lane.busy && lane.due <= now);
        ready.filter_map(|lane| lane.start(pace, now, &mut draw)).collect()
    }

    /// A probe that [`Timetable::start`] gave has ended. One of a region that left is forgotten.
    pub(crate) fn done(&mut self, due: &Due, then: Then, now: Moment, draw: impl FnOnce() -> f64) {
        let pace = self.pace;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.region == due.region) {
            lane.done(&due.stop, then, now, || pace.jittered(draw()));
        }
        self.lanes.retain(|lane| lane.busy || !lane.stops.is_empty());
    }
}

impl Lane {
    fn new(region: RegionId, stops: Vec<Stop>, now: Moment) -> Self {
        Self {
            region,
            stops,
            due: now,
            busy: false,
            began: now,
            left: VecDeque::new(),
            begun: false,
            held: HashMap::new(),
        }
    }

    fn revised(mut self, stops: Vec<Stop>, pace: Pace, now: Moment) -> Self {
        let added = stops.iter().filter(|stop| !self.stops.contains(stop));
        let added: Vec<_> = pace.round_of(added).collect();
        self.due = if added.is_empty() { self.due.min(now + pace.interval()) } else { now };
        self.left.retain(|stop| stops.contains(stop));
        self.left.extend(added);
        self.held.retain(|stop, _| stops.contains(stop));
        self.stops = stops;
        self
    }

    fn is_amid_a_round(&self) -> bool {
        self.begun && !self.left.is_empty()
    }

    fn start(&mut self, pace: Pace, now: Moment, draw: impl FnOnce() -> f64) -> Option<Due> {
        if self.left.is_empty() {
            self.began = now;
            self.held.retain(|_, until| *until > now);
            let free = self.stops.iter().filter(|stop| !self.held.contains_key(stop));
            self.left = pace.round_of(free).collect();
        }
        let Some(stop) = self.left.pop_front() else {
            self.due = now + pace.jittered(draw());
            return None;
        };
        self.busy = true;
        self.begun = true;
        Some(Due { region: self.region, stop })
    }

    fn done(&mut self, stop: &Stop, then: Then, now: Moment, pause: impl FnOnce() -> Duration) {
        if then != Then::Next {
            self.left.retain(|other| other != stop);
        }
        if let Then::Hold(wait) = then {
            self.held.insert(stop.clone(), now + wait);
        }
        self.busy = false;
        self.due = if self.left.is_empty() { now.max(self.began + pause()) } else { now };
    }
}

impl Pace {
    /// Probes of one stop in a round.
    pub(crate) fn samples(self) -> usize {
        usize::try_from(self.samples.clamp(1, MOST_SAMPLES)).unwrap_or(1)
    }

    /// From one round to the next, without jitter.
    pub(crate) fn interval(self) -> Duration {
        self.interval.max(SHORTEST_INTERVAL)
    }

    /// By which factor a wait is shorter or longer, by up to the jitter's share.
    pub(crate) fn stretch(self, draw: f64) -> f64 {
        let jitter =
            if self.jitter.is_finite() { self.jitter.clamp(0.0, MOST_JITTER) } else { 0.0 };
        1.0 + jitter * (2.0 * draw - 1.0)
    }

    /// The interval, shorter or longer by up to the jitter's share.
    fn jittered(self, draw: f64) -> Duration {
        let seconds = self.interval().as_secs_f64() * self.stretch(draw);
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|_| self.interval())
    }

    fn round_of<'a>(self, stops: impl Iterator<Item = &'a Stop>) -> impl Iterator<Item = Stop> {
        stops.flat_map(move |stop| std::iter::repeat_n(stop.clone(), self.samples()))
    }
}

/// However small the configured interval is, a failing region must not be asked in a tight loop.
pub(crate) const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// With more, two rounds could fall together.
pub(crate) const MOST_JITTER: f64 = 0.5;

/// Bounds the memory of a round, and its tokens.
pub(crate) const MOST_SAMPLES: u32 = 100;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const A: RegionId = RegionId(1);
    const B: RegionId = RegionId(2);

    fn at(millis: u64) -> Moment {
        Moment::ZERO + ms(millis)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pace(samples: u32) -> Pace {
        Pace { interval: ms(1_000), jitter: 0.0, samples }
    }

    fn stops(names: &[&str]) -> Vec<Stop> {
        names.iter().map(|&name| Some(name.into())).collect()
    }

    fn due(region: RegionId, stop: &str) -> Due {
        Due { region, stop: Some(stop.into()) }
    }

    fn half() -> f64 {
        0.5
    }

    #[test]
    fn a_round_is_in_sequence_and_the_next_begins_an_interval_after_it_began() {
        let mut timetable = Timetable::new(pace(2), vec![(A, stops(&["x", "y"]))], at(0));
        for (now, stop) in [(0, "x"), (10, "x"), (20, "y"), (30, "y"), (1_000, "x")] {
            assert_eq!(timetable.next_due(), Some(at(now)));
            assert_eq!(timetable.start(at(now), half), [due(A, stop)]);
            assert_eq!(timetable.next_due(), None);
            assert_eq!(timetable.start(at(now), half), []);
            timetable.done(&due(A, stop), Then::Next, at(now + 10), half);
        }
    }

    #[test]
    fn regions_run_beside_each_other_and_a_slow_one_delays_only_itself() {
        let mut timetable =
            Timetable::new(pace(1), vec![(A, stops(&["x"])), (B, stops(&["x"]))], at(0));
        assert_eq!(timetable.start(at(0), half), [due(A, "x"), due(B, "x")]);
        timetable.done(&due(B, "x"), Then::Next, at(5), half);
        assert_eq!(timetable.start(at(1_000), half), [due(B, "x")]);
        timetable.done(&due(A, "x"), Then::Next, at(2_500), half);
        // late, so at once; not once for each round that it missed
        assert_eq!(timetable.start(at(2_500), half), [due(A, "x")]);
        timetable.done(&due(A, "x"), Then::Next, at(2_510), half);
        assert_eq!(timetable.next_due(), Some(at(3_500)));
    }

    #[test]
    fn a_held_stop_is_left_out_until_its_time_and_the_others_go_on() {
        let mut timetable = Timetable::new(pace(2), vec![(A, stops(&["x", "y"]))], at(0));
        assert_eq!(timetable.start(at(0), half), [due(A, "x")]);
        timetable.done(&due(A, "x"), Then::Hold(ms(1_500)), at(0), half);
        let mut seen = Vec::new();
        for now in (0..3_000).step_by(100) {
            for probe in timetable.start(at(now), half) {
                timetable.done(&probe, Then::Skip, at(now), half);
                seen.push((now, probe.stop.unwrap().to_string()));
            }
        }
        let expected = [(0, "y"), (1_000, "y"), (2_000, "x"), (2_100, "y")];
        assert_eq!(seen, expected.map(|(now, stop)| (now, stop.to_owned())));
    }

    #[test]
    fn a_round_of_nothing_but_held_stops_waits_for_the_next() {
        let mut timetable = Timetable::new(pace(1), vec![(A, stops(&["x"]))], at(0));
        timetable.start(at(0), half);
        timetable.done(&due(A, "x"), Then::Hold(ms(1_500)), at(0), half);
        assert_eq!(timetable.start(at(1_000), half), []);
        assert_eq!(timetable.next_due(), Some(at(2_000)));
        assert_eq!(timetable.start(at(2_000), half), [due(A, "x")]);
    }

    #[test]
    fn a_revision_keeps_what_runs_and_starts_what_is_new_at_once() {
        let mut timetable = Timetable::new(pace(1), vec![(A, stops(&["x"]))], at(0));
        assert_eq!(timetable.start(at(0), half), [due(A, "x")]);
        let courses = vec![(A, stops(&["x", "y"])), (B, stops(&["x"])), (RegionId(3), vec![])];
        timetable.revise(pace(1), courses, at(100));
        assert_eq!(timetable.start(at(100), half), [due(B, "x")]);
        timetable.done(&due(A, "x"), Then::Next, at(200), half);
        assert_eq!(timetable.start(at(200), half), [due(A, "y")]);

        timetable.revise(pace(1), vec![(B, stops(&["x"]))], at(300));
        timetable.done(&due(A, "y"), Then::Next, at(300), half);
        timetable.done(&due(B, "x"), Then::Next, at(300), half);
        assert_eq!(timetable.next_due(), Some(at(1_100)));
        let sooner = Pace { interval: ms(50), ..pace(1) };
        timetable.revise(sooner, vec![(B, stops(&["x"]))], at(300));
        assert_eq!(timetable.next_due(), Some(at(350)));
    }

    #[test]
    fn a_region_that_is_steered_probes_that_stop_then_and_a_round_that_has_begun_goes_on() {
        let mut timetable = Timetable::new(pace(2), vec![(A, stops(&["x", "y"]))], at(0));
        timetable.steer(&due(A, "y"), at(50));
        assert_eq!(timetable.next_due(), Some(at(50)));
        assert_eq!(timetable.start(at(50), half), [due(A, "y")]);
        timetable.steer(&due(A, "x"), at(60));
        timetable.done(&due(A, "y"), Then::Next, at(70), half);
        timetable.steer(&due(A, "x"), at(80));
        assert_eq!(timetable.start(at(70), half), [due(A, "y")], "its second sample");
        timetable.done(&due(A, "y"), Then::Next, at(75), half);
        timetable.steer(&due(A, "x"), at(5_000));
        timetable.steer(&due(A, "y"), at(4_000));
        assert_eq!(timetable.next_due(), Some(at(4_000)));
        timetable.hurry(A, at(100));
        assert_eq!(timetable.start(at(100), half), [due(A, "y")]);
    }

    #[test]
    fn a_region_that_is_probed_again_waits_for_its_probe_that_is_still_under_way() {
        let courses = |names: &[&str]| vec![(A, stops(names))];
        let mut timetable = Timetable::new(pace(1), courses(&["x"]), at(0));
        assert_eq!(timetable.start(at(0), half), [due(A, "x")]);
        timetable.revise(pace(1), courses(&[]), at(10));
        timetable.revise(pace(1), courses(&["x"]), at(20));
        assert_eq!(timetable.start(at(20), half), []);
        timetable.done(&due(A, "x"), Then::Next, at(30), half);
        assert_eq!(timetable.start(at(30), half), [due(A, "x")]);

        timetable.revise(pace(1), courses(&[]), at(40));
        timetable.done(&due(A, "x"), Then::Next, at(50), half);
        assert_eq!(timetable.next_due(), None, "nothing is left to probe");
    }

    #[test]
    fn jitter_spreads_around_the_interval_and_nonsense_is_bounded() {
        let with = |jitter, draw| Pace { jitter, ..pace(1) }.jittered(draw);
        assert_eq!(with(0.2, 0.0), ms(800));
        assert_eq!(with(0.2, 0.5), ms(1_000));
        assert_eq!(with(9.0, 0.0), ms(500));
        assert_eq!(with(f64::NAN, 0.9), ms(1_000));
        let endless = Pace { interval: Duration::MAX, jitter: 0.5, samples: 1 };
        assert_eq!(endless.jittered(0.9), Duration::MAX);
        let none = Pace { interval: Duration::ZERO, jitter: 0.0, samples: 1 };
        assert_eq!(none.jittered(0.5), SHORTEST_INTERVAL);
    }

    /// How a probe of the property test ends: after how long, and then what.
    fn ending() -> impl Strategy<Value = (u64, Then)> {
        let then = prop_oneof![
            4 => Just(Then::Next),
            1 => Just(Then::Skip),
            1 => (0_u64..3_000).prop_map(|wait| Then::Hold(ms(wait))),
        ];
        (0_u64..1_500, then)
    }

    proptest! {
        /// Whatever probes take and however they end: none overlaps itself, none begins while its
        /// stop is held, rounds keep their distance, and no region is ever forgotten.
        #[test]
        fn any_course_of_events_keeps_the_promises(
            endings in vec(ending(), 1..60),
            draws in vec(0.0_f64..1.0, 1..7),
            samples in 1_u32..4,
            jitter in 0.0_f64..1.0,
        ) {
            let pace = Pace { interval: ms(1_000), jitter, samples };
            let courses = vec![(A, stops(&["x", "y"])), (B, vec![None])];
            let mut timetable = Timetable::new(pace, courses, at(0));
            let mut draws = draws.into_iter().cycle();
            let mut draw = || draws.next().unwrap();
            let mut running: Vec<(Moment, Due, Then)> = Vec::new();
            let mut held: HashMap<Due, Moment> = HashMap::new();
            let shortest = ms(1_000).mul_f64(1.0 - jitter.min(MOST_JITTER));
            let mut began: HashMap<RegionId, Moment> = HashMap::new();
            let mut now = at(0);
            for (took, then) in endings {
                // the next event is whatever comes first: a probe that ends, or one that is due
                loop {
                    for probe in timetable.start(now, &mut draw) {
                        prop_assert!(running.iter().all(|(_, other, _)| other.region != probe.region));
                        prop_assert!(held.get(&probe).is_none_or(|until| *until <= now));
                        let lane = timetable.lanes.iter().find(|lane| lane.region == probe.region);
                        let round = lane.unwrap().began;
                        if let Some(former) = began.insert(probe.region, round) {
                            let apart = round.since(former);
                            prop_assert!(apart.is_zero() || apart + ms(1) > shortest, "{:?}", apart);
                        }
                        running.push((now + ms(took), probe, then));
                    }
                    let ending = running.iter().map(|(end, ..)| *end).min();
                    let busy: HashSet<_> = running.iter().map(|(_, due, _)| due.region).collect();
                    prop_assert_eq!(timetable.next_due().is_none(), busy.len() == 2);
                    if ending.is_some_and(|end| timetable.next_due().is_none_or(|due| end <= due)) {
                        break;
                    }
                    let next = timetable.next_due().unwrap();
                    prop_assert!(next > now, "nothing started, and yet something is due");
                    now = next;
                }
                let first = running.iter().enumerate().min_by_key(|(_, (end, ..))| *end);
                let (end, probe, then) = running.swap_remove(first.map(|(place, _)| place).unwrap());
                now = end;
                if let Then::Hold(wait) = then {
                    held.insert(probe.clone(), now + wait);
                }
                timetable.done(&probe, then, now, &mut draw);
            }
        }
    }
}
