//! One request to a region, from its head to the beginning of its answer.
//!
//! Called by `serve.rs` for each request. Reads top to bottom: count it, obey the mode, answer
//! raw routes, then the API. An error of hyper's service type cuts the connection.

use std::future::pending;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::api;
use crate::api::errors::ApiError;
use crate::api::operation::Operation;
use crate::api::route::Route;
use crate::body::{Cut, RegionBody};
use crate::digest::Digest;
use crate::exchange::Exchange;
use crate::faults::Mode;
use crate::raw;
use crate::region::Region;
use crate::ticket::Ticket;

/// Answers a request, or cuts its connection where the mode says so.
pub(crate) async fn handle(
    region: Arc<Region>,
    request: Request<Incoming>,
) -> Result<Response<RegionBody>, Cut> {
    let (mut head, mut body) = request.into_parts();
    let route = Route::read(&head.uri);
    let ticket = Ticket::take(&region, route.operation.as_str(), &head);
    let mut exchange = Exchange::begin(&region, &ticket, route);
    match exchange.world.mode {
        Mode::Refuse => return Err(ticket.cut()),
        Mode::CutHead => {
            drain(&mut body).await;
            return Err(ticket.cut());
        }
        Mode::Blackhole => {
            drain(&mut body).await;
            return pending().await;
        }
        Mode::Up | Mode::CutBody | Mode::Stall | Mode::ErrorEvent => {}
    }
    let answered = match exchange.route.operation {
        Operation::Raw => raw::answer(&mut exchange, &mut head, body, &ticket).await,
        Operation::Realtime if exchange.route.rest.is_empty() => {
            api::realtime::open(&mut exchange, &mut head).await
        }
        Operation::Responses if api::realtime::wants_socket(&head) => {
            api::realtime::take_turns(&mut exchange, &mut head).await
        }
        _ => match collect(body, &ticket).await {
            Ok(body) => api::answer(&mut exchange, &head, body).await,
            Err(error) => Err(error),
        },
    };
    let mut response = answered.unwrap_or_else(|error| {
        if error.is_not_here() {
            ticket.not_here(exchange.route.operation.as_str(), &head.method);
        }
        error.answer(&mut exchange)
    });
    exchange.stamp(&mut response);
    Ok(ticket.answer(response))
}

/// The whole body, measured. The bound is what an upload to the simulator may hold in memory;
/// larger bodies go to `/sim/sink`.
async fn collect(mut body: Incoming, ticket: &Ticket) -> Result<Bytes, ApiError> {
    let mut digest = Digest::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::BodyCut)?;
        if let Ok(chunk) = frame.into_data() {
            if whole.len() + chunk.len() > BODY_MOST {
                return Err(ApiError::BodyTooLarge);
            }
            digest.feed(&chunk);
            whole.extend_from_slice(&chunk);
        }
    }
    ticket.read(digest.finish());
    Ok(whole.freeze())
}

async fn drain(body: &mut Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

const BODY_MOST: usize = 64 * 1024 * 1024;
