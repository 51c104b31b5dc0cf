//! When probes happen, and what they send.

use std::sync::Arc;

use http::Method;
use nearway_probe::{Settings, one_round};
use nearway_route::{Measured, Outcome, State};
use nearway_upstream::{Clock, Fault, FaultKind};
use tokio::task::LocalSet;

use crate::harness::{Act, DEPLOYMENT, Seen, has_own_headers, ms, regions, settings, with_prober};

#[tokio::test(start_paused = true)]
async fn rounds_come_at_the_interval_with_their_samples_in_sequence() {
    let settings = Settings { samples: 3, ..settings(&[(1, "east"), (2, "west")]) };
    let script = |seen: &Seen| Act::Answer(if seen.region == "east" { ms(100) } else { ms(250) });
    with_prober(settings, script, |world| async move {
        world.at(20_050).await;
        let east = [0, 100, 200, 10_000, 10_100, 10_200, 20_000];
        let west = [0, 250, 500, 10_000, 10_250, 10_500, 20_000];
        assert_eq!(world.regions.times("east"), east);
        assert_eq!(world.regions.times("west"), west);
        assert_eq!(world.entry("east").samples, 6);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_region_never_overlaps_itself_and_delays_nobody() {
    let settings = Settings { timeout: ms(60_000), ..settings(&[(1, "slow"), (2, "fast")]) };
    let script =
        |seen: &Seen| Act::Answer(if seen.region == "slow" { ms(25_000) } else { ms(100) });
    with_prober(settings, script, |world| async move {
        world.at(50_050).await;
        assert_eq!(world.regions.times("slow"), [0, 25_000, 50_000]);
        assert_eq!(world.regions.times("fast"), [0, 10_000, 20_000, 30_000, 40_000, 50_000]);
        assert_eq!(world.regions.most_at_once("slow"), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn jitter_moves_rounds_within_its_share() {
    let settings = Settings { jitter: 0.2, ..settings(&[(1, "east")]) };
    with_prober(
        settings,
        |_| Act::Answer(ms(1)),
        |world| async move {
            world.at(1_000_000).await;
            let times = world.regions.times("east");
            let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // the timer counts in milliseconds
            assert!(pauses.iter().all(|pause| (7_999..=12_001).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_made_for_its_region() {
    with_prober(
        settings(&[(1, "east"), (2, "west")]),
        |_| Act::Answer(ms(1)),
        |world| async move {
            world.at(50).await;
            let seen = world.regions.seen();
            assert_eq!(seen.len(), 2);
            for probe in seen {
                assert_eq!(probe.method, Method::POST);
                let path = format!("/prefix/openai/deployments/{DEPLOYMENT}-{}/", probe.region);
                assert!(probe.target.starts_with(&path), "{}", probe.target);
                assert!(has_own_headers(&probe), "{:?}", probe.headers);
                assert_eq!(probe.headers["content-type"], "application/json");
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_deployment_reachability_is_measured_and_the_table_says_so() {
    let settings = Settings { deployments: vec![], ..settings(&[(1, "east"), (2, "west")]) };
    let script = |seen: &Seen| match &*seen.region {
        "east" => Act::Answer(ms(40)),
        // whatever it says, it can be reached
        _ => Act::Refuse(404, "nothing here", &[]),
    };
    with_prober(settings, script, |world| async move {
        world.at(50).await;
        assert!(world.first_round_done());
        for probe in world.regions.seen() {
            assert_eq!((probe.method, &*probe.body), (Method::GET, ""));
            assert!(probe.target.starts_with("/prefix/"), "{}", probe.target);
        }
        let table = world.live.load();
        let ranking = table.ranking(None);
        assert_eq!(ranking.measured, Measured::Reachability);
        let states: Vec<_> = ranking.order.iter().map(|entry| entry.state).collect();
        assert_eq!(states, [State::Fresh, State::Fresh]);
        assert_eq!(world.entry("east").head.unwrap().average, ms(40));
        let probes = "nearway_probes_total{region=\"west\",deployment=\"other\",outcome=\"ok\"}";
        assert_eq!(world.metric(probes).unwrap(), "1");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_round_shows_every_sample_in_configured_order() {
    let clock = Clock::start();
    let regions = regions(clock, |seen| match &*seen.region {
        "slow" => Act::Answer(ms(300)),
        "fast" => Act::Answer(ms(100)),
        _ => Act::Fail(Fault::unsent(FaultKind::Dns, "no such name")),
    });
    let settings = Settings { samples: 2, ..settings(&[(1, "slow"), (2, "gone"), (3, "fast")]) };
    let rounds = LocalSet::new().run_until(one_round(&regions, settings, clock)).await;
    // all at once: as long as the slowest
    assert_eq!(clock.now(), ms(600));
    let names: Vec<_> = rounds.iter().map(|round| &*round.name).collect();
    assert_eq!(names, ["slow", "gone", "fast"]);
    let deployment: Option<Arc<str>> = Some(DEPLOYMENT.into());
    assert!(rounds.iter().all(|round| round.deployment == deployment));
    let [slow, gone, fast] = &rounds[..] else { panic!("{rounds:?}") };
    assert_eq!((slow.samples.len(), gone.samples.len(), fast.samples.len()), (2, 1, 2));
    assert_eq!((slow.usage.prompt, slow.usage.completion), (16, 4));
    assert!(matches!(gone.samples[0].outcome, Outcome::Failure { reason: "dns", .. }));
    assert_eq!(gone.fault.as_ref().unwrap().kind, FaultKind::Dns);
    let expected = Outcome::Answer { first_token: Some(ms(100)), total: ms(100), tokens: 2 };
    assert!(fast.samples.iter().all(|sample| sample.outcome == expected));
}
