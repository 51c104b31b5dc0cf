//! One request inside a region, from its head to the end of its answer.
//!
//! The ticket settles on drop, so a client that leaves is counted in every state: while its body
//! is read, before the head, or in the middle of a stream. Made by `handle.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

use crate::body::{Cut, RegionBody};
use crate::digest::SeenBody;
use crate::region::Region;
use crate::stats::Seen;

/// Counts a request as in flight until dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    region: Arc<Region>,
    number: u64,
    others_in_flight: u32,
    head_only: bool,
    settled: bool,
}

impl Ticket {
    pub(crate) fn take(region: &Arc<Region>, operation: &'static str, head: &Parts) -> Self {
        let number = region.next_number();
        let others_in_flight = region.stats.with(|stats| {
            stats.arrived(Seen::new(number, operation, head));
            stats.in_flight += 1;
            stats.in_flight - 1
        });
        let head_only = head.method == Method::HEAD;
        Self { region: region.clone(), number, others_in_flight, head_only, settled: false }
    }

    /// Counts the requests of the region, from 1; selects the random numbers.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Requests that were being answered when this one came.
    pub(crate) fn others_in_flight(&self) -> u32 {
        self.others_in_flight
    }

    /// The whole body was read.
    pub(crate) fn read(&self, body: SeenBody) {
        self.region.stats.with(|stats| stats.read(self.number, body));
    }

    /// The region does not have an object that the request names.
    pub(crate) fn not_here(&self, operation: &'static str, method: &Method) {
        self.region.stats.with(|stats| stats.not_here(operation, !method.is_safe()));
    }

    /// The region ends this without an answer, on purpose.
    pub(crate) fn cut(mut self) -> Cut {
        self.settled = true;
        Cut
    }

    /// The answer begins; the ticket travels with its body.
    pub(crate) fn answer(mut self, response: Response<RegionBody>) -> Response<RegionBody> {
        self.region.stats.with(|stats| stats.answered(response.status().as_u16()));
        self.settled = self.head_only;
        response.map(|inner| Answering { inner, ticket: self }.boxed_unsync())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.region.stats.with(|stats| {
            stats.in_flight = stats.in_flight.saturating_sub(1);
            if !self.settled {
                stats.cancelled += 1;
            }
        });
    }
}

/// A body that tells its ticket when it has ended.
struct Answering {
    inner: RegionBody,
    ticket: Ticket,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.ticket.settled = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // hyper does not ask again once the body says that it ended
        self.ticket.settled |= self.inner.is_end_stream();
    }
}
