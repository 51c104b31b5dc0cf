//! Token-free checks between the probes (`reachability`).

use std::cell::Cell;
use std::rc::Rc;

use http::Method;
use nearway_probe::Settings;
use nearway_route::{State, Strategy};
use nearway_upstream::{Fault, FaultKind};

use crate::harness::{Act, Seen, ms, settings, with_prober};

#[tokio::test(start_paused = true)]
async fn a_check_tells_that_a_region_went_and_came_and_never_a_time() {
    for strategy in [Strategy::Average, Strategy::Adaptive] {
        let gone = Rc::new(Cell::new(false));
        let is_gone = gone.clone();
        let script = move |seen: &Seen| match seen.method {
            _ if is_gone.get() => Act::Fail(Fault::unsent(FaultKind::Connect, "refused")),
            // whatever else it says, it is there
            Method::GET => Act::Refuse(503, "", &[]),
            _ => Act::Answer(ms(100)),
        };
        let mut settings =
            Settings { interval: ms(30_000), reachability: true, ..settings(&[(1, "east")]) };
        settings.routing.strategy = strategy;
        settings.routing.probe_interval = ms(30_000);
        with_prober(settings, script, |world| async move {
            world.at(25_000).await;
            let of = |method: Method| {
                let seen = world.regions.seen().into_iter();
                seen.filter(|seen| seen.method == method).map(|seen| seen.at).collect::<Vec<_>>()
            };
            assert_eq!(of(Method::GET), [ms(0), ms(10_000), ms(20_000)]);
            assert_eq!(of(Method::POST), [ms(0)]);
            let east = world.entry("east");
            assert_eq!((east.state, east.samples, east.failures), (State::Fresh, 1, 0));

            gone.set(true);
            world.at(30_050).await;
            assert_eq!(world.entry("east").state, State::Down, "before any probe: {strategy:?}");
            assert_eq!(of(Method::POST).last(), Some(&ms(30_000)), "which looks at once");
            world.at(55_000).await;
            gone.set(false);
            let probes = of(Method::POST).len();
            world.at(60_150).await;
            assert_eq!(of(Method::POST)[probes..], [ms(60_000)]);
            assert_eq!(world.entry("east").state, State::Fresh);
        })
        .await;
    }
}
