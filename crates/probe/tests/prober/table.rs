//! What the world sees of it: tables, leaders, reports of clients' requests.

use std::cell::Cell;
use std::rc::Rc;

use nearway_probe::Report;
use nearway_route::{Asked, Moment, Outcome, RegionId, Sample, Source, State};

use crate::harness::{Act, DEPLOYMENT, Seen, ms, settings, with_prober};

#[tokio::test(start_paused = true)]
async fn another_leader_is_published_and_counted() {
    let east_takes = Rc::new(Cell::new(ms(100)));
    let takes = east_takes.clone();
    let script =
        move |seen: &Seen| Act::Answer(if seen.region == "east" { takes.get() } else { ms(200) });
    with_prober(settings(&[(1, "east"), (2, "west")]), script, |world| async move {
        assert_eq!(world.order(), ["east", "west"]);
        assert_eq!(world.entry("west").state, State::Unknown);
        world.at(1_000).await;
        assert_eq!(world.order(), ["east", "west"]);
        let leads =
            |region| format!("nearway_route_leader{{region=\"{region}\",deployment=\"gpt-4o\"}}");
        assert_eq!(world.metric(&leads("east")).unwrap(), "1");

        east_takes.set(ms(900));
        world.at(10_800).await;
        assert_eq!(world.order(), ["east", "west"]);
        // the sample is complete, and with it the table
        world.at(10_901).await;
        assert_eq!(world.order(), ["west", "east"]);
        assert_eq!(world.metric(&leads("east")).unwrap(), "0");
        assert_eq!(world.metric(&leads("west")).unwrap(), "1");
        let changes = "nearway_leader_changes_total{deployment=\"gpt-4o\"}";
        assert_eq!(world.metric(changes).unwrap(), "1");
        let score = "nearway_route_score_seconds{region=\"east\",deployment=\"gpt-4o\"}";
        assert_eq!(world.metric(score).unwrap(), "0.5");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_table_comes_each_second_even_if_nothing_is_measured() {
    with_prober(
        settings(&[(1, "east")]),
        |_| Act::Hang,
        |world| async move {
            let mut former = world.live.load().version;
            for second in 1..5 {
                // the runtime's timers are exact to a millisecond, and each table waits for the last
                world.at(second * 1_000 + 10).await;
                let table = world.live.load();
                assert!(table.version > former);
                let age = Moment::from(ms(second * 1_000 + 10)).since(table.at);
                assert!(age <= ms(1_000), "{age:?}");
                former = table.version;
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_workers_report_is_in_the_table_soon_and_closing_does_no_harm() {
    with_prober(
        settings(&[(1, "east")]),
        |_| Act::Answer(ms(100)),
        |mut world| async move {
            world.at(1_500).await;
            let outcome = Outcome::Failure { reason: "reset", after: ms(1), retry_after: None };
            let sample = Sample {
                at: Moment::from(ms(1_500)),
                source: Source::Live,
                asked: Asked::probe(0),
                outcome,
            };
            let deployment = Some(DEPLOYMENT.into());
            let report = Report { region: RegionId(1), deployment, sample };
            world.reports.send(report).await.unwrap();
            world.at(1_650).await;
            let east = world.entry("east");
            assert_eq!(east.last_error.unwrap().reason, "reset");
            assert_eq!((east.state, east.samples), (State::Fresh, 1));

            world.hang_up();
            world.at(10_200).await;
            assert_eq!(world.entry("east").samples, 2);
        },
    )
    .await;
}
