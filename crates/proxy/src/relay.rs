//! The region's answer on its way to the client: bytes as they come, watched but never held.
//!
//! What is watched: the first content token, pauses, the end. A body that breaks off in the region
//! breaks off for the client too; a clean end is never made up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body, Frame, SizeHint};
use nearway_telemetry::RequestOutcome;
use nearway_upstream::{CutOff, LazyTimer, RegionBody, Reply};
use nearway_wire::endpoint::Operation;
use nearway_wire::first_token::{FirstToken, Progress};
use nearway_wire::headers::{
    ATTEMPTS_HEADER, REASON_HEADER, REGION_HEADER, is_event_stream, strip_hop_by_hop,
};
use nearway_wire::remarks::Remarks;
use tokio::time::Instant;

use crate::learn::Learner;
use crate::settle::Settle;
use crate::stream_end::StreamEnd;
use crate::{ClientBody, Timeouts};

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The region's body ended early or broke its framing.
    #[error("the region's answer broke off")]
    Truncated(#[source] CutOff),
    /// The region paused for too long.
    #[error("the region sent nothing for {0:?}")]
    Idle(Duration),
    /// The whole request took too long.
    #[error("the request took longer than {0:?}")]
    Total(Duration),
}

/// A region's body, counted and timed.
#[derive(Debug)]
pub(crate) struct Relayed {
    body: RegionBody,
    watch: Option<FirstToken>,
    clock: Patience,
    settle: Box<Settle>,
    // of a stream of events
    stream: Option<StreamEnd>,
    // of any other answer that counts tokens the last piece
    last: Option<Bytes>,
    // of one that names what lives in its region
    learner: Option<Box<Learner>>,
    broken: Option<Broken>,
}

/// An answer that broke off, until the client has all that came before.
#[derive(Debug)]
struct Broken {
    error: RelayError,
    // hyper forgets what it has not flushed yet: it is told only when it asks again
    flushed: bool,
}

/// The client's answer from a region's: hop-by-hop headers off, Nearway's own on.
pub(crate) fn relay(
    reply: Box<Reply>,
    operation: Operation,
    learner: Option<Box<Learner>>,
    mut settle: Box<Settle>,
) -> Response<ClientBody> {
    let (mut parts, body) = reply.response.into_parts();
    strip_hop_by_hop(&mut parts.headers);
    if let Some(name) = settle.region_header() {
        parts.headers.insert(REGION_HEADER, name.clone());
    }
    parts.headers.insert(ATTEMPTS_HEADER, settle.attempts_header());
    if let Some(reason) = settle.reason_header() {
        parts.headers.insert(REASON_HEADER, reason);
    }
    // not a property of the answer but of the region's connection
    parts.version = http::Version::default();
    let reason = parts.extensions.remove::<hyper::ext::ReasonPhrase>();
    parts.extensions.clear();
    if let Some(reason) = reason {
        parts.extensions.insert(reason);
    }
    let spent = settle.answered(parts.status);
    let is_stream = is_event_stream(&parts.headers);
    let shows_tokens = operation.streams_tokens() && !parts.headers.contains_key(CONTENT_ENCODING);
    let spilled = parts.headers.keys().any(|name| name.as_str().starts_with(SPILLED_FROM));
    settle.begins(is_stream && shows_tokens, spilled);
    if body.is_end_stream() {
        settle.finish_as_answered();
    }
    let clock = Patience::new(&settle.prepared().settings.timeouts, spent);
    let watch = is_stream.then(|| FirstToken::new(operation));
    let stream = is_stream.then(|| StreamEnd::new(operation));
    let last = (!is_stream && shows_tokens).then(Bytes::new);
    let relayed = Relayed { body, watch, clock, settle, stream, last, learner, broken: None };
    Response::from_parts(parts, ClientBody::relayed(Box::new(relayed)))
}

/// How a header begins that tells that another deployment than the one that was asked for served the
/// request (API fact sheet 3).
const SPILLED_FROM: &str = "x-ms-spillover-from";

impl Relayed {
    fn look_at(&mut self, data: &Bytes) {
        self.settle.passed(data.len());
        if let Some(stream) = &mut self.stream {
            stream.passed(data);
        }
        if let Some(last) = &mut self.last {
            last.clone_from(data);
        }
        if let Some(learner) = &mut self.learner {
            learner.passed(data);
        }
        let Some(watch) = &mut self.watch else { return };
        match watch.feed(data) {
            Progress::Waiting => return,
            Progress::First => self.settle.first_token(watch.thinks()),
            Progress::Done => {}
        }
        self.watch = None;
    }

    fn ended(&mut self) {
        match (&self.stream, &self.last) {
            (Some(stream), _) => self.settle.remarked(stream.remarks()),
            (None, Some(last)) => self.settle.remarked(Remarks::at_end(last)),
            (None, None) => {}
        }
        if self.stream.as_ref().is_some_and(StreamEnd::failed) {
            self.settle.finish(RequestOutcome::FailedStream);
        } else {
            self.settle.finish_as_answered();
        }
    }

    /// The client is told in the API's own words where it may be, and then by an end that shows.
    fn break_off(
        &mut self,
        cx: &Context<'_>,
        error: RelayError,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.settle.finish(RequestOutcome::Truncated);
        // a length that was promised leaves no room for a word
        let open_ended = self.body.size_hint().exact().is_none();
        let stream = self.stream.as_ref().filter(|_| open_ended);
        let farewell = stream.and_then(|stream| stream.farewell(&error));
        let flushed = farewell.is_none();
        self.broken = Some(Broken { error, flushed });
        if let Some(event) = farewell {
            return Poll::Ready(Some(Ok(Frame::data(event))));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = self.get_mut();
        if let Some(broken) = &mut this.broken {
            if !std::mem::replace(&mut broken.flushed, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(this.broken.take().map(|broken| Err(broken.error)));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.clock.moved();
                if let Some(data) = frame.data_ref() {
                    this.look_at(data);
                }
                if this.body.is_end_stream() {
                    this.ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.break_off(cx, RelayError::Truncated(error)),
            Poll::Ready(None) => {
                this.ended();
                Poll::Ready(None)
            }
            Poll::Pending => match this.clock.poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(error) => this.break_off(cx, error),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// One timer for idle and total, set anew only when it fires: a chunk costs no timer work.
#[derive(Debug)]
struct Patience {
    idle: Duration,
    total: Duration,
    spent: Duration,
    // known from the first pause on
    total_at: Option<Instant>,
    until: Option<Instant>,
    moved: bool,
    timer: LazyTimer,
}

impl Patience {
    fn new(timeouts: &Timeouts, spent: Duration) -> Self {
        let (idle, total, timer) = (timeouts.idle, timeouts.total, LazyTimer::default());
        Self { idle, total, spent, total_at: None, until: None, moved: false, timer }
    }

    fn moved(&mut self) {
        self.moved = true;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RelayError> {
        loop {
            let Some(until) = self.until else {
                let now = Instant::now();
                let left = self.total.saturating_sub(self.spent);
                let total_at = *self.total_at.get_or_insert(now + left);
                self.until = Some(total_at.min(now + self.idle));
                self.moved = false;
                continue;
            };
            if self.timer.poll(cx, until).is_pending() {
                return Poll::Pending;
            }
            self.until = None;
            if self.total_at.is_some_and(|at| at <= until) {
                return Poll::Ready(RelayError::Total(self.total));
            }
            // a pause that began after the last chunk lasts at most twice the idle timeout
            if !self.moved {
                return Poll::Ready(RelayError::Idle(self.idle));
            }
        }
    }
}
