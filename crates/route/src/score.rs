//! What a region costs by its probes, as one duration: less is better.
//!
//! The mean over the window's probes, where a failure enters as a cost and never as a
//! missing sample. The cost is never below what the region takes when it answers, so failing
//! fast is no way to the top.

use std::time::Duration;

use crate::{
    sample::{Measured, Outcome},
    settings::RoutingSettings,
    spread::mean,
    window::Window,
};

/// The score of a (region, deployment) by this clock; `None` when the window says nothing of it.
pub(crate) fn score(
    probes: &Window,
    clock: Measured,
    settings: &RoutingSettings,
) -> Option<Duration> {
    let answers = probes.iter().filter_map(|sample| sample.outcome.measure(clock));
    let usual = mean(answers.clone()).unwrap_or_default();
    let costs = probes.iter().filter_map(|sample| cost(&sample.outcome, usual, settings));
    mean(answers.chain(costs))
}

/// What a failure costs; `None` for anything else.
///
/// The probe's timeout, the region's own hint or a multiple of its usual time, whichever is
/// longest. A hint counts at most as long as the window in which the failure is remembered.
fn cost(outcome: &Outcome, usual: Duration, settings: &RoutingSettings) -> Option<Duration> {
    let Outcome::Failure { retry_after, .. } = outcome else { return None };
    let hint = retry_after.unwrap_or_default().min(settings.window);
    Some(settings.probe_timeout.max(hint).max(usual.saturating_mul(FAILURE_FACTOR)))
}

/// A failure costs at least this many usual answers: the client's wait for it, plus another
/// region's answer, plus a margin, whatever the timeout is set to.
const FAILURE_FACTOR: u32 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::Strategy;

    use super::*;
    use crate::{
        moment::Moment,
        sample::{Asked, Sample, Source},
        settings::{RankBy, Switch},
    };

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const SETTINGS: RoutingSettings = RoutingSettings {
        strategy: crate::settings::Strategy::Average,
        rank_by: RankBy::FirstToken,
        window: ms(300_000),
        switch: Switch { percent: 20.0, at_least: ms(10), hold: ms(30_000) },
        probe_interval: ms(30_000),
        probe_timeout: ms(1_000),
        stale_after: ms(90_000),
    };

    const fn answer(first_token: Option<u64>, total: u64) -> Outcome {
        let first_token = match first_token {
            Some(millis) => Some(ms(millis)),
            None => None,
        };
        Outcome::Answer { first_token, total: ms(total), tokens: 1 }
    }

    const fn failure(retry_after: Option<Duration>) -> Outcome {
        Outcome::Failure { reason: "throttled", after: ms(1), retry_after }
    }

    fn window(outcomes: &[Outcome]) -> Window {
        let mut window = Window::default();
        for &outcome in outcomes {
            window.insert(Sample {
                at: Moment::ZERO,
                source: Source::Probe,
                asked: Asked::probe(0),
                outcome,
            });
        }
        window
    }

    #[test]
    fn answers_average_and_failures_cost() {
        let hint = |millis| failure(Some(ms(millis)));
        for (outcomes, expected) in [
            (vec![], None),
            (vec![answer(Some(100), 900), answer(Some(300), 900)], Some(200)),
            // an answer without a first token says nothing of first tokens
            (vec![answer(Some(100), 900), answer(None, 5)], Some(100)),
            (vec![answer(None, 5)], None),
            // the timeout
            (vec![failure(None)], Some(1_000)),
            (vec![answer(Some(100), 900), failure(None)], Some(550)),
            // the hint, where it is longer; at most the window
            (vec![hint(2_000)], Some(2_000)),
            (vec![hint(10)], Some(1_000)),
            (vec![failure(Some(Duration::MAX))], Some(300_000)),
            // several times the usual, where that is longer
            (vec![answer(Some(600), 900), failure(None)], Some(1_800)),
        ] {
            let score = score(&window(&outcomes), Measured::FirstToken, &SETTINGS);
            assert_eq!(score, expected.map(ms), "{outcomes:?}");
        }
    }

    #[test]
    fn the_clocks_are_not_mixed() {
        let window = window(&[answer(Some(100), 900), Outcome::Reachable { head: ms(7) }]);
        for (clock, expected) in
            [(Measured::FirstToken, 100), (Measured::Total, 900), (Measured::Reachability, 7)]
        {
            assert_eq!(score(&window, clock, &SETTINGS), Some(ms(expected)), "{clock:?}");
        }
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        let duration = || any::<Duration>();
        prop_oneof![
            (proptest::option::of(duration()), duration())
                .prop_map(|(first_token, total)| Outcome::Answer { first_token, total, tokens: 1 }),
            duration().prop_map(|head| Outcome::Reachable { head }),
            (duration(), proptest::option::of(duration())).prop_map(|(after, retry_after)| {
                Outcome::Failure { reason: "any", after, retry_after }
            }),
        ]
    }

    proptest! {
        #[test]
        fn samples_of_one_instant_score_alike_in_any_order(
            (outcomes, shuffled) in proptest::collection::vec(any_outcome(), 0..40)
                .prop_flat_map(|outcomes| (Just(outcomes.clone()), Just(outcomes).prop_shuffle()))
        ) {
            for clock in [Measured::FirstToken, Measured::Total, Measured::Reachability] {
                prop_assert_eq!(
                    score(&window(&outcomes), clock, &SETTINGS),
                    score(&window(&shuffled), clock, &SETTINGS)
                );
            }
        }

        #[test]
        fn a_failure_never_improves_a_score(
            outcomes in proptest::collection::vec((1_u64..5_000).prop_map(|first| answer(Some(first), 1)), 1..40),
            retry_after in proptest::option::of(any::<Duration>())
        ) {
            let before = score(&window(&outcomes), Measured::FirstToken, &SETTINGS);
            let after = [outcomes, vec![failure(retry_after)]].concat();
            prop_assert!(score(&window(&after), Measured::FirstToken, &SETTINGS) > before);
        }
    }
}
