//! No input makes the ranking panic, lose a region, or put one in twice.

use std::time::Duration;

use nearway_route::{
    Asked, Lack, Moment, Outcome, Plan, RankBy, Ranker, RegionId, RoutingSettings, Sample, Shape,
    Source, Strategy as ByStrategy, Switch,
};
use proptest::{collection::vec, option, prelude::*};

use crate::fixture::{ids, names, region};

fn settings() -> impl Strategy<Value = RoutingSettings> {
    let durations = any::<[Duration; 6]>();
    (durations, any::<f64>(), any::<[bool; 2]>()).prop_map(
        |(durations, percent, [first_token, adaptive])| {
            let [window, at_least, hold, probe_interval, probe_timeout, stale_after] = durations;
            RoutingSettings {
                strategy: if adaptive { ByStrategy::Adaptive } else { ByStrategy::Average },
                rank_by: if first_token { RankBy::FirstToken } else { RankBy::Total },
                window,
                switch: Switch { percent, at_least, hold },
                probe_interval,
                probe_timeout,
                stale_after,
            }
        },
    )
}

fn sample() -> impl Strategy<Value = Sample> {
    let outcome = prop_oneof![
        (option::of(any::<Duration>()), any::<Duration>(), any::<u32>()).prop_map(
            |(first_token, total, tokens)| Outcome::Answer { first_token, total, tokens }
        ),
        any::<Duration>().prop_map(|head| Outcome::Reachable { head }),
        (any::<Duration>(), option::of(any::<Duration>())).prop_map(|(after, retry_after)| {
            Outcome::Failure { reason: "any", after, retry_after }
        }),
        any::<Duration>().prop_map(|after| Outcome::GivenUp { after }),
    ];
    let asked =
        (any::<u32>(), any::<bool>(), any::<u32>()).prop_map(|(prompt, streams, in_flight)| {
            Asked { shape: Shape { prompt, streams }, in_flight }
        });
    (any::<u64>(), any::<bool>(), asked, outcome).prop_map(|(at, probe, asked, outcome)| Sample {
        at: Moment::from_nanos(at),
        source: if probe { Source::Probe } else { Source::Live },
        asked,
        outcome,
    })
}

proptest! {
    #[test]
    fn every_table_holds_every_region_once(
        settings in settings(),
        steps in vec((0_u32..4, option::of("[ab]?"), sample(), any::<u64>()), 0..40)
    ) {
        let regions = (0..3).map(region).collect();
        let mut ranker = Ranker::new(settings, 1, regions, names(&["a"]));
        for (id, deployment, sample, now) in steps {
            ranker.observe(RegionId(id), deployment.as_deref(), sample);
            let now = Moment::from_nanos(now);
            for id in 0..3 {
                let _ = ranker.probe_due(RegionId(id), "a", now);
            }
            for ranking in ranker.rank(now).table.rankings() {
                let mut found = ids(ranking);
                found.sort_unstable();
                prop_assert_eq!(&found, &[0, 1, 2]);

                let mut plan = Plan::new(Lack::DEPLOYMENT, true).of(sample.asked.shape);
                let tried = std::iter::from_fn(|| plan.next(ranking, now, |_| true)).count();
                prop_assert_eq!(tried, 3);
            }
        }
    }
}
