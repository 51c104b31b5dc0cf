//! What a handler works with: the world at the request's arrival, its delays, its random numbers.
//!
//! Made by `handle.rs`. Handlers ask it to admit the request, to wait, and to make the answer;
//! the mode that breaks answers is obeyed here, so that no handler has to know it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::api::errors::ApiError;
use crate::api::headers;
use crate::api::route::Route;
use crate::body::{Due, Paced, Piece, RegionBody, whole};
use crate::deployment::Deployment;
use crate::faults::Mode;
use crate::latency::{self, Conditions, Delays};
use crate::region::Region;
use crate::throttle::Admission;
use crate::ticket::Ticket;
use crate::world::RegionWorld;

/// One request and the world as it was when the request came.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) region: Arc<Region>,
    pub(crate) world: Arc<RegionWorld>,
    pub(crate) route: Route,
    pub(crate) rng: Rng,
    /// Of the answer; nothing before [`Exchange::admit`].
    pub(crate) delays: Delays,
    /// The request's, from 1.
    number: u64,
    /// Objects that the request has made so far.
    made: u32,
    arrived: Instant,
    elapsed: Duration,
    others_in_flight: u32,
    /// Tokens of a chat's prompt; 0 before it is read, and for all else.
    pub(crate) prompt: u32,
    served_by: Option<String>,
    admission: Option<Admission>,
}

impl Exchange {
    pub(crate) fn begin(region: &Arc<Region>, ticket: &Ticket, route: Route) -> Self {
        Self {
            region: region.clone(),
            world: region.world(),
            route,
            rng: region.rng(ticket.number()),
            delays: Delays::default(),
            number: ticket.number(),
            made: 0,
            arrived: Instant::now(),
            elapsed: region.clock.elapsed(),
            others_in_flight: ticket.others_in_flight(),
            prompt: 0,
            served_by: None,
            admission: None,
        }
    }

    /// Lets the request in: waits for the head's time, then meets scripted failures and the
    /// throttle.
    pub(crate) async fn admit(&mut self, deployment: Option<&Deployment>) -> Result<(), ApiError> {
        let world = self.world.clone();
        let conditions = Conditions {
            elapsed: self.elapsed,
            repeat: self.region.repeat,
            in_flight: self.others_in_flight,
            prompt: self.prompt,
            deployment,
        };
        self.delays = latency::delays(&world, conditions, &mut self.rng);
        let failure = latency::failure(&world, conditions, &mut self.rng);
        self.until(self.delays.head).await;
        if let Some(status) = failure {
            return Err(ApiError::Scripted { status });
        }
        let name = deployment.map_or("", |deployment| deployment.name.as_str());
        self.served_by = deployment.map(|deployment| deployment.name.clone());
        let admission =
            self.region.windows.with(|windows| windows.admit(world.throttle, name, self.elapsed));
        self.admission = Some(admission);
        match (admission, world.throttle) {
            (Admission::Refused { wait }, Some(throttle)) => {
                let wait = throttle.retry_after_ms.map_or(wait, Duration::from_millis);
                Err(ApiError::Throttled { wait, hint: throttle.hint })
            }
            _ => Ok(()),
        }
    }

    /// Waits the time to the head of an answer that no model makes.
    pub(crate) async fn network(&self) {
        self.until(latency::network(&self.world)).await;
    }

    /// Waits until so long after the arrival of the request.
    pub(crate) async fn until(&self, after: Duration) {
        sleep_until(self.arrived + after).await;
    }

    /// A new id, such as `chatcmpl-4Fh…`; unlike any of another region or request.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        let random = std::iter::repeat_with(|| self.rng.alphanumeric()).take(ID_CHARS);
        prefix.chars().chain(random).collect()
    }

    /// A new id of an object that is kept. It tells nothing of the region, but ids of one region
    /// sort by the time they were made, so that a list of what one second made is in order.
    pub(crate) fn object_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        let order = format!("{:07x}{:03x}", self.number, self.made);
        let random = std::iter::repeat_with(|| self.rng.alphanumeric()).take(ID_CHARS);
        prefix.chars().chain(order.chars()).chain(random).collect()
    }

    /// Seconds since 1970.
    pub(crate) fn created(&self) -> u64 {
        self.region.clock.unix_seconds()
    }

    /// A JSON answer, broken where the mode says so.
    pub(crate) fn json(&self, status: StatusCode, value: &Value) -> Response<RegionBody> {
        let text = Bytes::from(value.to_string());
        let body = match self.breaking(Vec::new) {
            None => whole(text),
            Some(broken) => {
                let half = text.slice(..text.len() / 2);
                let pieces = [Due::chunk(Duration::ZERO, half), broken];
                Paced::new(self.arrived, pieces.into_iter())
                    .announcing(text.len() as u64)
                    .boxed_unsync()
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// A stream of events, each with its time since the arrival, broken where the mode says so;
    /// `error_event` is what the API sends in place of the rest when it fails half-way.
    pub(crate) fn stream(
        &self,
        mut events: Vec<(Duration, Bytes)>,
        error_event: impl FnOnce() -> Vec<u8>,
    ) -> Response<RegionBody> {
        let broken = self.breaking(error_event).map(|mut broken| {
            let passes = usize::try_from(self.world.mode_after).unwrap_or(usize::MAX);
            broken.at =
                events.get(passes).or_else(|| events.last()).map_or(Duration::ZERO, |(at, _)| *at);
            events.truncate(passes);
            broken
        });
        let pieces = events.into_iter().map(|(at, bytes)| Due::chunk(at, bytes)).chain(broken);
        let mut response = Response::new(Paced::new(self.arrived, pieces).boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, must-revalidate"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// A body made of pieces with times of their own; the raw routes use it.
    pub(crate) fn paced<I>(&self, pieces: I) -> Paced<I>
    where
        I: Iterator<Item = Due> + Send + Unpin + 'static,
    {
        Paced::new(self.arrived, pieces)
    }

    /// Puts on what every answer of a region carries.
    pub(crate) fn stamp(&mut self, response: &mut Response<RegionBody>) {
        let ids = [self.id(""), self.id("")];
        let elapsed = Instant::now().saturating_duration_since(self.arrived);
        headers::stamp(
            response.headers_mut(),
            &headers::Facts {
                region: self.world.display(),
                ids: &ids,
                deployment: self.served_by.as_deref(),
                admission: self.admission,
                elapsed,
            },
        );
    }

    /// The piece with which the mode breaks an answer.
    fn breaking(&self, error_event: impl FnOnce() -> Vec<u8>) -> Option<Due> {
        let piece = match self.world.mode {
            Mode::CutBody => Piece::Cut,
            Mode::Stall => Piece::Stall,
            Mode::ErrorEvent => match error_event() {
                event if event.is_empty() => return None,
                event => Piece::Chunk(event.into()),
            },
            Mode::Up | Mode::Refuse | Mode::Blackhole | Mode::CutHead => return None,
        };
        Some(Due { at: Duration::ZERO, piece })
    }
}

const ID_CHARS: usize = 24;
