//! One attempt on its way: to its region, away from one that has fallen silent, and to a second one
//! too if it is stuck, or if the first content is late and that is wanted.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::Either;
use nearway_upstream::{Fault, Limits, Reply, Transport};
use nearway_wire::retry_hint::retry_hint;
use tokio::time::sleep;

use super::{FirstEventWait, Search, limits, refuses_own_key, silent};
use crate::Target;
use crate::budgets::Beside;
use crate::choose::choose_good;
use crate::hold_first::{BadStart, begun};
use crate::race::{Raced, Winner, race};
use crate::refuse::Tried;
use crate::retry::{Facts, Step, blamed, next_step};
use crate::worker::wall_clock;

type Outcome = Result<Box<Reply>, Fault>;

/// A result that is no answer: what the region said all the same, and what was wrong.
pub(super) type Bad = (Option<Box<Reply>>, Fault);

impl<'a, T: Transport> Search<'a, T> {
    /// Sends the request to its region, and to the next one too if that is late or stuck.
    pub(super) async fn send(
        &mut self,
        target: &Target,
        limits: Limits,
        wait: FirstEventWait,
    ) -> Outcome {
        let Some((beside, late)) = self.late(wait) else {
            let silence = self.silence();
            let attempt = pin!(self.original.attempt(self.transport, target, limits));
            return unless_silent(attempt, silence).await;
        };
        let transport = self.transport;
        let request = self.original.request_to(target)?;
        let interim = self.original.interim.clone();
        let first = transport.send(&target.region, request, limits, interim.as_ref());
        let mut first = pin!(unless_silent(first, self.silence()));
        tokio::select! {
            biased;
            outcome = &mut first => return outcome,
            () = late => {}
        }
        Box::pin(self.send_beside(first, beside)).await
    }

    async fn send_beside(
        &mut self,
        mut first: Pin<&mut impl Future<Output = Outcome>>,
        beside: Beside,
    ) -> Outcome {
        let (prepared, transport) = (self.prepared.clone(), self.transport);
        let (place, limits) = loop {
            match self.second(beside) {
                Some(second) => break second,
                None if beside == Beside::Hedge => return first.await,
                None => tokio::select! {
                    biased;
                    outcome = &mut first => return outcome,
                    () = self.settle.next_look() => {}
                },
            }
        };
        let Some(target) = prepared.settings.regions.get(place) else { return first.await };
        let after = self.settle.elapsed().saturating_sub(self.settle.began());
        let silence = self.silence();
        let second = Box::pin(self.original.attempt(transport, target, limits));
        let Raced { winner, result, lost } =
            race(first, unless_silent(second, silence), is_good).await;
        let cancelled = lost.is_none();
        if let Some(outcome) = lost {
            self.lost(winner, with_status(outcome), place);
        }
        self.settle.hedged(winner, after, cancelled);
        result
    }

    /// The same for one whose head is here while its answer does not begin: the second attempt brings
    /// one that has. `Ok(None)`: the first one has begun.
    ///
    /// # Errors
    /// How the first one began, if the second one did no better.
    pub(super) async fn begin_beside(
        &mut self,
        mut first: impl Future<Output = Result<(), BadStart>> + Unpin,
        patience: Duration,
    ) -> Result<Option<Box<Reply>>, BadStart> {
        let (prepared, transport) = (self.prepared.clone(), self.transport);
        let (place, limits) = loop {
            match self.second(Beside::Rescue) {
                Some(second) => break second,
                None => tokio::select! {
                    biased;
                    begun = &mut first => return begun.map(|()| None),
                    () = self.settle.next_look() => {}
                },
            }
        };
        let Some(target) = prepared.settings.regions.get(place) else {
            return first.await.map(|()| None);
        };
        let first = async { first.await.map(|()| None).map_err(|bad| (None, bad)) };
        let bad = |(reply, fault)| (reply, BadStart { fault, is_answer: false });
        let second = async {
            let reply = self.original.attempt(transport, target, limits).await;
            begun(with_status(reply).map_err(bad)?, patience).await.map(Some).map_err(bad)
        };
        let Raced { winner, result, lost } = race(first, Box::pin(second), Result::is_ok).await;
        let cancelled = lost.is_none();
        if let Some(Err((reply, bad))) = lost {
            self.lost(winner, Err((reply, bad.fault)), place);
        }
        self.settle.hedged(winner, Duration::ZERO, cancelled);
        result.map_err(|(_, bad)| bad)
    }

    /// Ends when it is time to ask a second region too; `None` if that is not wanted.
    fn late(
        &self,
        wait: FirstEventWait,
    ) -> Option<(Beside, impl Future<Output = ()> + use<'a, T>)> {
        if !self.original.can_go_twice() {
            return None;
        }
        let is_stream = self.original.identity.shape.streams;
        let hedge_after = wait.hedge_after.filter(|_| is_stream);
        let stuck = if hedge_after.is_none() { self.stuck() } else { None };
        let beside = if hedge_after.is_some() { Beside::Hedge } else { Beside::Rescue };
        let late = match (hedge_after, stuck) {
            (Some(after), _) => Either::Left(sleep(after.max(HEDGE_AFTER_MIN))),
            (None, Some(stuck)) => Either::Right(stuck),
            (None, None) => return None,
        };
        Some((beside, late))
    }

    /// Ends when the region that is asked is stuck with the request; `None` if nobody else may be asked
    /// meanwhile.
    pub(super) fn stuck(&self) -> Option<impl Future<Output = ()> + use<'a, T>> {
        let wanted = self.prepared.settings.rescue && self.plan.attempts() < self.most;
        if wanted && self.original.can_go_twice() { self.settle.stuck(self.ranking) } else { None }
    }

    /// Ends when the region that was asked last has fallen silent; `None` if there is no other one.
    fn silence(&self) -> Option<impl Future<Output = ()> + use<T>> {
        (!self.is_last()).then(|| self.settle.silence())
    }

    /// Chooses the region that is asked beside the one that is late or stuck.
    fn second(&mut self, beside: Beside) -> Option<(usize, Limits)> {
        if self.original.creates_state() || self.attempts() >= self.prepared.settings.attempts {
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
        let allowed = self.settle.asking_beside(choice, beside, elapsed);
        if allowed {
            self.plan = plan;
        }
        allowed.then_some((place, limits))
    }

    /// The attempt that did not win was bad: that is its region's as it would be without the other.
    /// `beside` is the place of the second one.
    fn lost(&mut self, winner: Winner, outcome: Result<Box<Reply>, Bad>, beside: usize) {
        let prepared = self.prepared.clone();
        let first = self.settle.place().unwrap_or(beside);
        let place = if winner == Winner::First { beside } else { first };
        let Some(target) = prepared.settings.regions.get(place) else { return };
        let Err((reply, fault)) = outcome else { return };
        let headers = reply.as_ref().map(|reply| reply.response.headers());
        let hint = headers.and_then(|headers| retry_hint(headers, None, wall_clock()));
        let own_credential = self.original.shows_own_key(target);
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

/// The reply, unless its status is a fault.
fn with_status(outcome: Outcome) -> Result<Box<Reply>, Bad> {
    let reply = outcome.map_err(|fault| (None, fault))?;
    match Fault::from_status(reply.response.status()) {
        Some(fault) => Err((Some(reply), fault)),
        None => Ok(reply),
    }
}

fn is_good(outcome: &Outcome) -> bool {
    let status = outcome.as_ref().map(|reply| reply.response.status());
    status.is_ok_and(|status| Fault::from_status(status).is_none())
}

/// However fast a region is, no second one is asked before this: the network has its jitter.
const HEDGE_AFTER_MIN: Duration = Duration::from_millis(50);
