//! Watches over a request that waits: futures that end when its region answers nobody any more, or keeps it
//! for much too long.

use std::future::pending;
use std::time::Duration;

use nearway_route::{Entry, Moment, Ranking, Wait};
use tokio::time::{Instant, sleep_until};

use super::Settle;

impl Settle {
    /// Ends when the region that was asked last has stopped to answer anybody.
    pub(crate) fn silence(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        let hedge = self.hedge.as_ref().map(|(attempt, _)| attempt);
        let attempt = hedge.or(self.current.as_ref());
        let watched = attempt.map(|attempt| (attempt.vitals.clone(), attempt.slowest));
        async move {
            let Some((vitals, usual)) = watched else { return pending().await };
            loop {
                shared.look.notified().await;
                if vitals.is_silent(usual, Moment::from(shared.clock.now())) {
                    return;
                }
            }
        }
    }

    /// Ends when the region that is asked keeps the request for much too long; `None` where nothing tells
    /// what is too long.
    pub(crate) fn stuck<'t>(
        &self,
        ranking: &'t Ranking,
    ) -> Option<impl Future<Output = ()> + use<'t>> {
        let (attempt, shape) = (self.current.as_ref()?, self.shape);
        let expected = attempt.expected?;
        let region = self.prepared.settings.regions.get(attempt.place)?.id;
        let typical = ranking.lead(shape.class())?.typical;
        let is_asked = |entry: &&Entry| entry.region == region;
        let entry = ranking.order.iter().find(is_asked)?;
        let (shared, sent) = (self.shared.clone(), attempt.sent);
        Some(async move {
            let so_far = || shared.clock.now().saturating_sub(sent);
            let began = Instant::now();
            let [first, second] = Wait::looks(expected).map(|look| {
                let left = look.saturating_sub(so_far());
                // a wait that can't be told is none that ends
                began.checked_add(left).unwrap_or_else(|| began + FOREVER)
            });
            sleep_until(first).await;
            loop {
                let wait = Wait { expected, so_far: so_far().as_secs_f64() * 1_000.0 };
                let now = Moment::from(shared.clock.now());
                if entry.is_stuck(wait, shape, &typical, now) {
                    return;
                }
                tokio::select! {
                    () = shared.look.notified() => {}
                    () = sleep_until(second), if Instant::now() < second => {}
                }
            }
        })
    }

    /// Ends with the worker's next look.
    pub(crate) fn next_look(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move { shared.look.notified().await }
    }
}

/// Longer than any request lasts.
const FOREVER: Duration = Duration::from_secs(1 << 30);
