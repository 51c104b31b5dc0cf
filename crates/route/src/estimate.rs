//! What a request will take in one (region, deployment), learned from every time that is seen there.
//!
//! A Kalman filter over four terms: the base, and what a thousand prompt tokens, an output token, and
//! a request already in flight add. Probes and clients' requests teach the same estimate, so that a
//! long prompt does not make its region look slow. What is known of a region fades while nothing is
//! seen there. How widely single times scatter is learned beside it; one that is far off counts only
//! in part, since a slow answer is not yet a slow region.

use std::time::Duration;

use crate::{moment::Moment, shape::Shape};

/// What is known of the times of one (region, deployment).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    terms: Terms,
    /// How little is known of the terms.
    covariance: [Terms; TERMS],
    /// Standard deviation of single times, as a share of what is expected.
    scatter: f64,
    /// Whether the latest time was too slow for chance.
    was_late: bool,
    /// Up to when it has faded.
    at: Moment,
}

/// What a request is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The time, in milliseconds.
    pub millis: f64,
    /// How little is known of it: its standard deviation, in milliseconds.
    pub doubt: f64,
}

/// Under which circumstances a request is, or was, served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// Its size and kind.
    pub shape: Shape,
    /// Output tokens that are expected, or came. Of a stream they do not count.
    pub output: f64,
    /// Requests that were in flight there when it was sent.
    pub in_flight: u32,
}

type Terms = [f64; TERMS];
const TERMS: usize = 4;

impl Estimate {
    /// From the first time that was seen. How size, output and load tell is taken from `like`, what
    /// is known of the other regions, until it is seen here.
    pub(crate) fn first(
        millis: f64,
        circumstances: Circumstances,
        now: Moment,
        like: Option<&Self>,
    ) -> Self {
        let millis = millis.clamp(LEAST, MOST);
        let [_, size, output, load] = match like {
            Some(like) => like.terms,
            None => [0.0, SIZE_SHARE * millis, PER_OUTPUT, LOAD_SHARE * millis],
        };
        let [_, sizes, outputs, loads] = circumstances.factors();
        let beside = size * sizes + output * outputs + load * loads;
        // at least a part of it is the base
        let scale = if beside > 0.0 { (MOST_BESIDE * millis / beside).min(1.0) } else { 1.0 };
        let terms = [millis - beside * scale, size * scale, output * scale, load * scale];
        let variances =
            [0.5 * millis, MOST_SIZE_DOUBT * millis, terms[2] + 1.0, MOST_LOAD_DOUBT * millis];
        let mut covariance = [[0.0; TERMS]; TERMS];
        for (place, (row, deviation)) in covariance.iter_mut().zip(variances).enumerate() {
            if let Some(variance) = row.get_mut(place) {
                *variance = deviation * deviation;
            }
        }
        let scatter = like.map_or(SCATTER, |like| like.scatter);
        Self { terms, covariance, scatter, was_late: false, at: now }
    }

    /// One for a region of which nothing is known, from those of others; `None` if there are none.
    pub(crate) fn pooled<'e>(all: impl Iterator<Item = &'e Self> + Clone) -> Option<Self> {
        let first = all.clone().next()?;
        let count = all.clone().fold(0.0, |count, _| count + 1.0);
        let mut pooled = *first;
        for (place, term) in pooled.terms.iter_mut().enumerate() {
            let each = all.clone().filter_map(|one| one.terms.get(place));
            *term = each.sum::<f64>() / count;
        }
        pooled.scatter = all.map(|one| one.scatter).sum::<f64>() / count;
        Some(pooled)
    }

    /// What a request is expected to take.
    pub fn expected(&self, circumstances: Circumstances) -> Expected {
        let factors = circumstances.factors();
        let millis = dot(&self.terms, &factors).clamp(LEAST, MOST);
        let doubt = dot(&factors, &product(&self.covariance, &factors)).max(0.0).sqrt();
        Expected { millis, doubt }
    }

    /// Milliseconds: the base, then what a thousand prompt tokens, an output token, and a request in
    /// flight add.
    pub const fn terms(&self) -> [f64; 4] {
        self.terms
    }

    /// Standard deviation of single times, as a share of what is expected.
    pub const fn scatter(&self) -> f64 {
        self.scatter
    }

    /// How little is known of the terms.
    pub(crate) const fn covariance(&self) -> [Terms; TERMS] {
        self.covariance
    }

    /// What an earlier process learned, as of [`Moment::ZERO`]; `None` if nobody can have learned that.
    pub(crate) fn resumed(terms: Terms, covariance: [Terms; TERMS], scatter: f64) -> Option<Self> {
        let is_time = |millis: &f64| (0.0..=MOST).contains(millis);
        let is_known = terms.iter().all(is_time) && is_covariance(&covariance);
        if !is_known || !(SCATTER_MIN..=SCATTER_MAX).contains(&scatter) {
            return None;
        }
        let mut resumed = Self { terms, covariance, scatter, was_late: false, at: Moment::ZERO };
        resumed.keep_in_bounds();
        Some(resumed)
    }

    /// The same in the time of another process, in which it is true of `now`.
    pub(crate) const fn seen_at(self, now: Moment) -> Self {
        Self { at: now, ..self }
    }

    /// The same at a later moment: in one `interval` of probes a region may change by a quarter.
    pub(crate) fn faded(mut self, now: Moment, interval: Duration) -> Self {
        let share = now.since(self.at).as_secs_f64() / interval.max(INTERVAL_MIN).as_secs_f64();
        self.at = self.at.max(now);
        let [base, _, output, _] = self.terms;
        let output = output.max(OUTPUT_MIN);
        let fading = [
            (FADE * base, MOST_DOUBT * base),
            (SIZE_FADE * base, MOST_SIZE_DOUBT * base),
            (OUTPUT_FADE * output, output),
            (LOAD_FADE * base, MOST_LOAD_DOUBT * base),
        ];
        for (place, (row, (fade, most))) in self.covariance.iter_mut().zip(fading).enumerate() {
            if let Some(variance) = row.get_mut(place)
                && *variance < most * most
            {
                *variance = (fade * fade).mul_add(share, *variance).min(most * most);
            }
        }
        self
    }

    /// A time was seen. Returns by how many standard deviations it was off; above 0: slower.
    pub(crate) fn observe(&mut self, millis: f64, circumstances: Circumstances) -> f64 {
        self.update(millis.clamp(0.0, MOST), circumstances.factors())
    }

    /// From the first content token to the end of a stream, for so many output tokens.
    pub(crate) fn observe_rest(&mut self, millis: f64, output: f64) {
        if output >= 1.0 {
            self.update(millis.clamp(0.0, MOST), [0.0, 0.0, output, 0.0]);
        }
    }

    /// It would have taken at least this long, and was given up.
    pub(crate) fn observe_at_least(&mut self, millis: f64, circumstances: Circumstances) -> f64 {
        if millis > self.expected(circumstances).millis {
            return self.observe(millis, circumstances);
        }
        0.0
    }

    fn update(&mut self, millis: f64, factors: Terms) -> f64 {
        let expected = dot(&self.terms, &factors).max(LEAST);
        let off = millis - expected;
        let mut noise = (self.scatter * expected).max(LEAST).powi(2);
        let doubt = dot(&factors, &product(&self.covariance, &factors)).max(0.0);
        let is_late = off > FAR * (doubt + noise).sqrt();
        if is_late && self.was_late {
            self.has_jumped(JUMP * off);
        }
        self.was_late = is_late;
        if off < -EARLY * (doubt + noise).sqrt() {
            self.has_jumped(JUMP * off);
            noise = (self.scatter * millis).max(LEAST).powi(2);
        }
        let towards = product(&self.covariance, &factors);
        let variance = dot(&factors, &towards).max(0.0) + noise;
        let believed = off.min(FAR * variance.sqrt());

        for (term, towards) in self.terms.iter_mut().zip(towards) {
            *term += towards / variance * believed;
        }
        for (row, by_row) in self.covariance.iter_mut().zip(towards) {
            for (value, by_column) in row.iter_mut().zip(towards) {
                *value -= by_row * by_column / variance;
            }
        }
        self.keep_in_bounds();

        // of how far it was off, what the doubt does not explain
        let share = (off.abs() / expected).min(1.0) * MEAN_TO_DEVIATION;
        self.scatter += SCATTER_RATE * (noise / variance) * (share - self.scatter);
        self.scatter = self.scatter.clamp(SCATTER_MIN, SCATTER_MAX);
        off / variance.sqrt()
    }

    /// One slow answer is chance, but two in a row are a slow region, and a single fast one is none that is
    /// slow: little is known of its base.
    fn has_jumped(&mut self, doubt: f64) {
        let [[base, ..], ..] = &mut self.covariance;
        *base += doubt * doubt;
    }

    fn keep_in_bounds(&mut self) {
        for term in &mut self.terms {
            // also turns a not-a-number into 0
            *term = term.max(0.0);
        }
        let [base, _, _, load] = &mut self.terms;
        *base = base.max(LEAST);
        *load = load.min(MOST_LOAD_SHARE * *base);
        for (place, row) in self.covariance.iter_mut().enumerate() {
            if let Some(variance) = row.get_mut(place) {
                *variance = variance.max(VARIANCE_MIN);
            }
        }
    }
}

impl Circumstances {
    /// What the terms are multiplied by.
    fn factors(self) -> Terms {
        let output = if self.shape.streams { 0.0 } else { self.output };
        [1.0, f64::from(self.shape.prompt) / 1_000.0, output, f64::from(self.in_flight)]
    }
}

fn dot(left: &Terms, right: &Terms) -> f64 {
    left.iter().zip(right).map(|(one, other)| one * other).sum()
}

fn product(matrix: &[Terms; TERMS], vector: &Terms) -> Terms {
    matrix.map(|row| dot(&row, vector))
}

/// Whether it is symmetric and no two terms vary more together than each by itself.
fn is_covariance(matrix: &[Terms; TERMS]) -> bool {
    let value = |row: usize, column: usize| {
        matrix.get(row).and_then(|row| row.get(column)).copied().unwrap_or(f64::NAN)
    };
    (0..TERMS).all(|row| {
        (0..TERMS).all(|column| {
            let (own, other) = (value(row, row), value(column, column));
            let (one, back) = (value(row, column), value(column, row));
            let most = (own * other).sqrt() * (1.0 + ROUNDING) + ROUNDING;
            (0.0..=MOST * MOST).contains(&own)
                && one.abs() <= most
                && (one - back).abs() <= most * ROUNDING
        })
    })
}

/// What updates add up to in a matrix that is symmetric on paper, as a share.
const ROUNDING: f64 = 1e-3;
/// No time is shorter, in milliseconds.
const LEAST: f64 = 0.5;
/// No time is longer, in milliseconds: an hour, the longest timeout that makes sense.
const MOST: f64 = 3_600_000.0;
/// Of the first time that is seen, at most so much is not the base.
const MOST_BESIDE: f64 = 0.7;
/// What a thousand prompt tokens add at first, as a share of the first time that was seen.
const SIZE_SHARE: f64 = 0.05;
/// The same of a request in flight.
const LOAD_SHARE: f64 = 0.01;
/// Milliseconds for an output token at first: 200 a second.
const PER_OUTPUT: f64 = 5.0;
/// A request in flight adds at most this share of the base: beyond it, the base is what changed.
const MOST_LOAD_SHARE: f64 = 0.5;
/// Fading by an interval, each as a share of the base, and of the term itself for output tokens. The
/// base moves, the others are the model's nature and hardly do.
const FADE: f64 = 0.25;
const SIZE_FADE: f64 = 0.03;
const OUTPUT_FADE: f64 = 0.05;
const LOAD_FADE: f64 = 0.01;
/// However long nothing is seen, so much is still known.
const MOST_DOUBT: f64 = 1.0;
const MOST_SIZE_DOUBT: f64 = 0.3;
const MOST_LOAD_DOUBT: f64 = 0.05;
const OUTPUT_MIN: f64 = 0.1;
/// Before anything is known of it.
const SCATTER: f64 = 0.2;
const SCATTER_MIN: f64 = 0.05;
const SCATTER_MAX: f64 = 0.6;
/// How fast the scatter is learned: the last thirty times count.
const SCATTER_RATE: f64 = 0.03;
/// Of a normal distribution, the standard deviation by the mean distance.
const MEAN_TO_DEVIATION: f64 = 1.2533;
/// How little is known of the base after a jump, as a share of how late or early the answer was.
const JUMP: f64 = 0.5;
/// A time that is faster by more deviations is a region that has become fast: nothing is fast by chance. It
/// scatters as fast ones do.
const EARLY: f64 = 1.5;
/// A time that is slower by more deviations counts as one by so many. A faster one can't be far off.
const FAR: f64 = 3.0;
const VARIANCE_MIN: f64 = 1e-6;
const INTERVAL_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn at(seconds: f64) -> Moment {
        Moment::ZERO + Duration::from_secs_f64(seconds)
    }

    fn stream(prompt: u32, in_flight: u32) -> Circumstances {
        Circumstances { shape: Shape { prompt, streams: true }, output: 0.0, in_flight }
    }

    fn whole(prompt: u32, output: f64) -> Circumstances {
        Circumstances { shape: Shape { prompt, streams: false }, output, in_flight: 0 }
    }

    /// A region that answers in `truth(circumstances)`, seen every second.
    fn taught(
        all: impl Iterator<Item = Circumstances>,
        truth: impl Fn(Circumstances) -> f64,
    ) -> Estimate {
        let mut all = all.zip(1..);
        let (first, _) = all.next().unwrap();
        let mut estimate = Estimate::first(truth(first), first, at(0.0), None);
        for (one, second) in all {
            estimate = estimate.faded(at(f64::from(second)), INTERVAL);
            estimate.observe(truth(one), one);
        }
        estimate
    }

    fn near(estimate: &Estimate, circumstances: Circumstances, millis: f64) {
        let expected = estimate.expected(circumstances).millis;
        assert!((expected / millis - 1.0).abs() < 0.1, "{expected} for {millis}: {estimate:?}");
    }

    #[test]
    fn a_long_prompt_does_not_make_its_region_look_slow() {
        let truth = |one: Circumstances| 100.0 + 40.0 * f64::from(one.shape.prompt) / 1_000.0;
        let sizes = [100, 500, 2_000, 8_000].into_iter().cycle().take(200);
        let estimate = taught(sizes.map(|size| stream(size, 0)), truth);
        for size in [8, 1_000, 6_000] {
            near(&estimate, stream(size, 0), truth(stream(size, 0)));
        }
    }

    #[test]
    fn one_late_answer_is_chance_and_two_in_a_row_are_another_region() {
        let truth = |_: Circumstances| 100.0;
        let mut estimate = taught((0..200).map(|_| stream(100, 0)), truth);
        let mut see = |millis| {
            estimate.observe(millis, stream(100, 0));
            estimate.expected(stream(100, 0)).millis
        };
        assert!(see(500.0) < 120.0);
        assert!(see(100.0) < 120.0);
        assert!(see(500.0) < 120.0, "not in a row");
        assert!(see(500.0) > 250.0);
    }

    #[test]
    fn a_single_fast_answer_is_a_region_that_is_fast_again() {
        let truth = |_: Circumstances| 100.0;
        let mut estimate = taught((0..200).map(|_| stream(100, 0)), truth);
        (0..10).for_each(|_| _ = estimate.observe(2_000.0, stream(100, 0)));
        assert!(estimate.expected(stream(100, 0)).millis > 1_000.0);
        estimate.observe(100.0, stream(100, 0));
        assert!(estimate.expected(stream(100, 0)).millis < 130.0, "{estimate:?}");
    }

    #[test]
    fn load_and_output_are_told_apart() {
        let truth = |one: Circumstances| {
            let output = if one.shape.streams { 0.0 } else { one.output };
            200.0 + 20.0 * f64::from(one.in_flight) + 8.0 * output
        };
        let loads = (0..300).map(|n| stream(100, n % 10));
        let outputs = (0..300).map(|n| whole(100, f64::from(n % 50)));
        let estimate = taught(loads.chain(outputs), truth);
        near(&estimate, stream(100, 8), 360.0);
        near(&estimate, whole(100, 40.0), 520.0);
    }

    #[test]
    fn a_step_is_followed_within_a_few_times_and_one_outlier_is_not() {
        let steady = || std::iter::repeat_n(stream(100, 0), 60);
        let before = taught(steady(), |_| 100.0);
        let mut outlier = before;
        assert!(outlier.observe(2_000.0, stream(100, 0)) > FAR);
        assert!(outlier.expected(stream(100, 0)).millis < 200.0, "{outlier:?}");

        let mut stepped = before;
        for second in 61..120 {
            stepped = stepped.faded(at(f64::from(second)), INTERVAL);
            stepped.observe(400.0, stream(100, 0));
        }
        near(&stepped, stream(100, 0), 400.0);
    }

    #[test]
    fn doubt_grows_while_nothing_is_seen_and_only_to_a_bound() {
        let seen = taught(std::iter::repeat_n(stream(8, 0), 60), |_| 100.0);
        let doubt = |seconds| seen.faded(at(seconds), INTERVAL).expected(stream(8, 0)).doubt;
        assert!(doubt(60.0) < doubt(90.0) && doubt(90.0) < doubt(600.0));
        assert!((20.0..40.0).contains(&doubt(90.0)), "a quarter in an interval: {}", doubt(90.0));
        assert!(doubt(1e6) <= 101.0 + 1.0, "{}", doubt(1e6));
    }

    #[test]
    fn a_region_without_traffic_is_like_the_others() {
        let truth = |one: Circumstances| 100.0 + 100.0 * f64::from(one.shape.prompt) / 1_000.0;
        let sizes = [10, 1_000, 4_000].into_iter().cycle().take(90);
        let seen = taught(sizes.map(|size| stream(size, 0)), truth);
        let like = Estimate::pooled([&seen].into_iter());
        let fresh = Estimate::first(150.0, stream(8, 0), at(100.0), like.as_ref());
        near(&fresh, stream(4_000, 0), 550.0);
        assert_eq!(Estimate::pooled([].into_iter()), None);
    }

    #[test]
    fn a_request_given_up_teaches_only_that_it_took_longer() {
        let before = taught(std::iter::repeat_n(stream(8, 0), 60), |_| 100.0);
        let mut after = before;
        after.observe_at_least(50.0, stream(8, 0));
        assert_eq!(after, before);
        let deviations = after.observe_at_least(900.0, stream(8, 0));
        let learned = after.expected(stream(8, 0)).millis - before.expected(stream(8, 0)).millis;
        assert!(deviations > FAR && learned > 1.0, "{deviations} {learned}");
    }

    proptest! {
        #[test]
        fn whatever_is_seen_it_stays_a_time(
            seen in vec((0.0..1e9_f64, 0_u32..400_000, any::<bool>(), 0.0..1e5_f64, 0_u32..10_000, 0.0..1e4_f64), 1..80)
        ) {
            let mut estimate: Option<Estimate> = None;
            let mut now = 0.0;
            for (millis, prompt, streams, output, in_flight, pause) in seen {
                let shape = Shape { prompt, streams };
                let circumstances = Circumstances { shape, output, in_flight };
                now += pause;
                let next = match estimate {
                    None => Estimate::first(millis, circumstances, at(now), None),
                    Some(known) => {
                        let mut known = known.faded(at(now), INTERVAL);
                        known.observe(millis, circumstances);
                        known.observe_rest(millis, output);
                        known.observe_at_least(millis, circumstances);
                        known
                    }
                };
                let expected = next.expected(circumstances);
                prop_assert!(expected.millis.is_finite() && expected.millis >= LEAST);
                prop_assert!(expected.doubt.is_finite() && expected.doubt >= 0.0);
                prop_assert!(next.terms.iter().all(|term| term.is_finite() && *term >= 0.0));
                prop_assert!((SCATTER_MIN..=SCATTER_MAX).contains(&next.scatter));
                estimate = Some(next);
            }
        }
    }
}
