//! Another configuration while it runs.

use std::sync::Arc;

use nearway_probe::Settings;
use nearway_route::State;

use crate::harness::{Act, Seen, ms, settings, target, with_prober};

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_samples_and_probes_what_is_new_at_once() {
    let before = settings(&[(1, "east"), (2, "west")]);
    let after = Settings {
        generation: 2,
        targets: vec![target(3, "north"), before.targets[0].clone()],
        ..before.clone()
    };
    let script = |seen: &Seen| Act::Answer(if seen.region == "north" { ms(50) } else { ms(100) });
    with_prober(before, script, |world| async move {
        world.at(12_000).await;
        let kept = world.entry("east");
        assert_eq!(kept.samples, 2);
        world.reloads.send(after).await.unwrap();
        world.at(12_020).await;
        // added, but it leads only once it is measured
        assert_eq!(world.order(), ["east", "north"]);
        assert_eq!(world.entry("north").state, State::Unknown);
        assert_eq!(world.live.load().generation, 2);
        let east = world.entry("east");
        assert_eq!(east.samples, 2);
        assert!(Arc::ptr_eq(&east.vitals, &kept.vitals));
        world.at(12_060).await;
        assert_eq!(world.order(), ["north", "east"]);

        world.at(25_000).await;
        assert_eq!(world.regions.times("north"), [12_000, 22_000]);
        assert_eq!(world.regions.times("east"), [0, 10_000, 20_000]);
        assert_eq!(world.regions.times("west"), [0, 10_000]);
        let rank =
            |region| format!("nearway_route_rank{{region=\"{region}\",deployment=\"gpt-4o\"}}");
        assert_eq!(world.metric(&rank("north")).unwrap(), "1");
        assert_eq!(world.metric(&rank("west")), None);
        assert_eq!(world.metric("nearway_config_generation").unwrap(), "2");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_removed_region_ends_unnoticed() {
    let before = settings(&[(1, "east"), (2, "west")]);
    let after = Settings { targets: vec![before.targets[0].clone()], ..before.clone() };
    with_prober(
        before,
        |_| Act::Answer(ms(1_000)),
        |world| async move {
            world.at(500).await;
            world.reloads.send(after).await.unwrap();
            world.at(15_000).await;
            assert_eq!(world.order(), ["east"]);
            assert_eq!(world.entry("east").samples, 2);
            assert_eq!(world.regions.times("west"), [0]);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_acts_at_once() {
    let slow = Settings { interval: ms(3_600_000), ..settings(&[(1, "east")]) };
    let quick = settings(&[(1, "east")]);
    with_prober(
        slow,
        |_| Act::Answer(ms(100)),
        |world| async move {
            world.at(1_000).await;
            world.reloads.send(quick).await.unwrap();
            world.at(21_500).await;
            assert_eq!(world.regions.times("east"), [0, 11_000, 21_000]);
        },
    )
    .await;
}
