//! A region's response: head at once, body as it comes, the connection back to the pool at its end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

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
    // what was read before anybody asked for it
    ahead: VecDeque<Bytes>,
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
    // read to its end; the error, if that was one
    Spent(Option<CutOff>),
}

impl Reply {
    /// Reads what is left of the answer and ends its connection, which thereby lets go of a request
    /// body that it still sends. False, and nothing has ended, if the answer is too long or does not
    /// come to its end soon.
    pub async fn detach(&mut self) -> bool {
        let body = self.response.body_mut();
        let whole = matches!(timeout(DETACH_PATIENCE, body.read_ahead()).await, Ok(true));
        if whole && let Some(lease) = body.lease.take() {
            lease.cut();
        }
        whole
    }
}

impl RegionBody {
    /// `uploading`: the request's body is perhaps still being sent, so that even an empty answer has
    /// something to [detach](Reply::detach).
    pub(crate) fn new(incoming: Incoming, lease: Lease, uploading: bool) -> Self {
        let source = Source::Wire(incoming);
        let mut body = Self { ahead: VecDeque::new(), source, lease: Some(lease) };
        if !uploading {
            body.release_if_done();
        }
        body
    }

    /// A body that is already here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let ahead = (!bytes.is_empty()).then_some(bytes).into_iter().collect();
        Self { ahead, source: Source::Spent(None), lease: None }
    }

    /// Whether the rest of the body is here now, with a good end.
    async fn read_ahead(&mut self) -> bool {
        let mut bytes = 0;
        while let Source::Wire(incoming) = &mut self.source
            && bytes <= DETACH_MAX
        {
            match poll_fn(|cx| Pin::new(&mut *incoming).poll_frame(cx)).await {
                None => self.source = Source::Spent(None),
                Some(Err(error)) => self.source = Source::Spent(Some(CutOff::Broken(error))),
                // an answer this short has no trailers worth keeping
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        bytes += data.len();
                        self.ahead.push_back(data);
                    }
                }
            }
        }
        matches!(self.source, Source::Spent(None))
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
        if let Some(data) = self.ahead.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let polled = match &mut self.source {
            Source::Wire(incoming) => Pin::new(incoming).poll_frame(cx),
            Source::Spent(error) => return Poll::Ready(error.take().map(Err)),
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
        self.ahead.is_empty()
            && match &self.source {
                Source::Wire(incoming) => incoming.is_end_stream(),
                Source::Spent(error) => error.is_none(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let wide = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let rest = match &self.source {
            Source::Wire(incoming) => incoming.size_hint(),
            Source::Spent(None) => SizeHint::with_exact(0),
            Source::Spent(Some(_)) => SizeHint::default(),
        };
        let ahead = wide(self.ahead.iter().map(Bytes::len).sum());
        let mut hint = SizeHint::new();
        hint.set_lower(ahead.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead.saturating_add(upper));
        }
        hint
    }
}

impl Drop for RegionBody {
    fn drop(&mut self) {
        self.release_if_done();
    }
}

/// The longest answer that is read ahead, in bytes: an error with its explanation.
const DETACH_MAX: usize = 64 * 1024;
/// Between the head of such an answer and its end.
const DETACH_PATIENCE: Duration = Duration::from_secs(1);
