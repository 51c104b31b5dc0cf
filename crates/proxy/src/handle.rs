//! A request's way through Nearway: the steps in order, one line each.
//!
//! Each step returns the value that the next one takes, so none can be skipped. Errors leave through
//! `refuse`, and `settle` keeps the account from the first line to the last byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use nearway_route::{Plan, Ranking};
use nearway_upstream::{Fault, FaultKind, Interim, Limits, Reply, Transport};
use nearway_wire::endpoint::Operation;
use nearway_wire::headers::upgrade_requested;
use nearway_wire::retry_hint::retry_hint;
use tokio_util::task::TaskTracker;

use crate::admit::admit;
use crate::attempt::Original;
use crate::choose::choose;
use crate::client_io::Busy;
use crate::hold_body::refusal;
use crate::hold_first::{BadStart, hold_first, is_readable_stream, patience};
use crate::identify::{LastTarget, identify};
use crate::refuse::Tried;
use crate::relay::relay;
use crate::retry::{Facts, Step, blamed, next_step};
use crate::settle::Settle;
use crate::tunnel::tunnel;
use crate::worker::{Context, wall_clock};
use crate::{ClientBody, Refusal, Target, Timeouts};

/// Answers one request; never fails. Interim answers of regions go to `interim`.
///
/// Whatever needs no waiting is done before the future exists, and what is large is boxed, the future
/// too: they are moved, and each layer that awaits another holds a copy of what it was given.
pub(crate) fn handle<T: Transport>(
    context: Rc<Context<T>>,
    tasks: TaskTracker,
    busy: Busy,
    interim: Option<Interim>,
    mut request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<ClientBody>, Infallible>>>> {
    let upgrade = upgrade_requested(request.headers());
    let client = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
    let (method, uri) = (request.method(), request.uri());
    let mut settle = Settle::begin(context.shared.clone(), context.prepared(), busy, method, uri);
    let original = read(request, upgrade, interim, &context.last_target, &settle);
    Box::pin(async move {
        let answer = match original {
            Ok(mut original) => {
                let answer = answer(&context, &mut original, &mut settle).await;
                if let Some(interim) = &original.interim {
                    interim.close();
                }
                answer.map(|reply| (reply, original.identity.operation))
            }
            Err(refusal) => Err(refusal),
        };
        Ok(match answer {
            Ok((reply, operation)) => pass_on(reply, operation, client, settle, &tasks),
            Err(refusal) => {
                settle.refused(refusal.status(), refusal.code());
                refusal.respond()
            }
        })
    })
}

fn read(
    request: Request<Incoming>,
    upgrade: Option<HeaderValue>,
    interim: Option<Interim>,
    last: &LastTarget,
    settle: &Settle,
) -> Result<Box<Original>, Refusal> {
    let (parts, body) = request.into_parts();
    let identity = identify(&parts, last)?;
    let admitted = admit(parts, upgrade, &settle.prepared().settings)?;
    Ok(Original::new(identity, admitted, body, interim))
}

async fn answer<T: Transport>(
    context: &Context<T>,
    original: &mut Original,
    settle: &mut Settle,
) -> Result<Box<Reply>, Refusal> {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let began = settle.elapsed();
    original.hold_body(settings).await?;
    let elapsed = settle.elapsed();
    settle.body_read(elapsed.saturating_sub(began), original.admitted.length);
    settle.identified(&original.identity);
    let table = context.table();
    let ranking = table.ranking(original.identity.deployment.as_deref());
    first_answer(&context.transport, ranking, original, settle, elapsed).await
}

/// Tries region after region until one answers, or the plan, the bound or the law ends it.
async fn first_answer<T: Transport>(
    transport: &T,
    ranking: &Ranking,
    original: &mut Original,
    settle: &mut Settle,
    mut elapsed: Duration,
) -> Result<Box<Reply>, Refusal> {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let mut plan = Plan::new();
    let mut tried: Vec<Tried> = Vec::new();
    let mut last = None;
    if elapsed >= settings.timeouts.total {
        return Err(Refusal::OutOfTime(settings.timeouts.total));
    }
    while settle.attempts() < settings.attempts {
        let now = settle.moment(elapsed);
        let chosen = choose(&mut plan, ranking, now, &original.identity, settings);
        let Some(choice) = chosen else { break };
        let Some(target) = settings.regions.get(choice.place) else { break };
        if let Some(previous) = tried.last() {
            settle.failing_over(previous, target.region.name());
        }
        let tries = usize::try_from(settings.attempts).unwrap_or(usize::MAX);
        let wait = FirstEventWait {
            patience: patience(choice.slowest, &settings.timeouts),
            is_last: plan.attempts() >= ranking.order.len().min(tries),
        };
        settle.attempting(choice, elapsed);
        match ask(transport, target, original, settle, wait).await? {
            Ok(reply) => return Ok(reply),
            Err(Failed { reply, kind, step }) => {
                tried.push(Tried { region: target.region.name().clone(), kind });
                last = reply;
                if step == Step::GiveUp {
                    break;
                }
            }
        }
        elapsed = settle.elapsed();
    }
    match last {
        // nobody did better: what the last region said is the answer
        Some(reply) => Ok(reply),
        None if tried.is_empty() => Err(nowhere(original)),
        None => Err(Refusal::Unreachable(tried)),
    }
}

/// A region that was asked in vain: what was wrong, and what follows.
struct Failed {
    /// What the region itself said, if it said anything.
    reply: Option<Box<Reply>>,
    kind: FaultKind,
    step: Step,
}

/// How a stream's first event is waited for.
#[derive(Clone, Copy)]
struct FirstEventWait {
    patience: Duration,
    /// There is no other region to ask.
    is_last: bool,
}

/// Asks one region, again on a fresh connection if a used one turns out to be dead.
async fn ask<T: Transport>(
    transport: &T,
    target: &Target,
    original: &mut Original,
    settle: &mut Settle,
    wait: FirstEventWait,
) -> Result<Result<Box<Reply>, Failed>, Refusal> {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let mut elapsed = settle.began();
    let mut facts = Facts {
        creates_state: original.identity.operation.creates_state(&original.admitted.method),
        own_credential: target.region.credential().is_some(),
        freshened: false,
    };
    loop {
        let outcome = match limits(&settings.timeouts, elapsed) {
            Some(limits) => original.attempt(transport, target, limits).await,
            None => Err(Fault::unsent(FaultKind::TotalTimeout, "no time left")),
        };
        let (mut reply, fault) = match outcome {
            Ok(reply) => {
                settle.waited(reply.timing.until_head());
                match Fault::from_status(reply.response.status()) {
                    None if facts.creates_state
                        || !settings.hold_first_event
                        || !is_readable_stream(&reply) =>
                    {
                        return Ok(Ok(reply));
                    }
                    None => match first_event(reply, wait, settle).await {
                        Ok(reply) => return Ok(Ok(reply)),
                        Err(bad) => bad,
                    },
                    Some(fault) => (Some(reply), fault),
                }
            }
            Err(fault) => {
                settle.waited(settle.elapsed().saturating_sub(elapsed));
                (None, fault)
            }
        };
        let mut step = next_step(&fault, facts);
        if step != Step::GiveUp || reply.is_none() {
            let repeatable = Box::pin(original.can_repeat(reply.as_deref_mut())).await;
            let repeatable = repeatable.map_err(|how| refusal(how, settings))?;
            if !repeatable {
                step = Step::GiveUp;
            }
        }
        if step == Step::SameRegion {
            facts.freshened = true;
            elapsed = settle.elapsed();
            continue;
        }
        let headers = reply.as_ref().map(|reply| reply.response.headers());
        let hint = headers.and_then(|headers| retry_hint(headers, None, wall_clock()));
        settle.blame(&fault, blamed(&fault, facts), hint);
        if fault.kind == FaultKind::Unauthorized && facts.own_credential {
            // it would read as if the client's key were wrong (API fact sheet 4.3)
            reply = None;
        }
        return Ok(Err(Failed { reply, kind: fault.kind, step }));
    }
}

/// The reply once its stream has begun, or the fault that came instead, and the reply if it is one.
async fn first_event(
    mut reply: Box<Reply>,
    wait: FirstEventWait,
    settle: &mut Settle,
) -> Result<Box<Reply>, (Option<Box<Reply>>, Fault)> {
    let before = settle.elapsed();
    let held = Box::pin(hold_first(&mut reply, wait.patience, wait.is_last)).await;
    settle.waited(settle.elapsed().saturating_sub(before));
    match held {
        Ok(()) => Ok(reply),
        Err(BadStart { fault, is_answer }) => Err((is_answer.then_some(reply), fault)),
    }
}

/// What one attempt may take of the time that is left; `None` when there is none.
fn limits(timeouts: &Timeouts, elapsed: Duration) -> Option<Limits> {
    let left = timeouts.total.saturating_sub(elapsed);
    let (connect, head) = (timeouts.connect.min(left), timeouts.head.min(left));
    (!left.is_zero()).then_some(Limits { connect, head, total: left })
}

/// The region's answer in the form that the client asked for.
fn pass_on(
    reply: Box<Reply>,
    operation: Operation,
    client: Option<OnUpgrade>,
    settle: Box<Settle>,
    tasks: &TaskTracker,
) -> Response<ClientBody> {
    match client {
        Some(client) if reply.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            tunnel(reply, client, settle, tasks)
        }
        _ => relay(reply, operation, settle),
    }
}

fn nowhere(original: &Original) -> Refusal {
    let identity = &original.identity;
    match (&identity.pin, &identity.deployment) {
        (Some(pin), _) => Refusal::UnknownRegion(pin.to_string()),
        (None, Some(deployment)) => Refusal::NoRegion(deployment.to_string()),
        (None, None) => Refusal::NoRegion("any".into()),
    }
}
