//! No input makes the ranking panic, lose a region, or put one in twice.

use std::time::Duration;

use nearway_route::{
    Lack, Moment, Outcome, Plan, RankBy, Ranker, RegionId, RoutingSettings, Sample, Source, Switch,
};
use proptest::{collection::vec, option, prelude::*};

use crate::fixture::{ids, names, region};

fn settings() -> impl Strategy<Value = RoutingSettings> {
    let durations = any::<[Duration; 6]>();
    (durations, any::<f64>(), any::<bool>()).prop_map(|(durations, percent, first_token)| {
        let [window, at_least, hold, probe_interval, probe_timeout, stale_after] = durations;
        RoutingSettings {
            strategy: nearway_route::Strategy::Average,
            rank_by: if first_token { RankBy::FirstToken } else { RankBy::Total },
            window,
            switch: Switch { percent, at_least, hold },
            probe_interval,
            probe_timeout,
            stale_after,
        }
    })
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
    ];
    (any::<u64>(), any::<bool>(), outcome).prop_map(|(at, probe, outcome)| Sample {
        at: Moment::from_nanos(at),
        source: if probe { Source::Probe } else { Source::Live },
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
            for ranking in ranker.rank(now).table.rankings() {
                let mut found = ids(ranking);
                found.sort_unstable();
                prop_assert_eq!(&found, &[0, 1, 2]);

                let mut plan = Plan::new(Lack::DEPLOYMENT, true);
                let tried = std::iter::from_fn(|| plan.next(ranking, now, |_| true)).count();
                prop_assert_eq!(tried, 3);
            }
        }
    }
}
