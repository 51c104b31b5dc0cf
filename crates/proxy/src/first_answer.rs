//! Tries region after region until one answers, or the plan, a bound or the law ends it.
//!
//! `retry` holds the law; this asks it after each attempt, which `send` makes and `judge` looks at. The bounds: attempts, the time that the
//! client waits, and the worker's budget for retries. Only when no other region is left, and the
//! failure may pass, the same ones are asked again after a pause.

mod judge;
mod look_up;
mod send;
mod unknown;

pub(crate) use look_up::look_up;

use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use nearway_route::{Entry, Plan, Ranking};
use nearway_upstream::{Fault, FaultKind, Limits, Reply, Returned, Sent, Transport};
use nearway_wire::retry_hint::retry_hint;
use tokio::time::sleep;

use crate::attempt::Original;
use crate::choose::{Choice, choices, choose, fit_in, is_fenced_in, standing};
use crate::hold_body::refusal;
use crate::hold_first::patience;
use crate::refuse::Tried;
use crate::retry::{Facts, Step, blamed, may_pass, next_step};
use crate::say_when::{HINT_MAX, say_when};
use crate::settle::Settle;
use crate::worker::{Prepared, wall_clock};
use crate::{Refusal, Target, Timeouts};

/// The answer of the first region that has one for this request; else what the regions said
/// themselves, else a refusal that names each.
pub(crate) async fn first_answer<T: Transport>(
    transport: &T,
    ranking: &Ranking,
    original: &mut Original,
    settle: &mut Settle,
    elapsed: Duration,
) -> Result<Box<Reply>, Refusal> {
    let prepared = settle.prepared().clone();
    let timeouts = &prepared.settings.timeouts;
    let deadline = original.admitted.patience.map_or(timeouts.total, |own| own.min(timeouts.total));
    if elapsed >= deadline {
        return Err(Refusal::OutOfTime(deadline));
    }
    let now = settle.moment(elapsed);
    let plan = plan(original, prepared.settings.last_resort).at_home(settle.home(now));
    let tries = usize::try_from(prepared.settings.attempts).unwrap_or(usize::MAX);
    let most = choices(ranking, now, &original.identity, &prepared.settings);
    // a search ends with the last region, not with the last attempt
    let most = if original.identity.bonds.searches { most } else { most.min(tries) };
    let (before, tried, last, wrong) = (settle.attempts(), Vec::new(), None, None);
    let mut search = Search {
        transport,
        original,
        settle,
        prepared,
        ranking,
        plan,
        most,
        deadline,
        before,
        tried,
        last,
        wrong,
    };
    search.refuse_early(elapsed)?;
    search.run(elapsed).await
}

fn plan(original: &Original, last_resort: bool) -> Plan {
    Plan::new(original.identity.lack(), last_resort)
        .sent_once(original.may_create_state())
        .of(original.identity.shape)
}

/// One request's way from region to region.
struct Search<'a, T> {
    transport: &'a T,
    original: &'a mut Original,
    settle: &'a mut Settle,
    prepared: Rc<Prepared>,
    ranking: &'a Ranking,
    plan: Plan,
    /// Regions that are asked at most before the same ones are asked again.
    most: usize,
    /// When the attempts must be over, since the request came.
    deadline: Duration,
    /// Attempts that were made for the request before this.
    before: u32,
    tried: Vec<Tried>,
    /// What a region that was asked in vain said itself, and its place.
    last: Option<(Box<Reply>, usize)>,
    /// What the first region said, and its place, that does not know what the request names.
    wrong: Option<(Box<Reply>, usize)>,
}

/// How a stream's first event is waited for.
#[derive(Clone, Copy)]
struct FirstEventWait {
    /// From here on a second region is asked beside this one.
    hedge_after: Option<Duration>,
    patience: Duration,
}

/// A region that was asked in vain: what was wrong, and what follows.
struct Failed {
    reply: Option<Box<Reply>>,
    kind: FaultKind,
    hint: Option<Duration>,
    step: Step,
    may_have_created: bool,
}

impl<T: Transport> Search<'_, T> {
    async fn run(&mut self, mut elapsed: Duration) -> Result<Box<Reply>, Refusal> {
        let prepared = self.prepared.clone();
        let settings = &*prepared.settings;
        let deployment = self.original.identity.deployment.as_deref();
        let fixed = deployment.and_then(|name| settings.first_token_of.get(name).copied());
        while self.attempts() < settings.attempts && elapsed < self.deadline {
            let Some(choice) = self.choose(elapsed) else {
                let Some(pause) = self.pause(elapsed) else { break };
                sleep(pause).await;
                self.settle.waited(pause);
                elapsed = self.settle.elapsed();
                self.plan = plan(self.original, settings.last_resort);
                continue;
            };
            let wait = FirstEventWait {
                hedge_after: choice.slowest.filter(|_| settings.hedge_share.is_some()),
                patience: patience(fixed, choice.slowest, settings.timeouts.first_token),
            };
            if let Some(reply) = self.attempt(choice, wait, elapsed).await? {
                return Ok(reply);
            }
            elapsed = self.settle.elapsed();
            let Some(last) = self.tried.last().filter(|last| last.goes_on) else { break };
            if !self.is_wrong(last.kind) && !self.settle.may_retry(elapsed) {
                break;
            }
        }
        self.nobody(elapsed >= self.deadline)
    }

    /// How many regions have failed or may still answer: one that only says that another is meant costs
    /// none.
    fn attempts(&self) -> u32 {
        let wrong = self.tried.iter().filter(|tried| self.is_wrong(tried.kind));
        let wrong = u32::try_from(wrong.count()).unwrap_or(u32::MAX);
        self.settle.attempts().saturating_sub(self.before).saturating_sub(wrong)
    }

    fn choices(&self, elapsed: Duration) -> usize {
        let now = self.settle.moment(elapsed);
        choices(self.ranking, now, &self.original.identity, &self.prepared.settings)
    }

    fn choose(&mut self, elapsed: Duration) -> Option<Choice> {
        let now = self.settle.moment(elapsed);
        let settings = &self.prepared.settings;
        choose(&mut self.plan, self.ranking, now, &self.original.identity, settings)
    }

    /// Whether there is no other region to ask.
    fn is_last(&self) -> bool {
        self.plan.attempts() >= self.most || self.original.may_create_state()
    }

    /// Asks one region; `None`: in vain.
    async fn attempt(
        &mut self,
        choice: Choice,
        wait: FirstEventWait,
        elapsed: Duration,
    ) -> Result<Option<Box<Reply>>, Refusal> {
        let prepared = self.prepared.clone();
        let place = choice.place;
        let Some(target) = prepared.settings.regions.get(place) else { return Ok(None) };
        if let Some(previous) = self.tried.last() {
            self.settle.failing_over(previous, place, target.region.name());
        }
        self.settle.attempting(choice, elapsed);
        let Failed { reply, kind, hint, step, may_have_created } =
            match self.ask(target, wait).await? {
                Ok(reply) => return Ok(Some(reply)),
                Err(failed) => failed,
            };
        // a second region may have been asked meanwhile
        let place = self.settle.place().unwrap_or(place);
        let asked = prepared.settings.regions.get(place).unwrap_or(target);
        let region = asked.region.name().clone();
        let goes_on = step != Step::GiveUp;
        self.tried.push(Tried { region, kind, hint, goes_on, may_have_created });
        match reply {
            Some(reply) if kind == FaultKind::UnknownObject => self.is_elsewhere(reply, place),
            Some(reply) => self.last = Some((reply, place)),
            None => {}
        }
        Ok(None)
    }

    /// Before the same regions are asked again; `None`: that would be in vain.
    fn pause(&self, elapsed: Duration) -> Option<Duration> {
        let last = self.tried.last()?;
        let throttled = self.tried.iter().any(|tried| tried.kind == FaultKind::Throttled);
        // nobody else will answer, and the client should know
        let is_bound = self.original.identity.bonds.only.is_some() || self.wrong.is_some();
        if !last.goes_on || throttled || is_bound || !may_pass(last.kind) {
            return None;
        }
        let failed = self.settle.attempts().saturating_sub(1);
        let pause = self.prepared.settings.backoff.jittered(failed, fastrand::u64(..));
        let then = elapsed + pause;
        (then < self.deadline && self.choices(then) > 0).then_some(pause)
    }

    /// Asks one region, again on a fresh connection if a used one turns out to be dead.
    async fn ask(
        &mut self,
        target: &Target,
        wait: FirstEventWait,
    ) -> Result<Result<Box<Reply>, Failed>, Refusal> {
        let prepared = self.prepared.clone();
        let settings = &*prepared.settings;
        let mut elapsed = self.settle.began();
        let mut facts = Facts {
            // looked at only when it matters
            creates_state: false,
            own_credential: self.original.shows_own_key(target),
            freshened: false,
        };
        loop {
            let outcome = match limits(&settings.timeouts, self.deadline, elapsed) {
                Some(limits) => self.send(target, limits, wait).await,
                None => Err(Fault::unsent(FaultKind::TotalTimeout, "no time left")),
            };
            let (mut reply, fault) = match outcome {
                Ok(reply) => {
                    self.settle.waited(reply.timing.until_head());
                    self.settle.quota(reply.response.headers());
                    match self.judge(reply, wait).await {
                        Ok(reply) => return Ok(Ok(reply)),
                        Err(bad) => bad,
                    }
                }
                Err(fault) => {
                    self.settle.waited(self.settle.elapsed().saturating_sub(elapsed));
                    (None, fault)
                }
            };
            let mut step = next_step(&fault, facts);
            if step != Step::GiveUp || reply.is_none() {
                let repeatable = Box::pin(self.original.can_repeat(reply.as_deref_mut())).await;
                if !repeatable.map_err(|how| refusal(how, settings))? {
                    step = Step::GiveUp;
                } else if self.original.creates_state() {
                    facts.creates_state = true;
                    step = next_step(&fault, facts);
                }
            }
            if step == Step::SameRegion {
                facts.freshened = true;
                elapsed = self.settle.elapsed();
                continue;
            }
            let headers = reply.as_ref().map(|reply| reply.response.headers());
            let hint = headers.and_then(|headers| retry_hint(headers, None, wall_clock()));
            self.settle.blame(&fault, blamed(&fault, facts), hint);
            if refuses_own_key(fault.kind, facts) {
                reply = None;
            }
            let may_have_created = step == Step::GiveUp
                && fault.sent != Sent::Nothing
                && self.original.creates_state();
            return Ok(Err(Failed { reply, kind: fault.kind, hint, step, may_have_created }));
        }
    }

    /// How long until a region may serve this request: as those say that were asked, and for the others
    /// as far as is known.
    fn soonest(&self, tried: &[Tried]) -> Option<Duration> {
        let (settings, identity) = (&self.prepared.settings, &self.original.identity);
        let now = self.settle.moment(self.settle.elapsed());
        let spoke = |entry: &Entry| {
            tried.iter().any(|tried| tried.hint.is_some() && *tried.region == *entry.name)
        };
        let others = fit_in(self.ranking, now, identity, settings, spoke);
        let others = others.map(|others| others.max(AT_ONCE));
        let asked = tried.iter().filter_map(|tried| tried.hint);
        let asked = asked.map(|hint| if hint.is_zero() { AT_ONCE } else { hint });
        asked.chain(others).min()
    }

    /// No region did better: what one of them said is the answer, else Nearway's own.
    fn nobody(&mut self, time_is_up: bool) -> Result<Box<Reply>, Refusal> {
        let tried = std::mem::take(&mut self.tried);
        if let Some(wrong) = self.wrong.take() {
            return self.unknown(wrong, &tried);
        }
        match self.last.take() {
            Some((mut reply, place)) => {
                self.settle.answering_from(place);
                if asks_for_patience(&reply)
                    && let Some(soonest) = self.soonest(&tried)
                {
                    say_when(reply.response.headers_mut(), soonest);
                }
                Ok(reply)
            }
            None if tried.is_empty() => Err(self.nowhere()),
            None if self.original.identity.bonds.only.is_some() => Err(self.owner_failed(tried)),
            None if time_is_up => Err(Refusal::TimeIsUp(tried)),
            None => Err(Refusal::Unreachable(tried)),
        }
    }

    /// No region could be asked at all.
    fn nowhere(&self) -> Refusal {
        let (identity, settings) = (&self.original.identity, &self.prepared.settings);
        let now = self.settle.moment(self.settle.elapsed());
        let (out, back_in) = standing(self.ranking, now, identity, settings);
        match (&identity.pin, &identity.deployment) {
            _ if !out.is_empty() => Refusal::AllOut { out, back_in },
            (Some(pin), _) => Refusal::UnknownRegion(pin.to_string()),
            (None, deployment) if is_fenced_in(identity, settings) => {
                Refusal::FencedIn(deployment.as_deref().unwrap_or("any").to_owned())
            }
            (None, Some(deployment)) => Refusal::NoRegion(deployment.to_string()),
            (None, None) => Refusal::NoRegion("any".into()),
        }
    }
}

/// Whether the client is told when to come back: of a 429, and where it is asked to wait for longer
/// than SDKs do.
fn asks_for_patience(reply: &Reply) -> bool {
    let (status, headers) = (reply.response.status(), reply.response.headers());
    let too_long = || retry_hint(headers, None, wall_clock()).is_some_and(|hint| hint > HINT_MAX);
    status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && too_long())
}

/// Such an answer is never the client's: it would read as if its own key were wrong (API fact sheet
/// 4.3).
fn refuses_own_key(kind: FaultKind, facts: Facts) -> bool {
    kind == FaultKind::Unauthorized && facts.own_credential
}

/// What one attempt may take of the time that is left; `None` when there is none.
fn limits(timeouts: &Timeouts, deadline: Duration, elapsed: Duration) -> Option<Limits> {
    let left = deadline.saturating_sub(elapsed);
    let Timeouts { connect, tls, head, write, .. } = *timeouts;
    (!left.is_zero()).then_some(Limits { connect, tls, head, write, total: left })
}

/// A region that answers nobody: its requests are better off elsewhere than at the end of a timeout.
fn silent() -> Fault {
    let detail = "several requests wait there and none is answered".into();
    let (sent, returned) = (Sent::All, Returned::Nothing);
    Fault { kind: FaultKind::HeadTimeout, sent, returned, reused: false, detail }
}

/// Where a region may be asked at once, the client is asked back after this: the budget for retries
/// may be used up.
const AT_ONCE: Duration = Duration::from_secs(1);
