//! Capacity that is bought comes first and spills over: when it is full, throttled, or too small for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nearway_proxy::Settings;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, eventually};

const CHAT: &str = "POST /openai/deployments/gpt-4o/chat/completions HTTP/1.1\r\nhost: a\r\n\
                    content-length: 2\r\n\r\n{}";
const TOO_LONG: &str = r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#;

/// A proxy before regions that are all provisioned but the last, which is of the next tier.
fn tiered(regions: &[(&'static str, &RawRegion)], tune: impl FnOnce(&mut Settings)) -> Proxy {
    let made: Vec<_> = regions.iter().map(|(name, raw)| region(name, &raw.url())).collect();
    Proxy::tuned(&made, |settings| {
        let last = settings.regions.len() - 1;
        for (place, target) in settings.regions.iter_mut().enumerate() {
            target.provisioned = place != last;
            target.tier = u32::from(place == last);
        }
        tune(settings);
    })
}

fn saying(status: u16, body: &'static str) -> RawRegion {
    RawRegion::start(move |_, connection| {
        let length = body.len();
        connection.send(format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}"));
    })
}

#[test]
fn a_deployment_that_says_that_it_is_full_is_left_at_once_and_returned_to() {
    let full = Arc::new(AtomicBool::new(true));
    let is_full = full.clone();
    let ptu = RawRegion::start(move |_, connection| {
        let percent = if is_full.load(Ordering::SeqCst) { "100.0%" } else { "57.3%" };
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nazure-openai-deployment-utilization: {percent}\r\n\
             content-length: 3\r\n\r\nptu"
        ));
    });
    let spare = RawRegion::named("spare");
    let proxy = tiered(&[("ptu", &ptu), ("spare", &spare)], |settings| {
        // the longest that a word on quota is believed
        settings.cooldown.cap = Duration::from_millis(400);
    });
    assert_eq!(proxy.ask(CHAT).text(), "ptu");
    assert_eq!(proxy.ask(CHAT).text(), "spare");
    full.store(false, Ordering::SeqCst);
    eventually("it is asked again", || proxy.ask(CHAT).text() == "ptu");
    assert_eq!(proxy.ask(CHAT).text(), "ptu");
}

#[test]
fn a_throttled_tier_spills_over_within_the_request() {
    let ptu =
        RawRegion::answering("HTTP/1.1 429 T\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n");
    let spare = RawRegion::named("spare");
    let proxy = tiered(&[("ptu", &ptu), ("spare", &spare)], |_| {});
    for _ in 0..3 {
        assert_eq!(proxy.ask(CHAT).text(), "spare");
    }
    assert_eq!(ptu.seen().len(), 1);
}

#[test]
fn what_is_too_long_for_bought_capacity_goes_to_a_standard_deployment() {
    let (ptu, other) = (saying(400, TOO_LONG), saying(400, TOO_LONG));
    let spare = RawRegion::named("spare");
    let proxy = tiered(&[("ptu", &ptu), ("ptu2", &other), ("spare", &spare)], |_| {});
    for asked in 1..=2 {
        assert_eq!(proxy.ask(CHAT).text(), "spare");
        assert_eq!((ptu.seen().len(), other.seen().len()), (asked, 0), "held against nobody");
    }
}

#[test]
fn what_is_too_long_everywhere_gets_the_regions_own_answer() {
    let (ptu, spare) = (saying(400, TOO_LONG), saying(400, TOO_LONG));
    let proxy = tiered(&[("ptu", &ptu), ("spare", &spare)], |_| {});
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.status(), answer.text()), (400, TOO_LONG));
    assert_eq!((ptu.seen().len(), spare.seen().len()), (1, 1));

    let ptu = saying(400, TOO_LONG);
    let proxy = tiered(&[("ptu", &ptu), ("spare", &spare)], |settings| {
        settings.regions.truncate(1);
    });
    let answer = proxy.ask(CHAT);
    assert_eq!((answer.status(), answer.text()), (400, TOO_LONG));
    assert_eq!(answer.header("x-nearway-region"), Some("ptu"));
    assert_eq!(ptu.seen().len(), 1);
}

#[test]
fn another_400_stays_with_the_client() {
    let (ptu, spare) =
        (saying(400, r#"{"error":{"code":"content_filter"}}"#), RawRegion::named("x"));
    let proxy = tiered(&[("ptu", &ptu), ("spare", &spare)], |_| {});
    assert_eq!(proxy.ask(CHAT).status(), 400);
    assert!(spare.seen().is_empty());
}
