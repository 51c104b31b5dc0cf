//! What must act on the very next request: requests in flight, deadlines, the circuit breaker.
//!
//! Atomics, shared by all tables and all workers, so that they outlive a table swap and need no
//! lock. One per (region, deployment) and one per region; both are found in the table's entries.
//! The values are independent of each other, so relaxed ordering suffices throughout.
//!
//! What belongs to which: a cool-down, a quota, what is lacking and the faults of an answer to the
//! (region, deployment); a refused credential and the faults of a connection to the region.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    allowance::Allowance,
    breaker::Breaker,
    deadline::Deadline,
    lack::{LACKS, Lack},
    moment::Moment,
    pending::{Pending, Pends},
    refusals::Refusals,
    silence::{Awaited, Silence, Waiting},
};

/// The moving state of one (region, deployment), or of one region.
#[derive(Debug, Default)]
pub struct Vitals {
    in_flight: AtomicU32,
    /// Requests so far; wraps around.
    sent: AtomicU32,
    refusals: Refusals,
    allowance: Allowance,
    /// By [`Awaited`].
    silences: [Silence; 3],
    pending: Pending,
    breaker: Breaker,
    cooled: Deadline,
    nearly_spent: Deadline,
    unauthorized: Deadline,
    /// By [`Lack::place`].
    lacks: [Deadline; LACKS],
    /// Whether many deployments share these: what one of them lacks, another may have.
    of_many: bool,
}

impl Vitals {
    /// Those of all deployments together that have none of their own.
    pub(crate) fn of_many() -> Self {
        Self { of_many: true, ..Self::default() }
    }

    /// Counts one request in until the guard is dropped, which a cancelled request does too.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.sent.fetch_add(1, Relaxed);
        InFlight { vitals: Arc::clone(self) }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// A request begins to wait for the head of its answer.
    pub fn wait(self: &Arc<Self>, now: Moment) -> Waiting {
        Waiting::begin(Arc::clone(self), Awaited::Head, now)
    }

    /// A request was sent at `now` that is expected to take so long to its first content, or to its
    /// end if it does not stream.
    pub fn pend(self: &Arc<Self>, now: Moment, expected: Duration) -> Pends {
        Pends::begin(Arc::clone(self), now, expected)
    }

    pub(crate) const fn pending(&self) -> &Pending {
        &self.pending
    }

    pub(crate) const fn silence(&self, awaited: Awaited) -> &Silence {
        let [head, first_token, end] = &self.silences;
        match awaited {
            Awaited::Head => head,
            Awaited::FirstToken => first_token,
            Awaited::End => end,
        }
    }

    /// Whether it has stopped to answer: several requests wait, and none was answered for much longer
    /// than the slowest of late took. `usual` is what an answer takes where none is known of late.
    pub fn is_silent(&self, usual: Option<Duration>, now: Moment) -> bool {
        self.silences.iter().any(|silence| silence.has_fallen(usual, now))
    }

    /// How requests have ended here, and whether that leaves it fit for more.
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Sends no request here before `until` while there is another choice. Of two deadlines, here
    /// and below, the later one holds.
    pub fn cool_until(&self, until: Moment) {
        self.cooled.extend(until);
    }

    /// The region refused a request for a quota and asks for this `pause`: cools down so long, or longer
    /// where it refuses again after few requests, up to `most`.
    pub fn refused(&self, now: Moment, pause: Duration, most: Duration) {
        // the others that were under way at the first refusal say the same once more
        let is_first = self.cooled_for(now).is_none();
        let times = if is_first { self.refusals.again(self.sent.load(Relaxed)) } else { 1 };
        self.cool_until(now + pause.saturating_mul(times).min(most.max(pause)));
    }

    /// How long the cool-down still lasts; `None` when there is none. Never `Some(ZERO)`.
    pub fn cooled_for(&self, now: Moment) -> Option<Duration> {
        self.cooled.left(now)
    }

    /// Ends the cool-down, whatever its deadline.
    pub fn lift(&self) {
        self.cooled.lift();
    }

    /// The quota is nearly used up until then: others come first.
    pub fn nearly_spent_until(&self, until: Moment) {
        self.nearly_spent.extend(until);
    }

    /// How long the quota counts as nearly used up; `None` when it does not.
    pub fn nearly_spent_for(&self, now: Moment) -> Option<Duration> {
        self.nearly_spent.left(now)
    }

    /// An answer told how many requests and tokens the region allows in a minute for this deployment, each
    /// if it did. Those that many deployments share learn nothing: each has a quota of its own.
    pub fn allow(&self, requests: Option<u64>, tokens: Option<u64>) {
        if !self.of_many {
            self.allowance.tell(requests, tokens);
        }
    }

    /// What the newest answers told of that.
    pub fn allowed(&self) -> (Option<u64>, Option<u64>) {
        self.allowance.told()
    }

    /// The region refused Nearway's own credential: it is out until then, or until a probe is
    /// answered. For the vitals of a region.
    pub fn unauthorized_until(&self, until: Moment) {
        self.unauthorized.extend(until);
    }

    /// How long the region counts as refusing; `None` when it does not.
    pub fn unauthorized_for(&self, now: Moment) -> Option<Duration> {
        self.unauthorized.left(now)
    }

    /// The credential is accepted after all.
    pub(crate) fn authorized(&self) {
        self.unauthorized.lift();
    }

    /// The region does not have this until then. For the vitals of a (region, deployment); those
    /// that many deployments share learn nothing, since a client may ask for any name.
    pub fn lack_until(&self, lack: Lack, until: Moment) {
        if !self.of_many
            && let Some(deadline) = self.lacks.get(lack.place())
        {
            deadline.extend(until);
        }
    }

    /// How long an operation counts as lacking, with the deployment it belongs to or on its own;
    /// `None` when it does not.
    pub fn lacks_for(&self, lack: Lack, now: Moment) -> Option<Duration> {
        let left = |lack: Lack| self.lacks.get(lack.place()).and_then(|lacks| lacks.left(now));
        left(Lack::DEPLOYMENT).max(left(lack))
    }

    /// All that is lacking, and for how long still.
    pub fn lacking(&self, now: Moment) -> impl Iterator<Item = (Lack, Duration)> {
        Lack::all().zip(&self.lacks).filter_map(move |(lack, until)| Some((lack, until.left(now)?)))
    }

    /// The deployment is there after all. Of its operations that says nothing.
    pub(crate) fn has_deployment(&self) {
        if let Some(deadline) = self.lacks.get(Lack::DEPLOYMENT.place()) {
            deadline.lift();
        }
    }
}

/// One request in flight; counts itself out when dropped.
#[derive(Debug)]
#[must_use = "the request counts as over as soon as this is dropped"]
pub struct InFlight {
    vitals: Arc<Vitals>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.vitals.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn a_request_is_in_flight_until_its_guard_is_dropped() {
        let vitals = Arc::new(Vitals::default());
        let first = vitals.enter();
        let second = vitals.enter();
        assert_eq!(vitals.in_flight(), 2);
        drop(first);
        assert_eq!(vitals.in_flight(), 1);
        drop(second);
        assert_eq!(vitals.in_flight(), 0);
    }

    #[test]
    fn one_that_refuses_again_at_once_cools_down_for_longer() {
        let vitals = Arc::new(Vitals::default());
        let refused = |now| {
            vitals.refused(at(now), Duration::from_nanos(100), Duration::from_nanos(300));
            vitals.cooled_for(at(now)).map(|left| left.as_nanos())
        };
        assert_eq!([0, 0, 50].map(refused), [Some(100), Some(100), Some(100)], "one refusal");
        assert_eq!([150, 400].map(refused), [Some(200), Some(300)], "bounded");
        (0..100).for_each(|_| drop(vitals.enter()));
        assert_eq!(refused(800), Some(200));
    }

    #[test]
    fn each_deadline_stands_for_itself() {
        let vitals = Vitals::default();
        vitals.cool_until(at(100));
        vitals.nearly_spent_until(at(200));
        vitals.unauthorized_until(at(300));
        let seen = || {
            let now = at(50);
            let left = [vitals.cooled_for(now), vitals.nearly_spent_for(now)];
            [left[0], left[1], vitals.unauthorized_for(now)]
                .map(|left| left.map(|one| one.as_nanos()))
        };
        assert_eq!(seen(), [Some(50), Some(150), Some(250)]);
        vitals.lift();
        vitals.authorized();
        assert_eq!(seen(), [None, Some(150), None]);
    }

    #[test]
    fn what_lacks_its_deployment_lacks_every_operation() {
        let (vitals, now) = (Vitals::default(), Moment::ZERO);
        let (chat, speech) = (Lack::operation(0), Lack::operation(6));
        vitals.lack_until(speech, at(100));
        assert_eq!(vitals.lacks_for(chat, now), None);
        assert_eq!(vitals.lacks_for(speech, now), Some(Duration::from_nanos(100)));

        vitals.lack_until(Lack::DEPLOYMENT, at(60));
        assert_eq!(vitals.lacks_for(chat, now), Some(Duration::from_nanos(60)));
        assert_eq!(vitals.lacks_for(speech, now), Some(Duration::from_nanos(100)));
        assert_eq!(vitals.lacking(at(60)).map(|(lack, _)| lack).collect::<Vec<_>>(), [speech]);

        vitals.has_deployment();
        assert_eq!(vitals.lacking(now).map(|(lack, _)| lack).collect::<Vec<_>>(), [speech]);
    }

    #[test]
    fn what_many_share_learns_of_no_lack() {
        let vitals = Vitals::of_many();
        vitals.lack_until(Lack::DEPLOYMENT, at(60));
        assert_eq!(vitals.lacking(Moment::ZERO).count(), 0);
    }

    #[test]
    fn each_deployment_has_an_allowance_of_its_own() {
        let told = |vitals: &Vitals| {
            vitals.allow(Some(9), Some(1_000));
            vitals.allowed()
        };
        assert_eq!(told(&Vitals::default()), (Some(9), Some(1_000)));
        assert_eq!(told(&Vitals::of_many()), (None, None));
    }

    #[test]
    fn counts_from_many_threads_add_up() {
        let vitals = Arc::new(Vitals::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| drop(vitals.enter())));
            }
        });
        assert_eq!(vitals.in_flight(), 0);
    }
}
