//! What clients ask for in a deployment: per class of requests, how many come, how large they are, and
//! how long their answers are. What is not known of a request before it is sent is guessed from here.

use std::{sync::Arc, time::Duration};

use crate::{
    estimate::Circumstances,
    moment::Moment,
    sample::{Outcome, Sample, Source},
    shape::{CLASSES, Class, Shape},
    traffic::Traffic,
};

/// The traffic of one deployment.
#[derive(Debug, Default)]
pub(crate) struct Mix {
    habits: [Habit; CLASSES],
    main: Option<Class>,
}

/// The requests of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    /// Requests, fading with time.
    requests: f64,
    at: Moment,
    prompt: Option<f64>,
    output: Option<f64>,
    /// Of the output tokens.
    variance: f64,
}

/// What a request of a class is like where nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Typical {
    /// Size and kind.
    pub shape: Shape,
    /// Output tokens of an answer: the mean.
    pub output: f64,
    /// Standard deviation of the output tokens.
    pub output_spread: f64,
}

impl Typical {
    /// A request of this class with this many others in flight.
    pub(crate) const fn beside(&self, shape: Shape, in_flight: u32) -> Circumstances {
        Circumstances { shape, output: self.output, in_flight }
    }
}

impl Mix {
    /// Takes in what a client asked for; probes are no traffic.
    pub(crate) fn learn(&mut self, sample: &Sample) {
        if sample.source == Source::Probe {
            return;
        }
        let class = sample.asked.shape.class();
        let Some(habit) = self.habits.get_mut(class.place()) else { return };
        habit.fade(sample.at);
        habit.requests += 1.0;
        let prompt = f64::from(sample.asked.shape.prompt);
        move_towards(&mut habit.prompt, prompt);
        if let Outcome::Answer { tokens, .. } = sample.outcome
            && tokens > 0
        {
            let off = f64::from(tokens) - habit.output.unwrap_or(OUTPUT);
            habit.variance += RATE * (off * off - habit.variance);
            move_towards(&mut habit.output, f64::from(tokens));
        }
    }

    /// What was asked for of this deployment, each class that came.
    pub(crate) fn traffic(
        &self,
        deployment: &Arc<str>,
        now: Moment,
    ) -> impl Iterator<Item = Traffic> {
        let seen = Class::all().zip(&self.habits).filter(|(_, habit)| habit.prompt.is_some());
        seen.map(move |(class, habit)| Traffic {
            deployment: Arc::clone(deployment),
            class,
            main: self.main == Some(class),
            requests: habit.faded(now),
            prompt: habit.prompt,
            output: habit.output,
            variance: habit.variance,
        })
    }

    /// Begins with what an earlier process counted, so much `later`. What was seen already stays, and
    /// numbers that nobody counted are passed over.
    pub(crate) fn resume(&mut self, kept: &Traffic, later: Duration, now: Moment) {
        let Some(habit) = self.habits.get_mut(kept.class.place()) else { return };
        if habit.prompt.is_some() || !kept.is_sound() {
            return;
        }
        let Traffic { requests, prompt, output, variance, .. } = *kept;
        let then = Habit { requests, at: Moment::ZERO, prompt, output, variance };
        *habit = Habit { requests: then.faded(Moment::from(later)), at: now, ..then };
        if kept.main {
            self.main.get_or_insert(kept.class);
        }
    }

    /// What a request of this class is like.
    pub(crate) fn typical(&self, class: Class) -> Typical {
        let usual = class.typical();
        let habit = self.habits.get(class.place()).copied().unwrap_or_default();
        let prompt = habit.prompt.map_or(usual.prompt, rounded);
        Typical {
            shape: Shape { prompt, ..usual },
            output: habit.output.unwrap_or(OUTPUT),
            output_spread: if habit.output.is_some() { habit.variance.sqrt() } else { OUTPUT },
        }
    }

    /// The class that most requests belong to; another one must have twice as many to take its place.
    pub(crate) fn main(&mut self, now: Moment) -> Class {
        let count = |habits: &[Habit; CLASSES], class: Class| {
            habits.get(class.place()).map_or(0.0, |habit| habit.faded(now))
        };
        let first = |habits: &[Habit; CLASSES]| {
            Class::all().max_by(|one, other| {
                // of equals the first
                count(habits, *one).total_cmp(&count(habits, *other)).then(other.cmp(one))
            })
        };
        let most = first(&self.habits).unwrap_or(Shape::PROBE.class());
        let main = self.main.unwrap_or(most);
        let changes = count(&self.habits, most) > 2.0 * count(&self.habits, main);
        *self.main.insert(if changes { most } else { main })
    }
}

impl Habit {
    fn faded(&self, now: Moment) -> f64 {
        let halvings = now.since(self.at).as_secs_f64() / HALVED_IN.as_secs_f64();
        self.requests * (-halvings).exp2()
    }

    fn fade(&mut self, now: Moment) {
        self.requests = self.faded(now);
        self.at = self.at.max(now);
    }
}

fn move_towards(mean: &mut Option<f64>, value: f64) {
    let from = mean.unwrap_or(value);
    *mean = Some(RATE.mul_add(value - from, from));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and no size is below zero"
)]
fn rounded(tokens: f64) -> u32 {
    tokens.round() as u32
}

/// The last twenty requests count.
const RATE: f64 = 0.05;
/// Output tokens of an answer before any was seen: a sentence or two.
const OUTPUT: f64 = 60.0;
const HALVED_IN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Asked;

    fn asked(seconds: u64, prompt: u32, streams: bool, tokens: u32) -> Sample {
        let total = Duration::from_secs(1);
        Sample {
            at: Moment::ZERO + Duration::from_secs(seconds),
            source: Source::Live,
            asked: Asked { shape: Shape { prompt, streams }, in_flight: 0 },
            outcome: Outcome::Answer { first_token: None, total, tokens },
        }
    }

    #[test]
    fn the_main_class_is_that_of_most_requests_and_does_not_flicker() {
        let mut mix = Mix::default();
        let [short, whole] = [true, false].map(|streams| Shape { prompt: 10, streams }.class());
        assert_eq!(mix.main(Moment::ZERO), short, "the probes'");
        (0..10).for_each(|_| mix.learn(&asked(0, 10, false, 5)));
        assert_eq!(mix.main(Moment::ZERO), whole);
        (0..15).for_each(|_| mix.learn(&asked(1, 10, true, 5)));
        assert_eq!(mix.main(Moment::ZERO + Duration::from_secs(1)), whole, "no twice as many");
        (0..15).for_each(|_| mix.learn(&asked(2, 10, true, 5)));
        assert_eq!(mix.main(Moment::ZERO + Duration::from_secs(2)), short);
    }

    #[test]
    fn a_class_is_what_its_requests_were() {
        let mut mix = Mix::default();
        let class = Shape { prompt: 2_000, streams: false }.class();
        assert_eq!(mix.typical(class).shape, class.typical());
        (0..200)
            .for_each(|n| mix.learn(&asked(n, 2_000, false, if n % 2 == 0 { 90 } else { 110 })));
        let Typical { shape, output, output_spread } = mix.typical(class);
        assert_eq!(shape, Shape { prompt: 2_000, streams: false });
        assert!(
            (output - 100.0).abs() < 2.0 && (output_spread - 10.0).abs() < 3.0,
            "{output} {output_spread}"
        );
    }

    #[test]
    fn what_is_kept_over_a_restart_goes_on_as_if_there_were_none() {
        let mut before = Mix::default();
        (0..40)
            .for_each(|n| before.learn(&asked(n, 2_000, false, if n % 2 == 0 { 90 } else { 110 })));
        (0..60).for_each(|n| before.learn(&asked(n, 50, true, 7)));
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        before.main(at(60));
        let deployment = Arc::from("gpt-4o");
        let kept: Vec<_> = before.traffic(&deployment, at(100)).collect();
        assert_eq!(kept.len(), 2);
        // a restart of 300 s, and the next process counts from 9000 s on
        let mut after = Mix::default();
        kept.iter().for_each(|one| after.resume(one, Duration::from_secs(300), at(9_000)));
        for class in Class::all() {
            assert_eq!(after.typical(class), before.typical(class), "{}", class.as_str());
        }
        let expected: Vec<_> = before.traffic(&deployment, at(400)).collect();
        for (found, expected) in after.traffic(&deployment, at(9_000)).zip(&expected) {
            assert!((found.requests - expected.requests).abs() < 1e-9, "{found:?} {expected:?}");
            assert_eq!(Traffic { requests: expected.requests, ..found }, *expected);
        }
        assert_eq!(after.main(at(9_000)), before.main(at(400)));
        assert!((expected[0].requests - kept[0].requests / 2.0).abs() < 1e-9, "older ones fade");
    }

    #[test]
    fn what_was_seen_already_stays_and_numbers_that_nobody_counted_are_passed_over() {
        let class = Shape { prompt: 10, streams: true }.class();
        let kept = Traffic {
            deployment: Arc::from("gpt-4o"),
            class,
            main: true,
            requests: 5.0,
            prompt: Some(10.0),
            output: None,
            variance: 0.0,
        };
        let resumed = |mut mix: Mix, kept: Traffic| {
            mix.resume(&kept, Duration::ZERO, Moment::ZERO);
            mix.traffic(&kept.deployment, Moment::ZERO).map(|one| one.requests).collect::<Vec<_>>()
        };
        assert_eq!(resumed(Mix::default(), kept.clone()), [5.0]);
        let mut seen = Mix::default();
        seen.learn(&asked(0, 10, true, 5));
        assert_eq!(resumed(seen, kept.clone()), [1.0]);
        for wrong in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let some = Some(wrong);
            for kept in [
                Traffic { requests: wrong, ..kept.clone() },
                Traffic { prompt: some, ..kept.clone() },
                Traffic { output: some, ..kept.clone() },
                Traffic { variance: wrong, ..kept.clone() },
            ] {
                assert_eq!(resumed(Mix::default(), kept), [0.0; 0], "{wrong}");
            }
        }
    }

    #[test]
    fn probes_are_no_traffic() {
        let mut mix = Mix::default();
        mix.learn(&Sample { source: Source::Probe, ..asked(0, 9_000, false, 900) });
        let class = Shape { prompt: 9_000, streams: false }.class();
        assert_eq!(mix.typical(class), Mix::default().typical(class));
    }
}
