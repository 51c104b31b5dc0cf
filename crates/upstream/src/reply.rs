//! A region's response: head at once, body as it comes, the connection back to the pool at its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::Timing;
use crate::exchange::Lease;

/// A response and what it took.
#[derive(Debug)]
pub struct Reply {
    /// As the region sent it.
    pub response: http::Response<RegionBody>,
    /// The clocks until its head.
    pub timing: Timing,
}

/// The body of a region's response.
///
/// Read to its end, its connection serves the next request; dropped before, the connection is
/// closed, which is how a request to a region is cancelled (API fact sheet 4.3).
#[derive(Debug)]
pub struct RegionBody {
    source: Source,
    lease: Option<Lease>,
}

/// Why a region's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CutOff {
    /// The connection or the framing broke.
    #[error(transparent)]
    Broken(hyper::Error),
    /// HTTP/2: the stream was reset as if all were well, but no end had come; hyper passes over it.
    #[error("the stream was reset before its end")]
    NoEnd,
}

#[derive(Debug)]
enum Source {
    Wire(Incoming),
    // fakes in tests, and answers that were read whole to be judged
    Memory(Option<Bytes>),
}

impl RegionBody {
    pub(crate) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self { source: Source::Wire(incoming), lease: Some(lease) };
        body.release_if_done();
        body
    }

    /// A body that is already here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Self { source: Source::Memory(bytes), lease: None }
    }

    fn release_if_done(&mut self) {
        if self.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for RegionBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let polled = match &mut self.source {
            Source::Wire(incoming) => Pin::new(incoming).poll_frame(cx),
            Source::Memory(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        match &polled {
            Poll::Ready(None) => {
                if matches!(self.lease, Some(Lease::Http2 { .. })) && !self.is_end_stream() {
                    return Poll::Ready(Some(Err(CutOff::NoEnd)));
                }
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
            }
            Poll::Ready(Some(Ok(_))) => self.release_if_done(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled.map_err(CutOff::Broken)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Wire(incoming) => incoming.is_end_stream(),
            Source::Memory(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Wire(incoming) => incoming.size_hint(),
            Source::Memory(bytes) => SizeHint::with_exact(
                bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(u64::MAX)),
            ),
        }
    }
}
