//! The bodies that a simulated region sends: whole, paced by the clock, or broken on purpose.
//!
//! [`Paced`] hands over one piece at its time and lets hyper flush it before the next, so events
//! reach the client one by one. Handlers make them through `exchange.rs`.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

/// Any body of a region.
pub(crate) type RegionBody = UnsyncBoxBody<Bytes, Cut>;

/// The region cuts the connection here, on purpose.
#[derive(Clone, Copy, Debug, Error)]
#[error("the simulated region cuts the connection")]
pub(crate) struct Cut;

/// A body of known bytes.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> RegionBody {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// One piece of a paced body.
#[derive(Debug)]
pub(crate) enum Piece {
    Chunk(Bytes),
    Trailers(HeaderMap),
    /// The connection is closed.
    Cut,
    /// Nothing more comes, and no end either.
    Stall,
}

/// A piece and when it is due, counted from the arrival of the request.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) at: Duration,
    pub(crate) piece: Piece,
}

impl Due {
    pub(crate) fn chunk(at: Duration, bytes: impl Into<Bytes>) -> Self {
        Self { at, piece: Piece::Chunk(bytes.into()) }
    }
}

/// Sends pieces as their times come.
pub(crate) struct Paced<I> {
    arrived: Instant,
    pieces: I,
    waiting: Option<Due>,
    sleep: Pin<Box<Sleep>>,
    handed_over: bool,
    len: Option<u64>,
}

impl<I: Iterator<Item = Due> + Send + Unpin + 'static> Paced<I> {
    pub(crate) fn new(arrived: Instant, pieces: I) -> Self {
        Self {
            arrived,
            pieces,
            waiting: None,
            sleep: Box::pin(sleep_until(arrived)),
            handed_over: false,
            len: None,
        }
    }

    /// Announces a length, whether or not that much comes.
    pub(crate) fn announcing(mut self, len: u64) -> Self {
        self.len = Some(len);
        self
    }
}

impl<I: Iterator<Item = Due> + Send + Unpin> Body for Paced<I> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if this.handed_over {
            // hyper flushes what it has when the body is not ready
            this.handed_over = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(due) = this.waiting.take().or_else(|| this.pieces.next()) else {
            return Poll::Ready(None);
        };
        let at = this.arrived + due.at;
        if at > Instant::now() {
            if this.sleep.deadline() != at {
                this.sleep.as_mut().reset(at);
            }
            if this.sleep.as_mut().poll(cx).is_pending() {
                this.waiting = Some(due);
                return Poll::Pending;
            }
        }
        match due.piece {
            Piece::Chunk(bytes) => {
                this.handed_over = true;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Piece::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Piece::Cut => Poll::Ready(Some(Err(Cut))),
            Piece::Stall => {
                // no waker: only the client can end this
                this.waiting = Some(due);
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.len.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<I> fmt::Debug for Paced<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pieces_come_at_their_times_and_one_by_one() {
        let arrived = Instant::now();
        let pieces = [(0, "a"), (0, "b"), (50, "c")]
            .map(|(ms, text)| Due::chunk(Duration::from_millis(ms), text));
        let mut body = Paced::new(arrived, pieces.into_iter());
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let at = Instant::now().duration_since(arrived).as_millis();
            seen.push((String::from_utf8(data.to_vec()).unwrap(), at));
        }
        let text: String = seen.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(text, "abc");
        assert!(seen[1].1 < 5, "b came after {} ms", seen[1].1);
        assert!((50..55).contains(&seen[2].1), "c came after {} ms", seen[2].1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_is_an_error_and_a_stall_never_ends() {
        let cut = [Due { at: Duration::ZERO, piece: Piece::Cut }];
        assert!(Paced::new(Instant::now(), cut.into_iter()).frame().await.unwrap().is_err());
        let stall = [Due { at: Duration::ZERO, piece: Piece::Stall }];
        let mut stalled = Paced::new(Instant::now(), stall.into_iter());
        let waited = tokio::time::timeout(Duration::from_secs(3600), stalled.frame()).await;
        assert!(waited.is_err());
    }
}
