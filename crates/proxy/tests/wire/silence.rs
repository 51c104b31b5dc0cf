//! A region that stops to answer everybody is left, and whoever waits there is rescued.

use std::time::Duration;

use crate::harness::{Proxy, Region, region};
use crate::raw::{Client, RawRegion};

const CHAT: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                    content-length: 2\r\n\r\n{}";

const STREAM: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                      content-length: 15\r\n\r\n{\"stream\":true}";

/// What each of several clients gets that ask at the same time.
fn asked_at_once(silent: &RawRegion, request: &str, clients: usize) -> Vec<(u16, String)> {
    let good = RawRegion::named("good");
    let regions = [region("silent", &silent.url()), region("good", &good.url())];
    answers_of(&regions, request, clients, None)
}

fn answers_of(
    regions: &[Region],
    request: &str,
    clients: usize,
    hedge_share: Option<f64>,
) -> Vec<(u16, String)> {
    let proxy = Proxy::tuned(regions, |settings| {
        settings.hedge_share = hedge_share;
        settings.metric_deployments = vec!["gpt-4o".into()];
        // longer than a test is patient
        settings.timeouts.head = Duration::from_secs(60);
        settings.timeouts.total = Duration::from_secs(60);
    });
    let mut clients: Vec<Client> = (0..clients).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| client.send(request));
    let answers = clients.iter_mut().map(Client::response);
    answers.map(|answer| (answer.status(), answer.text().to_owned())).collect()
}

#[test]
fn who_waits_for_a_head_is_rescued() {
    let silent = RawRegion::start(|_, _| {});
    let answers = asked_at_once(&silent, CHAT, 6);
    assert!(answers.iter().all(|(status, text)| *status == 200 && text == "good"), "{answers:?}");
}

#[test]
fn who_waits_for_the_end_of_a_short_answer_is_rescued() {
    let stalling = RawRegion::start(|_, connection| {
        connection.send(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{\"a\":",
        );
    });
    let answers = asked_at_once(&stalling, CHAT, 6);
    assert!(answers.iter().all(|(status, text)| *status == 200 && text == "good"), "{answers:?}");
}

#[test]
fn who_may_not_be_hedged_is_rescued_all_the_same() {
    // no stream, and more streams than a worker may hedge
    for (request, clients) in [(CHAT, 6), (STREAM, 30)] {
        let (silent, good) = (RawRegion::start(|_, _| {}), RawRegion::named("good"));
        let regions = [region("silent", &silent.url()), region("good", &good.url())];
        let answers = answers_of(&regions, request, clients, Some(0.0));
        assert!(answers.iter().all(|(_, text)| text == "good"), "{answers:?}");
    }
}

#[test]
fn who_waits_for_two_silent_regions_is_rescued() {
    let (one, two) = (RawRegion::start(|_, _| {}), RawRegion::start(|_, _| {}));
    let good = RawRegion::named("good");
    let regions = [region("1", &one.url()), region("2", &two.url()), region("3", &good.url())];
    let answers = answers_of(&regions, STREAM, 6, Some(1.0));
    assert!(answers.iter().all(|(status, text)| *status == 200 && text == "good"), "{answers:?}");
    assert_eq!(two.seen().len(), 6, "all were hedged");
}
