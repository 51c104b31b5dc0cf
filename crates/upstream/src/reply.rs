//! A region's response: head at once, body as it comes, the connection back to the pool at its end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

use crate::Timing;
use crate::http1::{Conn, Upgraded, Upload};
use crate::http2::Seat;

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
}

/// Why a region's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CutOff {
    /// The connection broke or ended.
    #[error(transparent)]
    Socket(io::Error),
    /// The framing broke.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request, which was still being sent, did not come to its end.
    #[error("the request broke off: {0}")]
    Request(String),
    /// HTTP/2: the stream or its connection broke.
    #[error(transparent)]
    Http2(hyper::Error),
    /// HTTP/2: the stream was reset as if all were well, but no end had come; hyper passes over it.
    #[error("the stream was reset before its end")]
    NoEnd,
}

#[derive(Debug)]
pub(crate) enum Source {
    /// A connection of its own.
    Http1(Box<Conn>),
    /// The same, while the request is still being sent.
    Uploading(Upload),
    /// A stream on a shared connection, which has room for another when this is dropped.
    Http2 { incoming: Incoming, _seat: Seat },
    /// Read to its end; the error, if that was one.
    Spent(Option<CutOff>),
}

impl Reply {
    /// Reads what is left of the answer and ends its connection, which thereby lets go of a request
    /// body that it still sends. False, and nothing has ended, if the answer is too long or does not
    /// come to its end soon.
    pub async fn detach(&mut self) -> bool {
        let body = self.response.body_mut();
        matches!(timeout(DETACH_PATIENCE, body.read_ahead()).await, Ok(true))
    }
}

impl RegionBody {
    pub(crate) fn new(source: Source) -> Self {
        let mut body = Self { ahead: VecDeque::new(), source };
        // an upload may still have to be let go
        if !matches!(body.source, Source::Uploading(_)) {
            body.release_if_done();
        }
        body
    }

    /// A body that is already here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        let ahead = (!bytes.is_empty()).then_some(bytes).into_iter().collect();
        Self { ahead, source: Source::Spent(None) }
    }

    /// Behind a 101: the connection as it is; `None` for any other answer.
    #[must_use]
    pub fn upgraded(mut self) -> Option<Upgraded> {
        match std::mem::replace(&mut self.source, Source::Spent(None)) {
            Source::Http1(conn) => Some(conn.upgraded()),
            Source::Uploading(_) | Source::Http2 { .. } | Source::Spent(_) => None,
        }
    }

    /// Whether the rest is here already, so that nothing can go wrong with it any more.
    #[must_use]
    pub fn is_here(&self) -> bool {
        match &self.source {
            Source::Http1(conn) => conn.is_here(),
            source => source.is_done(),
        }
    }

    /// Reads on until `enough` says so of what has come, or more is held than is good; what was read
    /// stays in front of the rest. False if the body ended first.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn read_until(
        &mut self,
        mut enough: impl FnMut(&Bytes) -> bool,
    ) -> Result<bool, CutOff> {
        let mut bytes = 0;
        while bytes <= AHEAD_MAX {
            let frame = poll_fn(|cx| self.source.poll_frame(cx)).await.transpose()?;
            let Some(Ok(data)) = frame.map(Frame::into_data) else {
                self.release();
                return Ok(false);
            };
            let is_enough = enough(&data);
            bytes += data.len();
            self.ahead.push_back(data);
            self.release_if_done();
            if is_enough {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// All of a short body, which stays to be read; `None` if it is longer than `limit` bytes, breaks
    /// off or does not come to its end soon.
    pub async fn peek_whole(&mut self, limit: usize) -> Option<Bytes> {
        self.peek_whole_within(limit, DETACH_PATIENCE).await
    }

    /// The same of a body that may take so long to come to its end.
    pub async fn peek_whole_within(&mut self, limit: usize, patience: Duration) -> Option<Bytes> {
        let mut bytes = 0;
        let reading = self.read_until(|data| {
            bytes += data.len();
            bytes > limit
        });
        let ended = matches!(timeout(patience, reading).await, Ok(Ok(false)));
        // one piece, nearly always
        self.ahead.make_contiguous();
        ended.then(|| match self.ahead.as_slices().0 {
            [whole] => whole.clone(),
            pieces => pieces.concat().into(),
        })
    }

    /// Whether the rest of the body is here now, with a good end.
    async fn read_ahead(&mut self) -> bool {
        let mut bytes = 0;
        while bytes <= DETACH_MAX {
            match poll_fn(|cx| self.source.poll_frame(cx)).await {
                None => {
                    if let Source::Uploading(upload) = &self.source {
                        upload.cut();
                    }
                    self.release();
                    return true;
                }
                Some(Err(error)) => {
                    self.source = Source::Spent(Some(error));
                    return false;
                }
                // an answer this short has no trailers worth keeping
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        bytes += data.len();
                        self.ahead.push_back(data);
                    }
                }
            }
        }
        false
    }

    fn release_if_done(&mut self) {
        if self.source.is_done() {
            self.release();
        }
    }

    /// The answer was read to its end.
    fn release(&mut self) {
        match std::mem::replace(&mut self.source, Source::Spent(None)) {
            Source::Http1(conn) => conn.give_back(),
            Source::Uploading(upload) => upload.answered(),
            Source::Http2 { .. } | Source::Spent(_) => {}
        }
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self {
            Self::Http1(conn) => conn.poll_frame(cx),
            Self::Uploading(upload) => upload.poll_frame(cx),
            Self::Http2 { incoming, .. } => match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                None if !incoming.is_end_stream() => Poll::Ready(Some(Err(CutOff::NoEnd))),
                polled => Poll::Ready(polled.map(|frame| frame.map_err(CutOff::Http2))),
            },
            Self::Spent(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Http1(conn) => conn.is_answered(),
            Self::Uploading(upload) => upload.is_answered(),
            Self::Http2 { incoming, .. } => incoming.is_end_stream(),
            Self::Spent(error) => error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = |length: Option<u64>| length.map(SizeHint::with_exact).unwrap_or_default();
        match self {
            Self::Http1(conn) => exact(conn.length()),
            Self::Uploading(upload) => exact(upload.look(Conn::length).unwrap_or(Some(0))),
            Self::Http2 { incoming, .. } => incoming.size_hint(),
            Self::Spent(None) => SizeHint::with_exact(0),
            Self::Spent(Some(_)) => SizeHint::default(),
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
        let polled = self.source.poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.release(),
            Poll::Ready(Some(Ok(_))) => self.release_if_done(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.source.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.source.size_hint();
        let ahead: usize = self.ahead.iter().map(Bytes::len).sum();
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
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
        if self.source.is_done() {
            self.release();
        } else if let Source::Uploading(upload) = &self.source {
            upload.cut();
        }
    }
}

/// The most bytes of a stream that are read before they are passed on.
const AHEAD_MAX: usize = 256 * 1024;
/// The longest answer that is read ahead, in bytes: an error with its explanation.
const DETACH_MAX: usize = 64 * 1024;
/// Between the head of such an answer and its end.
const DETACH_PATIENCE: Duration = Duration::from_secs(1);
