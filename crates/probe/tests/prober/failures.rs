//! What failed probes do to the table and to the next probe.

use nearway_probe::Settings;
use nearway_route::{Moment, State};
use nearway_upstream::{Fault, FaultKind};

use crate::harness::{Act, Seen, ms, settings, with_prober};

#[tokio::test(start_paused = true)]
async fn a_region_that_hangs_fails_at_exactly_the_timeout() {
    let settings = Settings { samples: 3, ..settings(&[(1, "stuck"), (2, "east")]) };
    let script = |seen: &Seen| match &*seen.region {
        "stuck" => Act::Hang,
        _ => Act::Answer(ms(100)),
    };
    with_prober(settings, script, |world| async move {
        world.at(4_999).await;
        assert_eq!(world.entry("stuck").state, State::Unknown);
        assert!(!world.first_round_done());
        world.at(5_001).await;
        let stuck = world.entry("stuck");
        assert_eq!((stuck.state, stuck.score), (State::Down, Some(ms(5_000))));
        let error = stuck.last_error.unwrap();
        assert_eq!((error.at, error.reason), (Moment::from(ms(5_000)), "total_timeout"));
        assert!(world.first_round_done());
        assert_eq!(world.order(), ["east", "stuck"]);
        // a further sample of this round would only hang as long again
        world.at(15_001).await;
        assert_eq!(world.regions.times("stuck"), [0, 10_000]);
        let probes = "nearway_probes_total{region=\"stuck\",deployment=\"gpt-4o\",outcome=\"total_timeout\"}";
        assert_eq!(world.metric(probes).unwrap(), "2");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_deployment_is_left_alone_as_long_as_it_asks() {
    let throttled = r#"{"error":{"code":"429","message":"Please retry after 25 seconds."}}"#;
    let mut throttles = 1;
    let script = move |seen: &Seen| {
        if seen.region == "east" && throttles > 0 {
            throttles -= 1;
            return Act::Refuse(429, throttled, &[("retry-after", "25")]);
        }
        Act::Answer(ms(100))
    };
    let settings = Settings { samples: 2, ..settings(&[(1, "east"), (2, "west")]) };
    with_prober(settings, script, |world| async move {
        world.at(9_000).await;
        let east = world.entry("east");
        assert_eq!((east.state, east.last_error.unwrap().reason), (State::Down, "throttled"));
        // the hint is its cost, as it is longer than the timeout
        assert_eq!(east.score, Some(ms(25_000)));
        world.at(31_000).await;
        assert_eq!(world.regions.times("east"), [0, 30_000, 30_100]);
        assert_eq!(world.regions.times("west").len(), 8);
        assert_eq!(world.entry("east").state, State::Fresh);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_blip_is_asked_again_in_the_same_round() {
    let mut blips = 1;
    let script = move |_: &Seen| {
        if blips > 0 {
            blips -= 1;
            return Act::Fail(Fault::unsent(FaultKind::Reset, "connection reset"));
        }
        Act::Answer(ms(100))
    };
    let settings = Settings { samples: 3, ..settings(&[(1, "east")]) };
    with_prober(settings, script, |world| async move {
        world.at(1_000).await;
        let east = world.entry("east");
        assert_eq!((east.samples, east.failures, east.state), (3, 1, State::Fresh));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_nearway_itself_lacks_makes_no_region_look_down() {
    let script = |seen: &Seen| match seen.at.as_secs() {
        0 => Act::Answer(ms(100)),
        _ => Act::Fail(Fault::unsent(FaultKind::Local, "Too many open files")),
    };
    with_prober(settings(&[(1, "east")]), script, |world| async move {
        world.at(25_000).await;
        assert!(world.regions.times("east").len() > 1);
        let east = world.entry("east");
        assert_eq!((east.failures, east.state), (0, State::Fresh));
        let probes =
            "nearway_probes_total{region=\"east\",deployment=\"gpt-4o\",outcome=\"local\"}";
        assert_ne!(world.metric(probes), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    for (status, body, reason) in [
        (401, r#"{"error":{"code":"401","message":"Access denied"}}"#, "unauthorized"),
        (404, r#"{"error":{"code":"DeploymentNotFound","message":"m"}}"#, "missing_deployment"),
        (500, "", "server_error"),
        (200, "<html>sign in</html>", "malformed"),
        (302, "", "rejected"),
    ] {
        let script = move |_: &Seen| Act::Refuse(status, body, &[]);
        with_prober(settings(&[(1, "east")]), script, |world| async move {
            world.at(100).await;
            let east = world.entry("east");
            assert_eq!((east.state, east.last_error.unwrap().reason), (State::Down, reason));
        })
        .await;
    }
}
