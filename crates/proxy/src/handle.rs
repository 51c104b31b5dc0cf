//! A request's way through Nearway: the steps in order, one line each.
//!
//! Each step returns the value that the next one takes, so none can be skipped. Errors leave through
//! `refuse`, and `settle` keeps the account from the first line to the last byte.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use nearway_route::{Plan, Ranking};
use nearway_upstream::{Fault, FaultKind, Limits, Reply, Transport};
use nearway_wire::headers::upgrade_requested;
use nearway_wire::retry_hint::retry_hint;
use tokio_util::task::TaskTracker;

use crate::admit::admit;
use crate::attempt::Original;
use crate::choose::choose;
use crate::client_io::Busy;
use crate::hold_body::{Readied, hold_body, refusal};
use crate::identify::{Identity, identify};
use crate::refuse::Tried;
use crate::relay::relay;
use crate::retry::{Facts, Step, next_step};
use crate::settle::Settle;
use crate::tunnel::tunnel;
use crate::worker::{Context, wall_clock};
use crate::{ClientBody, Refusal, Settings, Target, Timeouts};

/// Answers one request; never fails.
pub(crate) async fn handle<T: Transport>(
    context: Rc<Context<T>>,
    tasks: TaskTracker,
    busy: Busy,
    mut request: Request<Incoming>,
) -> Result<Response<ClientBody>, Infallible> {
    let client = upgrade_requested(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    let (method, uri) = (request.method(), request.uri());
    let mut settle = Settle::begin(context.shared.clone(), context.prepared(), busy, method, uri);
    Ok(match answer(&context, request, &mut settle).await {
        Ok((reply, identity)) => pass_on(reply, &identity, client, settle, &tasks),
        Err(refusal) => {
            settle.refused(refusal.status(), refusal.code());
            refusal.respond()
        }
    })
}

async fn answer<T: Transport>(
    context: &Context<T>,
    request: Request<Incoming>,
    settle: &mut Settle,
) -> Result<(Reply, Identity), Refusal> {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let (parts, incoming) = request.into_parts();
    let mut identity = identify(&parts)?;
    let admitted = admit(parts, settings)?;
    let began = settle.elapsed();
    let Readied { outgoing, model } = hold_body(&admitted, &identity, incoming, settings).await?;
    if let Some(field) = &model {
        identity.deployment = Some(field.name.as_str().into());
    }
    settle.body_read(settle.elapsed().saturating_sub(began), admitted.length);
    settle.identified(&identity);
    let table = context.table();
    let ranking = table.ranking(identity.deployment.as_deref()).clone();
    let mut original = Original::new(identity, admitted, outgoing, model);
    let reply = first_answer(context, &ranking, &mut original, settings, settle).await?;
    Ok((reply, original.identity))
}

/// Tries region after region until one answers, or the plan, the bound or the law ends it.
async fn first_answer<T: Transport>(
    context: &Context<T>,
    ranking: &Ranking,
    original: &mut Original,
    settings: &Settings,
    settle: &mut Settle,
) -> Result<Reply, Refusal> {
    let mut plan = Plan::new();
    let mut tried: Vec<Tried> = Vec::new();
    let mut last = None;
    while settle.attempts() < settings.attempts {
        let chosen = choose(&mut plan, ranking, context.now(), &original.identity, settings);
        let Some(choice) = chosen else { break };
        let Some(target) = settings.regions.get(choice.place) else { break };
        if let Some(previous) = tried.last() {
            settle.failing_over(previous, target.region.name());
        }
        settle.attempting(&choice);
        let Asked { reply, verdict } = ask(context, target, original, settings, settle).await?;
        let Some((kind, step)) = verdict else { return reply.ok_or_else(|| nowhere(original)) };
        tried.push(Tried { region: target.region.name().clone(), kind });
        last = reply;
        if step == Step::GiveUp {
            break;
        }
    }
    match last {
        // nobody did better: what the last region said is the answer
        Some(reply) => Ok(reply),
        None if tried.is_empty() => Err(nowhere(original)),
        None => Err(Refusal::Unreachable(tried)),
    }
}

/// What came of asking one region.
struct Asked {
    reply: Option<Reply>,
    /// What was wrong and what follows; `None`: nothing.
    verdict: Option<(FaultKind, Step)>,
}

/// Asks one region, again on a fresh connection if a used one turns out to be dead.
async fn ask<T: Transport>(
    context: &Context<T>,
    target: &Target,
    original: &mut Original,
    settings: &Settings,
    settle: &mut Settle,
) -> Result<Asked, Refusal> {
    let mut facts = Facts {
        creates_state: original.identity.operation.creates_state(&original.admitted.method),
        own_credential: target.region.credential().is_some(),
        freshened: false,
    };
    loop {
        let asked = settle.elapsed();
        let outcome = match limits(&settings.timeouts, asked) {
            Some(limits) => original.attempt(&context.transport, target, limits).await,
            None => Err(Fault::unsent(FaultKind::TotalTimeout, "no time left")),
        };
        settle.waited(settle.elapsed().saturating_sub(asked));
        let (reply, fault) = match outcome {
            Err(fault) => (None, fault),
            Ok(reply) => match Fault::from_status(reply.response.status()) {
                None => return Ok(Asked { reply: Some(reply), verdict: None }),
                Some(fault) => (Some(reply), fault),
            },
        };
        let mut step = next_step(&fault, facts);
        if step != Step::GiveUp || reply.is_none() {
            let repeatable = original.can_repeat().await.map_err(|how| refusal(how, settings))?;
            if !repeatable {
                step = Step::GiveUp;
            }
        }
        if step == Step::SameRegion {
            facts.freshened = true;
            continue;
        }
        let headers = reply.as_ref().map(|reply| reply.response.headers());
        settle.blame(&fault, headers.and_then(|headers| retry_hint(headers, None, wall_clock())));
        return Ok(Asked { reply, verdict: Some((fault.kind, step)) });
    }
}

/// What one attempt may take of the time that is left; `None` when there is none.
fn limits(timeouts: &Timeouts, elapsed: Duration) -> Option<Limits> {
    let left = timeouts.total.saturating_sub(elapsed);
    let limits = Limits { connect: timeouts.connect.min(left), head: timeouts.head.min(left) };
    (!left.is_zero()).then_some(limits)
}

/// The region's answer in the form that the client asked for.
fn pass_on(
    reply: Reply,
    identity: &Identity,
    client: Option<OnUpgrade>,
    settle: Box<Settle>,
    tasks: &TaskTracker,
) -> Response<ClientBody> {
    match client {
        Some(client) if reply.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            tunnel(reply, client, settle, tasks)
        }
        _ => relay(reply, identity.operation, settle),
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
