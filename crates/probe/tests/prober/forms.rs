//! Models that do not take the first form of request (API fact sheet 8.1).

use nearway_probe::Settings;
use nearway_route::State;

use crate::harness::{Act, Seen, ms, settings, with_prober};

const NO_MAX_TOKENS: &str = concat!(
    r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model."#,
    r#" Use 'max_completion_tokens' instead.","type":"invalid_request_error","#,
    r#""param":"max_tokens","code":"unsupported_parameter"}}"#
);

fn reasoning_model(seen: &Seen) -> Act {
    if seen.body.contains("\"max_tokens\"") {
        return Act::Refuse(400, NO_MAX_TOKENS, &[]);
    }
    Act::Answer(ms(100))
}

#[tokio::test(start_paused = true)]
async fn a_reasoning_model_is_adapted_to_once() {
    let settings = Settings { samples: 2, ..settings(&[(1, "east")]) };
    with_prober(settings.clone(), reasoning_model, |world| async move {
        world.at(25_000).await;
        let refused = |seen: &Seen| seen.body.contains("\"max_tokens\"");
        let seen: Vec<_> = world.regions.seen().iter().map(refused).collect();
        assert_eq!(seen, [true, false, false, false, false, false, false]);
        // adapting is no failure, and only the form that is taken is measured
        let east = world.entry("east");
        assert_eq!((east.samples, east.failures, east.score), (6, 0, Some(ms(100))));

        // a reload forgets nothing about a region that stays
        world.reloads.send(Settings { generation: 2, ..settings }).await.unwrap();
        world.at(30_500).await;
        let probes = world.regions.seen();
        assert_eq!(probes.len(), 9);
        assert!(!probes.last().is_some_and(refused));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn thinking_until_the_limit_is_alive() {
    let message = concat!(
        r#"{"error":{"message":"Could not finish the message because max_tokens or model output"#,
        r#" limit was reached. Please try again with higher max_tokens.","#,
        r#""type":"invalid_request_error","param":null,"code":null}}"#
    );
    let script = move |_: &Seen| Act::Refuse(400, message, &[]);
    with_prober(settings(&[(1, "east")]), script, |world| async move {
        world.at(100).await;
        let east = world.entry("east");
        assert_eq!((east.state, east.failures), (State::Fresh, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_refuses_every_form_fails_and_ends() {
    with_prober(
        settings(&[(1, "east")]),
        |_| Act::Refuse(400, NO_MAX_TOKENS, &[]),
        |world| async move {
            world.at(100).await;
            let east = world.entry("east");
            assert_eq!((east.state, east.samples), (State::Down, 1));
            assert_eq!(east.last_error.unwrap().reason, "rejected");
            assert!(world.regions.seen().len() <= 8, "{}", world.regions.seen().len());
        },
    )
    .await;
}
