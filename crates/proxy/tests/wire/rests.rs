//! How long a deployment is left alone that refuses without saying for how long (429).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nearway_route::Cooldown;
use tokio::time::Instant;

use crate::harness::{Proxy, region};
use crate::raw::{RawRegion, eventually};

const CHAT: &str = "POST /openai/deployments/d/chat/completions HTTP/1.1\r\nhost: a\r\n\
                    content-length: 2\r\n\r\n{}";

/// A region that comes first and refuses while the switch is on, before one that serves.
struct Scene {
    refuses: Arc<AtomicBool>,
    first: RawRegion,
    _second: RawRegion,
    proxy: Proxy,
    /// When the request was sent that was refused last.
    refused: Instant,
}

impl Scene {
    /// The first request is refused.
    fn start(cooldown: Cooldown) -> Self {
        let refuses = Arc::new(AtomicBool::new(true));
        let is_on = refuses.clone();
        let first = RawRegion::start(move |_, connection| match is_on.load(Ordering::Relaxed) {
            true => connection.send("HTTP/1.1 429 T\r\ncontent-length: 0\r\n\r\n"),
            false => connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"),
        });
        let second = RawRegion::named("second");
        let regions = [region("first", &first.url()), region("second", &second.url())];
        let proxy = Proxy::tuned(&regions, |settings| settings.cooldown = cooldown);
        let refused = Instant::now();
        assert_eq!(proxy.ask(CHAT).text(), "second");
        Self { refuses, first, _second: second, proxy, refused }
    }

    /// How long it takes from the last refusal until the region is asked again.
    fn rest(&mut self) -> Duration {
        let before = self.first.seen().len();
        let since = self.refused;
        eventually("it is asked again", || {
            self.refused = Instant::now();
            assert_eq!(self.proxy.ask(CHAT).status(), 200);
            self.first.seen().len() > before
        });
        Instant::now() - since
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn each_further_refusal_is_followed_by_a_longer_rest_up_to_the_cap() {
    let mut scene = Scene::start(Cooldown { default: ms(100), cap: ms(300) });
    let rests = [(); 4].map(|()| scene.rest());
    for (rest, least) in rests.into_iter().zip([100, 200, 300, 300]) {
        assert!(rest >= ms(least), "{rests:?}");
    }
    // without a cap it would be eight times as long
    assert!(rests[3] < ms(800), "{rests:?}");
}

#[test]
fn a_region_that_serves_again_for_a_while_rests_no_longer_than_at_first() {
    let mut scene = Scene::start(Cooldown { default: ms(300), cap: ms(60_000) });
    assert!(scene.rest() >= ms(300));
    scene.refuses.store(false, Ordering::Relaxed);
    assert!(scene.rest() >= ms(600));
    for _ in 0..40 {
        assert_eq!(scene.proxy.ask(CHAT).text(), "first");
    }
    scene.refuses.store(true, Ordering::Relaxed);
    scene.refused = Instant::now();
    assert_eq!(scene.proxy.ask(CHAT).text(), "second");
    // and not twice as long as the last one
    let rest = scene.rest();
    assert!((ms(300)..ms(1_200)).contains(&rest), "{rest:?}");
}
