//! One attempt on its way: to its region, away from one that has fallen silent, and to a second one
//! too if the first content is late and that is wanted.

use std::pin::pin;
use std::time::Duration;

use nearway_upstream::{Fault, Limits, Reply, Transport};
use nearway_wire::retry_hint::retry_hint;
use tokio::time::timeout;

use super::{FirstEventWait, Search, limits, refuses_own_key, silent};
use crate::Target;
use crate::choose::choose_good;
use crate::race::{Raced, Winner, race};
use crate::refuse::Tried;
use crate::retry::{Facts, Step, blamed, next_step};
use crate::worker::wall_clock;

type Outcome = Result<Box<Reply>, Fault>;

impl<T: Transport> Search<'_, T> {
    /// Sends the request to its region, and to the next one too if the first content is late.
    pub(super) async fn send(
        &mut self,
        target: &Target,
        limits: Limits,
        wait: FirstEventWait,
    ) -> Outcome {
        match wait.hedge_after {
            Some(after) if self.original.can_be_hedged() => {
                Box::pin(self.send_hedged(target, limits, after)).await
            }
            _ => {
                let silence = self.silence();
                let attempt = pin!(self.original.attempt(self.transport, target, limits));
                unless_silent(attempt, silence).await
            }
        }
    }

    async fn send_hedged(&mut self, target: &Target, limits: Limits, after: Duration) -> Outcome {
        let (prepared, transport) = (self.prepared.clone(), self.transport);
        let request = self.original.request_to(target)?;
        let interim = self.original.interim.clone();
        let first = Box::pin(transport.send(&target.region, request, limits, interim.as_ref()));
        let mut first = pin!(unless_silent(first, self.silence()));
        let after = after.max(HEDGE_AFTER_MIN);
        if let Ok(outcome) = timeout(after, &mut first).await {
            return outcome;
        }
        let Some((place, limits)) = self.second() else { return first.await };
        let Some(beside) = prepared.settings.regions.get(place) else { return first.await };
        let silence = self.silence();
        let second = Box::pin(self.original.attempt(transport, beside, limits));
        let Raced { winner, result, lost } =
            race(first, unless_silent(second, silence), is_good).await;
        let cancelled = lost.is_none();
        if let Some(outcome) = lost {
            self.lost(winner, outcome, place);
        }
        self.settle.hedged(winner, after, cancelled);
        result
    }

    /// Ends when the region that was asked last has fallen silent; `None` if there is no other one.
    fn silence(&self) -> Option<impl Future<Output = ()> + use<T>> {
        (!self.is_last()).then(|| self.settle.silence())
    }

    /// Chooses the region that is asked beside the one that is late.
    fn second(&mut self) -> Option<(usize, Limits)> {
        if !self.original.wants_stream() || self.original.creates_state() {
            return None;
        }
        let elapsed = self.settle.elapsed();
        let limits = limits(&self.prepared.settings.timeouts, self.deadline, elapsed)?;
        let (settings, identity) = (&self.prepared.settings, &self.original.identity);
        // a region that is not asked in the end may still be the next one
        let mut plan = self.plan.clone();
        let now = self.settle.moment(elapsed);
        let choice = choose_good(&mut plan, self.ranking, now, identity, settings)?;
        let place = choice.place;
        let hedges = self.settle.hedging(choice, elapsed);
        if hedges {
            self.plan = plan;
        }
        hedges.then_some((place, limits))
    }

    /// The attempt that did not win was bad: that is its region's as it would be without the other.
    /// `beside` is the place of the second one.
    fn lost(&mut self, winner: Winner, outcome: Outcome, beside: usize) {
        let prepared = self.prepared.clone();
        let first = self.settle.place().unwrap_or(beside);
        let place = if winner == Winner::First { beside } else { first };
        let Some(target) = prepared.settings.regions.get(place) else { return };
        let (reply, fault) = match outcome {
            Ok(reply) => match Fault::from_status(reply.response.status()) {
                Some(fault) => (Some(reply), fault),
                None => return,
            },
            Err(fault) => (None, fault),
        };
        let headers = reply.as_ref().map(|reply| reply.response.headers());
        let hint = headers.and_then(|headers| retry_hint(headers, None, wall_clock()));
        let own_credential = target.region.credential().is_some();
        let facts = Facts { creates_state: false, own_credential, freshened: false };
        let (kind, step) = (fault.kind, next_step(&fault, facts));
        // a connection that died while it idled says nothing of its region
        if step != Step::SameRegion {
            self.settle.blame_loser(winner, &fault, blamed(&fault, facts), hint);
        }
        if let Some(reply) = reply.filter(|_| !refuses_own_key(kind, facts)) {
            self.last = Some((reply, place));
        }
        let (region, goes_on) = (target.region.name().clone(), step != Step::GiveUp);
        // what may create something is never sent to two regions at once
        self.tried.push(Tried { region, kind, hint, goes_on, may_have_created: false });
    }
}

/// What the attempt brings, unless its region falls silent before.
async fn unless_silent(
    attempt: impl Future<Output = Outcome>,
    silence: Option<impl Future<Output = ()>>,
) -> Outcome {
    let Some(silence) = silence else { return attempt.await };
    tokio::select! {
        biased;
        outcome = attempt => outcome,
        () = silence => Err(silent()),
    }
}

fn is_good(outcome: &Outcome) -> bool {
    let status = outcome.as_ref().map(|reply| reply.response.status());
    status.is_ok_and(|status| Fault::from_status(status).is_none())
}

/// However fast a region is, no second one is asked before this: the network has its jitter.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);
