//! One attempt on its way: to its region, away from one that has fallen silent, and to a second one
//! too if the first content is late and that is wanted.

use std::time::Duration;

use nearway_upstream::{Fault, Limits, Reply, Transport};
use tokio::time::timeout;

use super::{FirstEventWait, Search, limits, silent};
use crate::Target;
use crate::race::race;

impl<T: Transport> Search<'_, T> {
    /// Sends the request to its region, and to the next one too if the first content is late.
    pub(super) async fn send(
        &mut self,
        target: &Target,
        limits: Limits,
        wait: FirstEventWait,
    ) -> Result<Box<Reply>, Fault> {
        match wait.hedge_after {
            Some(after) if self.original.can_be_hedged() => {
                Box::pin(self.send_hedged(target, limits, after)).await
            }
            _ => {
                let silence = self.settle.silence();
                let attempt = self.original.attempt(self.transport, target, limits);
                if wait.is_last {
                    return attempt.await;
                }
                tokio::select! {
                    biased;
                    outcome = attempt => outcome,
                    () = silence => Err(silent()),
                }
            }
        }
    }

    async fn send_hedged(
        &mut self,
        target: &Target,
        limits: Limits,
        after: Duration,
    ) -> Result<Box<Reply>, Fault> {
        let (prepared, transport) = (self.prepared.clone(), self.transport);
        let request = self.original.request_to(target)?;
        let interim = self.original.interim.clone();
        let first = transport.send(&target.region, request, limits, interim.as_ref());
        let mut first = Box::pin(first);
        let after = after.max(HEDGE_AFTER_MIN);
        if let Ok(outcome) = timeout(after, &mut first).await {
            return outcome;
        }
        let Some((place, limits)) = self.second() else { return first.await };
        let Some(target) = prepared.settings.regions.get(place) else { return first.await };
        let request = self.original.request_to(target)?;
        let second = transport.send(&target.region, request, limits, interim.as_ref());
        let is_good = |outcome: &Result<Box<Reply>, Fault>| {
            let status = outcome.as_ref().map(|reply| reply.response.status());
            status.is_ok_and(|status| Fault::from_status(status).is_none())
        };
        let (winner, outcome) = race(first, second, is_good).await;
        self.settle.hedged(winner, after);
        outcome
    }

    /// Chooses the region that is asked beside the one that is late.
    fn second(&mut self) -> Option<(usize, Limits)> {
        if !self.original.wants_stream() || self.original.creates_state() {
            return None;
        }
        let elapsed = self.settle.elapsed();
        let limits = limits(&self.prepared.settings.timeouts, self.deadline, elapsed)?;
        let choice = self.choose(elapsed)?;
        let place = choice.place;
        self.settle.hedging(choice, elapsed).then_some((place, limits))
    }
}

/// However fast a region is, no second one is asked before this: the network has its jitter.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);
