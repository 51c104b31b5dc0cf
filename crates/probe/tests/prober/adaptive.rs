//! Probes by what they are worth: `Strategy::Adaptive`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nearway_probe::{Report, Settings};
use nearway_route::{
    Asked, Circumstances, Moment, Outcome, RegionId, Sample, Shape, Source, State, Strategy,
};

use crate::harness::{Act, COMPLETION, DEPLOYMENT, Seen, World, ms, settings, with_prober};

/// As [`settings`], with one sample of one token.
fn adaptive(names: &[(u32, &str)]) -> Settings {
    let mut settings = Settings { max_tokens: 1, ..settings(names) };
    settings.routing.strategy = Strategy::Adaptive;
    settings
}

const THREE: [(u32, &str); 3] = [(1, "east"), (2, "west"), (3, "north")];

/// 100, 200 and 300 ms.
fn apart(seen: &Seen) -> Act {
    Act::Answer(match &*seen.region {
        "east" => ms(100),
        "west" => ms(200),
        _ => ms(300),
    })
}

/// A client's stream was answered.
async fn served(world: &World, region: u32, first_token: Duration) {
    let at = Moment::from(world.clock.now());
    let outcome = Outcome::Answer { first_token: Some(first_token), total: first_token, tokens: 0 };
    let asked = Asked { shape: Shape { prompt: 8, streams: true }, in_flight: 0 };
    let sample = Sample { at, source: Source::Live, asked, outcome };
    let deployment = Some(DEPLOYMENT.into());
    world.reports.send(Report { region: RegionId(region), deployment, sample }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_steady_world_with_traffic_costs_a_tenth_of_what_averages_cost() {
    const INTERVALS: u64 = 60;
    let settings = Settings { jitter: 0.1, ..adaptive(&THREE) };
    with_prober(settings, apart, |world| async move {
        for second in 1..=INTERVALS * 10 {
            world.at(second * 1_000).await;
            served(&world, 1, ms(100)).await;
        }
        assert_eq!(world.regions.times("east").len(), 1, "clients tell enough of it");
        let seen = world.regions.seen();
        assert!(seen.iter().all(|seen| seen.body.contains("\"max_tokens\":1,")));
        // a prompt has 8 tokens
        let tokens = seen.len() as u64 * (8 + 1);
        let of_averages = INTERVALS * 3 * 3 * (8 + 10);
        assert!(tokens * 10 <= of_averages, "{tokens} of {of_averages}");
        for region in ["west", "north"] {
            let times = world.regions.times(region);
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(longest <= Some(18_000), "{region}: {times:?}");
            assert_eq!(world.entry(region).state, State::Fresh);
        }
        let skipped = |region: &str, reason| {
            let labels = format!("region=\"{region}\",deployment=\"gpt-4o\",reason=\"{reason}\"");
            let value = world.metric(&format!("nearway_probes_skipped_total{{{labels}}}"));
            value.unwrap().parse::<u64>().unwrap()
        };
        assert!(skipped("east", "fresh") >= INTERVALS - 2);
        // after one and a half intervals, more or less: about half of the time that is more
        assert!(skipped("north", "far") > INTERVALS / 8);
        assert_eq!(skipped("east", "budget") + skipped("east", "quota"), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn near_ones_without_traffic_are_probed_once_in_an_interval_and_never_overlap() {
    let script = |seen: &Seen| Act::Answer(if seen.region == "slow" { ms(4_000) } else { ms(100) });
    with_prober(adaptive(&[(1, "slow"), (2, "fast"), (3, "like")]), script, |world| async move {
        world.at(100_050).await;
        for region in ["fast", "like"] {
            let times = world.regions.times(region);
            assert_eq!(times[0], 0, "unknown, so at once");
            assert!((9..=12).contains(&times.len()), "{region}: {times:?}");
        }
        assert_eq!(world.regions.most_at_once("slow"), 1);
        assert!(world.first_round_done());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_weighed_by_what_was_in_flight_when_it_began() {
    let busy = Rc::new(Cell::new(false));
    let is_busy = busy.clone();
    let script = move |_: &Seen| Act::Answer(if is_busy.get() { ms(400) } else { ms(100) });
    with_prober(adaptive(&[(1, "east")]), script, |world| async move {
        let mut guards = Vec::new();
        for round in 0..20 {
            world.at(round * 10_000 + 5_000).await;
            busy.set(round % 2 == 0);
            guards.clear();
            let requests = if busy.get() { 10 } else { 0 };
            guards.extend((0..requests).map(|_| world.entry("east").vitals.enter()));
        }
        let estimate = world.entry("east").known.unwrap().estimate;
        let takes = |in_flight| {
            estimate.expected(Circumstances { shape: Shape::PROBE, output: 1.0, in_flight }).millis
        };
        assert!(takes(10) - takes(0) > 100.0, "{} and {}", takes(0), takes(10));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_surprised_is_looked_at_soon() {
    with_prober(adaptive(&THREE), apart, |world| async move {
        for second in 1..=5 {
            world.at(second * 1_000).await;
            served(&world, 1, ms(100)).await;
        }
        served(&world, 1, ms(4_000)).await;
        world.at(8_000).await;
        let times = world.regions.times("east");
        assert_eq!(times.len(), 2, "{times:?}");
        assert!((6_200..=7_900).contains(&times[1]), "{times:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_surprised_many_clients_of_the_leader_is_looked_at_when_they_stop() {
    with_prober(adaptive(&THREE), apart, |world| async move {
        for second in 1..=20 {
            world.at(second * 1_000).await;
            served(&world, 1, ms(100)).await;
        }
        served(&world, 1, ms(4_000)).await;
        world.at(26_000).await;
        let times = world.regions.times("east");
        assert_eq!(times.len(), 2, "{times:?}");
        assert!((25_000..=25_500).contains(&times[1]), "after half an interval: {times:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_surprises_clients_often_is_looked_at_by_clients() {
    with_prober(adaptive(&[(1, "east")]), apart, |world| async move {
        for quarter in 1..2_400 {
            world.at(quarter * 250).await;
            served(&world, 1, if quarter % 80 == 0 { ms(3_000) } else { ms(100) }).await;
        }
        let times = world.regions.times("east");
        assert!(times.len() < 5, "{times:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_out_is_probed_within_the_interval_and_not_before_its_hint() {
    let hint = Rc::new(Cell::new(false));
    let hinted = hint.clone();
    let script = move |seen: &Seen| match &*seen.region {
        "north" if hinted.get() => Act::Refuse(429, "", &[("retry-after", "35")]),
        _ => apart(seen),
    };
    with_prober(adaptive(&THREE), script, |world| async move {
        world.at(100_000).await;
        let before = world.regions.times("north").len();
        let now = Moment::from(world.clock.now());
        world.entry("north").vitals.cool_until(now + ms(15_000));
        world.at(114_900).await;
        assert_eq!(world.regions.times("north").len(), before, "clients were told to wait");
        hint.set(true);
        world.at(126_000).await;
        let times = world.regions.times("north");
        assert_eq!(times.len(), before + 1, "{times:?}");
        let refused = times[before];
        world.at(160_000).await;
        assert_eq!(world.entry("north").state, State::Down);
        let times = world.regions.times("north");
        assert!(times.get(before + 1).is_none_or(|next| *next >= refused + 35_000), "{times:?}");
        world.at(200_000).await;
        let times = world.regions.times("north");
        assert!(times[before + 1] < refused + 45_000, "{times:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_answers_every_probe_with_a_500_is_looked_at_again_and_then_once_an_interval()
{
    let script = |seen: &Seen| match &*seen.region {
        "north" => Act::Refuse(500, "", &[]),
        _ => apart(seen),
    };
    with_prober(adaptive(&THREE), script, |world| async move {
        world.at(200_500).await;
        let times = world.regions.times("north");
        let early = times.iter().filter(|at| **at < 11_500).count();
        assert_eq!(early, 5, "at once, and after 0.12, 0.31, 0.61 and 1.07 intervals: {times:?}");
        let later = times.iter().skip(early).collect::<Vec<_>>();
        assert!((17..=19).contains(&later.len()), "{times:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_a_region_and_the_budget_make_probes_rarer() {
    let script = |seen: &Seen| match &*seen.region {
        // a hundredth of 200 a minute is one in 30 s
        "east" => Act::Refuse(
            200,
            COMPLETION,
            &[("content-type", "text/event-stream"), ("x-ratelimit-limit-requests", "200")],
        ),
        _ => Act::Answer(ms(1)),
    };
    with_prober(adaptive(&[(1, "east"), (2, "west")]), script, |world| async move {
        world.at(60_500).await;
        let times = world.regions.times("east");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 30_000), "{times:?}");
        assert!(times.len() > 1, "{times:?}");
        assert!(world.regions.times("west").len() > 5);
    })
    .await;

    // a client's answer tells it as well
    let near = |_: &Seen| Act::Answer(ms(1));
    with_prober(adaptive(&[(1, "east"), (2, "west")]), near, |world| async move {
        world.entry("east").vitals.allow(Some(200), None);
        world.at(60_500).await;
        let times = world.regions.times("east");
        assert!(times.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= 30_000), "{times:?}");
        assert!(world.regions.times("west").len() > 5);
        world.entry("east").vitals.allow(Some(20_000), None);
        world.at(121_000).await;
        assert!(world.regions.times("east").len() >= times.len() + 5, "it allows more now");
    })
    .await;

    // ten tokens a probe: 2 500 a day are one in 6 minutes, and 104 may be spent ahead
    let settings = Settings { tokens_per_day: Some(2_500), ..adaptive(&[(1, "east")]) };
    with_prober(
        settings,
        |_| Act::Answer(ms(1)),
        |world| async move {
            world.at(7_200_000).await;
            let probes = world.regions.times("east").len();
            assert!((28..=33).contains(&probes), "{probes}");
            let labels = "region=\"east\",deployment=\"gpt-4o\"";
            let used =
                world.metric(&format!("nearway_probe_budget_used_ratio{{{labels}}}")).unwrap();
            assert!((0.8..=1.2).contains(&used.parse().unwrap()), "{used}");
            let skipped = world
                .metric(&format!("nearway_probes_skipped_total{{{labels},reason=\"budget\"}}"));
            assert!(skipped.unwrap().parse::<u64>().unwrap() > 500);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_the_strategy_both_ways_without_a_probe_more() {
    let (average, adaptive) = (settings(&THREE), adaptive(&THREE));
    with_prober(average.clone(), apart, |world| async move {
        world.at(11_000).await;
        world.reloads.send(Settings { generation: 2, ..adaptive }).await.unwrap();
        world.at(100_000).await;
        assert!(world.regions.times("north").len() < 9, "far");
        world.reloads.send(Settings { generation: 3, ..average }).await.unwrap();
        world.at(110_500).await;
        let before = world.regions.times("north").len();
        world.at(140_500).await;
        assert_eq!(world.regions.times("north").len(), before + 3);
        assert_eq!(world.regions.most_at_once("north"), 1);
    })
    .await;
}
