//! What a region's answers say of its quota reaches those that spare it.

use std::sync::Mutex;

use crate::harness::{Proxy, region};
use crate::raw::RawRegion;

#[test]
fn every_answer_tells_what_the_region_allows_for_the_deployment() {
    let answers = [
        "200 OK\r\nx-ratelimit-limit-requests: 450\r\nx-ratelimit-limit-tokens: 90000",
        "200 OK",
        "200 OK\r\nx-ratelimit-limit-requests: -1",
        "429 T\r\nx-ratelimit-limit-requests: 10",
    ];
    let told = [(450, 90_000), (450, 90_000), (450, 90_000), (10, 90_000)];
    let left = Mutex::new(answers.into_iter());
    let telling = RawRegion::start(move |_, connection| {
        let head = left.lock().unwrap().next().unwrap();
        connection.send(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n"));
    });
    let proxy = Proxy::tuned(&[region("telling", &telling.url())], |settings| {
        settings.metric_deployments = vec!["gpt-4o".into()];
        settings.attempts = 1;
    });
    for (requests, tokens) in told {
        proxy.ask(
            "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
             content-length: 2\r\n\r\n{}",
        );
        let vitals = |deployment| &proxy.table.ranking(deployment).order[0].vitals;
        assert_eq!(vitals(Some("gpt-4o")).allowed(), (Some(requests), Some(tokens)));
        assert_eq!(vitals(None).allowed(), (None, None), "other deployments have other quotas");
    }
}
