//! What the adaptive strategy knows of one (region, deployment): its estimate, how often it fails, and
//! when it is worth a probe.

use std::time::Duration;

use crate::{
    curiosity::{Curiosity, Sight},
    estimate::{Circumstances, Estimate, Expected},
    moment::Moment,
    sample::{Outcome, Sample, Source},
};

/// Learns from every sample; [`Known`] is what it has learned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Knowledge {
    known: Option<Known>,
    failing: f64,
    /// The share of the last few that failed.
    failing_now: f64,
    answered: Option<Moment>,
    curiosity: Curiosity,
}

/// What a table tells of a (region, deployment) to those who choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// What its answers take.
    pub estimate: Estimate,
    /// The share of requests that failed of late, 0 to 1.
    pub failing: f64,
    /// When the last answer came, probe or request.
    pub answered: Option<Moment>,
}

/// What is known beside a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Of other regions.
    pub(crate) like: Option<Estimate>,
    /// Output tokens of an answer that does not tell.
    pub(crate) output: f64,
    /// Time between two probes, in which a region may change by a quarter.
    pub(crate) interval: Duration,
}

impl Known {
    /// What a request costs without regard to what is in flight: the time of an answer, and of the
    /// failures before it.
    pub fn calm(&self, circumstances: Circumstances) -> Expected {
        let alone = Circumstances { in_flight: 0, ..circumstances };
        let expected = self.estimate.expected(alone);
        let failures = self.failing * expected.millis.max(FAILURE_MS);
        Expected { millis: expected.millis + failures, ..expected }
    }
}

impl Knowledge {
    /// Takes in a sample.
    pub(crate) fn learn(&mut self, sample: &Sample, beside: &Beside) {
        let Beside { output, interval, .. } = *beside;
        let Sample { at, asked, .. } = *sample;
        let of = |output| Circumstances { shape: asked.shape, output, in_flight: asked.in_flight };
        let took = match sample.outcome {
            Outcome::Answer { total, .. } => total,
            Outcome::Failure { after, .. } | Outcome::GivenUp { after } => after,
            Outcome::Reachable { head } => head,
        };
        let deviations = match sample.outcome {
            Outcome::Answer { first_token, total, tokens } => {
                self.answers(at, sample.source);
                let output = if tokens > 0 { f64::from(tokens) } else { output };
                match first_token {
                    Some(first) => {
                        let deviations = self.observe(millis(first), of(output), at, beside);
                        if tokens > 0
                            && sample.source == Source::Live
                            && let Some(known) = &mut self.known
                        {
                            known
                                .estimate
                                .observe_rest(millis(total.saturating_sub(first)), output);
                        }
                        deviations
                    }
                    // a stream without content tells nothing that could be compared
                    None if asked.shape.streams => return,
                    None => self.observe(millis(total), of(output), at, beside),
                }
            }
            Outcome::Failure { after, .. } => {
                // quick failures are no speed, and slow ones are at least as slow as that
                self.at_least(millis(after), of(output), at, interval);
                self.fails(sample.source)
            }
            Outcome::GivenUp { after } => self.at_least(millis(after), of(output), at, interval),
            // it was well, and how long that took says nothing
            Outcome::Reachable { .. } => return self.answers(at, sample.source),
        };
        let (sent, source) = (at.before(took), sample.source);
        self.curiosity.saw(Sight { at, sent, source, deviations }, interval);
    }

    /// How surprising that is: whether it is well again is worth a look, unless it fails time and again.
    fn fails(&mut self, source: Source) -> f64 {
        let is_news = self.failing_now < FAILS_TIME_AND_AGAIN;
        self.failing += failing_rate(source) * (1.0 - self.failing);
        self.failing_now += FAILING_NOW_RATE * (1.0 - self.failing_now);
        if is_news { FAILURE_SURPRISES } else { 0.0 }
    }

    fn answers(&mut self, at: Moment, source: Source) {
        self.failing *= 1.0 - failing_rate(source);
        self.failing_now *= 1.0 - FAILING_NOW_RATE;
        self.answered = self.answered.max(Some(at));
    }

    fn observe(&mut self, millis: f64, of: Circumstances, at: Moment, beside: &Beside) -> f64 {
        match &mut self.known {
            Some(known) => {
                known.estimate = known.estimate.faded(at, beside.interval);
                known.estimate.observe(millis, of)
            }
            None => {
                let estimate = Estimate::first(millis, of, at, beside.like.as_ref());
                self.known = Some(Known { estimate, failing: 0.0, answered: None });
                0.0
            }
        }
    }

    fn at_least(&mut self, millis: f64, of: Circumstances, at: Moment, interval: Duration) -> f64 {
        let Some(known) = &mut self.known else { return 0.0 };
        known.estimate = known.estimate.faded(at, interval);
        known.estimate.observe_at_least(millis, of)
    }

    /// What is known at `now`; `None` before the first time was seen.
    pub(crate) fn at(&self, now: Moment, interval: Duration) -> Option<Known> {
        let known = self.known.as_ref()?;
        let estimate = known.estimate.faded(now, interval);
        Some(Known { estimate, failing: self.failing, answered: self.answered })
    }

    /// Begins with what an earlier process knew, unless something was seen already. Nothing is said of
    /// when a probe is worth its tokens: at once. Returns whether it did.
    pub(crate) fn resume(&mut self, known: Known) -> bool {
        let knows_nothing = self.known.is_none();
        if knows_nothing {
            self.failing = known.failing;
            self.answered = known.answered;
            self.known = Some(known);
        }
        knows_nothing
    }

    /// When the last answer came, to a probe or to a client.
    pub(crate) const fn answered(&self) -> Option<Moment> {
        self.answered
    }

    pub(crate) const fn curiosity(&self) -> &Curiosity {
        &self.curiosity
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The last twenty requests count for the share of failures; of probes, which are rare and look again soon
/// after a failure, the last few.
const fn failing_rate(source: Source) -> f64 {
    match source {
        Source::Live => 0.05,
        Source::Probe => 0.5,
    }
}

/// The last four count for whether it fails just now.
const FAILING_NOW_RATE: f64 = 0.25;
/// From this share of those on, one more failure is no news: two in a row, or each other one. Five
/// answers end it.
const FAILS_TIME_AND_AGAIN: f64 = 0.3;
/// What a failure costs at least, beside the answer of another region, in milliseconds.
const FAILURE_MS: f64 = 300.0;
/// A failure is as surprising as a time that is off by so many deviations.
const FAILURE_SURPRISES: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{curiosity::Nearness, sample::Asked, shape::Shape};

    const INTERVAL: Duration = Duration::from_secs(30);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sample(source: Source, shape: Shape, outcome: Outcome) -> Sample {
        let at = Moment::ZERO + ms(1_000);
        Sample { at, source, asked: Asked { shape, in_flight: 0 }, outcome }
    }

    fn after(samples: &[Sample]) -> Knowledge {
        let mut knowledge = Knowledge::default();
        let beside = Beside { like: None, output: 40.0, interval: INTERVAL };
        samples.iter().for_each(|sample| knowledge.learn(sample, &beside));
        knowledge
    }

    fn calm(knowledge: &Knowledge, shape: Shape) -> f64 {
        let known = knowledge.at(Moment::ZERO + ms(1_000), INTERVAL).unwrap();
        known.calm(Circumstances { shape, output: 40.0, in_flight: 7 }).millis
    }

    const STREAM: Outcome =
        Outcome::Answer { first_token: Some(ms(100)), total: ms(500), tokens: 40 };
    const FAILURE: Outcome = Outcome::Failure { reason: "reset", after: ms(2), retry_after: None };

    #[test]
    fn fast_failures_cost_and_answers_take_that_back() {
        let probe = |outcome| sample(Source::Probe, Shape::PROBE, outcome);
        let good = after(&[probe(STREAM)]);
        let bad = after(&[probe(STREAM), probe(FAILURE), probe(FAILURE)]);
        assert!(calm(&bad, Shape::PROBE) > calm(&good, Shape::PROBE) + 25.0);
        let healed =
            after(&[[probe(FAILURE); 2].as_slice(), [probe(STREAM); 60].as_slice()].concat());
        assert!((calm(&healed, Shape::PROBE) - 100.0).abs() < 3.0);
        assert!(after(&[probe(FAILURE)]).at(Moment::ZERO, INTERVAL).is_none(), "no time was seen");
    }

    #[test]
    fn what_a_few_probes_show_outweighs_the_failures_of_many_requests() {
        let of = |source, outcome| sample(source, Shape::PROBE, outcome);
        let failed = [[of(Source::Probe, STREAM); 1], [of(Source::Live, FAILURE); 1]].concat();
        let bad = after(&[failed, vec![of(Source::Live, FAILURE); 9]].concat());
        let more = |again: Sample| {
            let mut knowledge = bad;
            let beside = Beside { like: None, output: 40.0, interval: INTERVAL };
            (0..4).for_each(|_| knowledge.learn(&again, &beside));
            calm(&knowledge, Shape::PROBE) - 100.0
        };
        let penalty = calm(&bad, Shape::PROBE) - 100.0;
        assert!(more(of(Source::Probe, STREAM)) < 0.5 * penalty);
        assert!(more(of(Source::Live, STREAM)) > 0.7 * penalty);
    }

    #[test]
    fn the_rest_of_streams_teaches_what_whole_answers_take() {
        let shape = Shape { prompt: 8, streams: true };
        let streams = after(&[sample(Source::Live, shape, STREAM); 50]);
        let whole = Shape { streams: false, ..shape };
        let millis = calm(&streams, whole);
        assert!((450.0..550.0).contains(&millis), "{millis}");
    }

    /// How many probes ten intervals bring if every one ends as `ends` says, by its number.
    fn probes(ends: impl Fn(usize) -> Outcome) -> usize {
        let mut knowledge = Knowledge::default();
        let beside = Beside { like: None, output: 40.0, interval: INTERVAL };
        let (mut at, mut count) = (Moment::ZERO + ms(1_000), 0);
        let end = at + 10 * INTERVAL;
        while at < end {
            let outcome = ends(count);
            let asked = Asked { shape: Shape::PROBE, in_flight: 0 };
            knowledge.learn(&Sample { at, source: Source::Probe, asked, outcome }, &beside);
            count += 1;
            let due = knowledge.curiosity().due(at, INTERVAL, Nearness::Near);
            let took = if ends(count) == FAILURE { ms(2) } else { ms(500) };
            at = due.max(at) + took;
        }
        count
    }

    #[test]
    fn one_that_fails_time_and_again_is_looked_at_once_an_interval() {
        let first = |count, other| move |n| if n < count { other } else { STREAM };
        assert_eq!(probes(|_| STREAM), 10);
        assert_eq!(probes(first(1, FAILURE)), 13, "looked at again, and it is well");
        let failing = probes(|_| FAILURE);
        assert!((10..=14).contains(&failing), "{failing}");
        let wavering = probes(|n| if n % 2 == 0 { FAILURE } else { STREAM });
        assert!((10..=17).contains(&wavering), "{wavering}: two series of looks, and no third");
        let again = |n| if matches!(n, 0..=4 | 12..=13) { FAILURE } else { STREAM };
        assert!(probes(again) >= failing + 2, "well for seven probes: then it is news");
    }

    #[test]
    fn a_stream_without_content_and_a_token_free_probe_teach_nothing() {
        let empty = Outcome::Answer { first_token: None, total: ms(9), tokens: 0 };
        let reachable = Outcome::Reachable { head: ms(5) };
        for outcome in [empty, reachable] {
            let nothing = after(&[sample(Source::Live, Shape::PROBE, outcome)]);
            assert_eq!(nothing.at(Moment::ZERO, INTERVAL), None);
            assert_eq!(
                nothing.curiosity().due(Moment::ZERO, INTERVAL, Nearness::Near),
                Moment::ZERO
            );
        }
    }
}
