//! A request's way through Nearway: the steps in order, one line each.
//!
//! Each step returns the value that the next one takes, so none can be skipped. Errors leave through
//! `refuse`, and `settle` keeps the account from the first line to the last byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use nearway_upstream::{Interim, Reply, Transport};
use nearway_wire::headers::upgrade_requested;
use tokio_util::task::TaskTracker;

use crate::admit::admit;
use crate::attempt::Original;
use crate::authenticate::{authenticate, authorize};
use crate::belong::Before;
use crate::client_io::Busy;
use crate::ephemeral::EphemeralKey;
use crate::first_answer::{first_answer, look_up};
use crate::greet::{greet, greeting};
use crate::hold_body::Means;
use crate::identify::{LastTarget, identify, names_more};
use crate::lists::{is_merged, merged_list};
use crate::relay::relay;
use crate::settle::Settle;
use crate::tunnel::tunnel;
use crate::worker::Context;
use crate::{ClientBody, Refusal};

/// Answers one request; never fails. Interim answers of regions go to `interim`.
///
/// Whatever needs no waiting is done before the future exists, and what is large is boxed, the future
/// too: they are moved, and each layer that awaits another holds a copy of what it was given.
pub(crate) fn handle<T: Transport + 'static>(
    context: Rc<Context<T>>,
    tasks: TaskTracker,
    busy: Busy,
    interim: Option<Interim>,
    mut request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<ClientBody>, Infallible>>>> {
    let upgrade = upgrade_requested(request.headers());
    let mut client = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
    let (method, uri) = (request.method(), request.uri());
    let mut settle = Settle::begin(context.shared.clone(), context.prepared(), busy, method, uri);
    let original = read(request, upgrade, interim, &context.last_target, &mut settle);
    Box::pin(async move {
        let answer = match original {
            Ok(mut original) => {
                if let Some(greeting) = original.greeting.take()
                    && let Some(client) = client.take()
                {
                    return Ok(greet(context, original, (greeting, client), settle, &tasks));
                }
                let answer = answer(&context, &mut original, &mut settle).await;
                if let Some(interim) = &original.interim {
                    interim.close();
                }
                answer.map(|reply| {
                    let Original { identity, admitted, .. } = &*original;
                    let learner = settle.shows_owner(identity, &admitted.method, &reply.response);
                    (reply, identity.operation, learner)
                })
            }
            Err(refusal) => Err(refusal),
        };
        Ok(match answer {
            Ok((reply, operation, learner)) => match client {
                Some(client) if reply.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    tunnel(reply, client, settle, &tasks)
                }
                _ => relay(reply, operation, learner, settle),
            },
            Err(refusal) => {
                settle.refused(refusal.status(), refusal.code());
                let attempts = settle.attempts_header();
                refusal.respond(attempts)
            }
        })
    })
}

fn read(
    request: Request<Incoming>,
    upgrade: Option<HeaderValue>,
    interim: Option<Interim>,
    last: &LastTarget,
    settle: &mut Settle,
) -> Result<Box<Original>, Refusal> {
    let (parts, body) = request.into_parts();
    let mut identity = identify(&parts, last)?;
    let settings = settle.prepared().settings.clone();
    identity.ephemeral = EphemeralKey::of(&parts, identity.operation);
    identity.client = match &identity.ephemeral {
        Some(key) => {
            identity.bonds.named.push(key.named());
            key.client(&settle.shared().minted, &settings)?
        }
        None => authenticate(&parts, &settings)?,
    };
    settle.authenticated(identity.client);
    identity.session = settings.affinity.and_then(|_| settle.affinity().session(&parts.headers));
    identity.names_more = settings.go_by_name(&identity) && names_more(&parts, &identity);
    let mut admitted = admit(parts, upgrade, &settings)?;
    let greeting = greeting(&mut identity, &mut admitted, !body.is_end_stream(), &settings)?;
    let mut original = Original::new(identity, admitted, body, interim);
    original.greeting = greeting;
    Ok(original)
}

async fn answer<T: Transport>(
    context: &Context<T>,
    original: &mut Original,
    settle: &mut Settle,
) -> Result<Box<Reply>, Refusal> {
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    let began = settle.elapsed();
    let (replay, affinity) = (&context.replay, &*context.shared.affinity);
    if original.hold_body(Means { settings, replay, affinity }).await? {
        context.shared.state.unread();
    }
    let elapsed = settle.elapsed();
    settle.body_read(elapsed.saturating_sub(began), original.admitted.length);
    ask(context, original, settle, elapsed).await
}

/// Asks for what is known by now, be it from a body or from the first message of a session, when so much
/// has elapsed.
pub(crate) async fn ask<T: Transport>(
    context: &Context<T>,
    original: &mut Original,
    settle: &mut Settle,
    elapsed: Duration,
) -> Result<Box<Reply>, Refusal> {
    settle.identified(&original.identity);
    let prepared = settle.prepared().clone();
    let settings = &*prepared.settings;
    authorize(&original.identity, settings)?;
    let table = context.table();
    let (transport, everywhere) = (&context.transport, table.ranking(None));
    if is_merged(original, settings) {
        return Box::pin(merged_list(transport, everywhere, original, settle)).await;
    }
    let ranking = table.ranking(original.identity.deployment.as_deref());
    let mut elapsed = elapsed;
    // each answer leaves one less to be asked for
    for _ in 0..=original.identity.bonds.named.len() {
        let Before::Ask { place, path, first } = original.belong(settings, settle)? else { break };
        Box::pin(look_up(transport, ranking, original, (place, path, first), settle)).await?;
        elapsed = settle.elapsed();
    }
    first_answer(transport, ranking, original, settle, elapsed).await
}
