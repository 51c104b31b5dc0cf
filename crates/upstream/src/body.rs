//! Request bodies: small ones whole, large ones as they come, with what has passed kept for replay
//! as far as there is room ([`crate::replay`]).
//!
//! A [`HeldBody`] travels into the connection's task. When that task is done with it, for whatever
//! reason, the body comes home through a channel, so that a failed attempt can be repeated with the
//! same bytes and without a lock.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::Kept;

/// The body of a request to a region.
#[derive(Debug)]
pub enum RequestBody {
    /// All of it, in memory; `None` once it was read, or for no body.
    Whole(Option<Bytes>),
    /// As it arrives from the client; boxed, since it is large and most bodies are not like it.
    Held(Box<HeldBody>),
}

/// Why a request body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client's connection or framing broke.
    #[error("the client's body broke off")]
    Broken(#[source] hyper::Error),
    /// The client sent nothing for this long.
    #[error("the client sent nothing for {0:?}")]
    Stalled(Duration),
    /// The client sent more than it may.
    #[error("the client sent more than {0} bytes")]
    TooLarge(u64),
}

/// A replacement of some bytes of a body: how a region's own name of a deployment gets in.
#[derive(Clone, Debug)]
pub struct Splice {
    /// First byte replaced, counted from the start of the body.
    pub start: usize,
    /// The byte after the last one replaced.
    pub end: usize,
    /// What stands there instead.
    pub text: Bytes,
}

impl Splice {
    /// The chunks with the replacement made. Nothing is copied; bytes that are not there are left
    /// out of account.
    #[must_use]
    pub fn apply(&self, chunks: &[Bytes]) -> Vec<Bytes> {
        let mut spliced = Vec::with_capacity(chunks.len() + 2);
        let mut offset = 0;
        for chunk in chunks {
            let until = self.start.saturating_sub(offset).min(chunk.len());
            let from = self.end.saturating_sub(offset).min(chunk.len());
            let starts_here = (offset..offset + chunk.len()).contains(&self.start);
            let pieces = [chunk.slice(..until), Bytes::new(), chunk.slice(from.max(until)..)];
            for (place, piece) in pieces.into_iter().enumerate() {
                let piece = if place == 1 && starts_here { self.text.clone() } else { piece };
                if !piece.is_empty() {
                    spliced.push(piece);
                }
            }
            offset += chunk.len();
        }
        spliced
    }

    /// By how many bytes the body grows or shrinks.
    #[must_use]
    pub fn resized(&self, length: u64) -> u64 {
        let wide = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let removed = wide(self.end.saturating_sub(self.start));
        length.saturating_sub(removed).saturating_add(wide(self.text.len()))
    }
}

/// Where a [`HeldBody`] goes when the connection has let go of it.
pub type Home = oneshot::Receiver<Held>;

/// A streaming body that keeps what has passed, within limits.
#[derive(Debug)]
pub struct HeldBody {
    // present until drop
    held: Option<Held>,
    // what was read before this attempt, as this region is to see it
    front: VecDeque<Bytes>,
    home: Option<oneshot::Sender<Held>>,
    progress: Progress,
}

/// Counts what was taken of a body that streams; the exchange holds the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn took(&self, frames: u64) {
        self.0.fetch_add(frames, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The parts of a body that survive an attempt.
#[derive(Debug)]
pub struct Held {
    // no longer whole once it found no room, or trailers have passed: it can't be repeated then
    kept: Kept,
    rest: Option<Incoming>,
    idle: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    failed: Option<Failed>,
    max: Option<u64>,
    total: u64,
}

/// How the client failed to deliver its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Its connection or framing broke.
    Broken,
    /// It paused for too long.
    Stalled,
    /// It sent more than it may.
    TooLarge,
}

/// The bounds of a body that streams.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The most bytes in all; `None`: no bound.
    pub max: Option<u64>,
    /// The longest pause of the client.
    pub idle: Duration,
}

impl Held {
    /// `kept` has been read already, `rest` is still to come.
    #[must_use]
    pub fn new(kept: Kept, rest: Incoming, limits: BodyLimits) -> Self {
        let bytes = kept.bytes();
        Self {
            kept,
            rest: Some(rest),
            idle: limits.idle,
            stalled: None,
            failed: None,
            max: limits.max,
            total: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    /// Whether every byte so far is still here.
    #[must_use]
    pub fn can_repeat(&self) -> bool {
        self.kept.is_whole() && self.failed.is_none()
    }

    /// The bytes that are still here: all so far, as long as it [can be repeated](Self::can_repeat).
    #[must_use]
    pub fn kept(&self) -> Vec<u8> {
        self.kept.concat()
    }

    /// How the client, not the region, broke it.
    #[must_use]
    pub fn client_failed(&self) -> Option<Failed> {
        self.failed
    }

    /// A body for one attempt, with `splice` made in what was read already, and where it will come
    /// back.
    #[must_use]
    pub fn lend(mut self, splice: Option<&Splice>) -> (HeldBody, Home) {
        let (sender, home) = oneshot::channel();
        let chunks = self.kept.lend();
        let front = match splice {
            None => chunks,
            Some(splice) => splice.apply(&chunks),
        };
        let progress = Progress::default();
        (HeldBody { held: Some(self), front: front.into(), home: Some(sender), progress }, home)
    }

    fn fail(
        &mut self,
        how: Failed,
        error: BodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.failed = Some(how);
        Poll::Ready(Some(Err(error)))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(rest) = self.rest.as_mut() else { return Poll::Ready(None) };
        match Pin::new(rest).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.stalled = None;
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.total = self.total.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                match self.max {
                    Some(max) if self.total > max => {
                        self.fail(Failed::TooLarge, BodyError::TooLarge(max))
                    }
                    _ => Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Ready(Some(Err(error))) => self.fail(Failed::Broken, BodyError::Broken(error)),
            Poll::Ready(None) => {
                self.rest = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let idle = self.idle;
                let stalled = self.stalled.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + idle))
                });
                if stalled.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.fail(Failed::Stalled, BodyError::Stalled(idle))
            }
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>, comes_home: bool) {
        match frame.data_ref() {
            Some(data) if comes_home => self.kept.passed(data),
            _ => self.kept.let_go(),
        }
    }
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(chunk) = this.front.pop_front() {
            this.progress.took(1);
            if let Some(held) = &mut this.held {
                held.kept.went(chunk.len(), this.front.is_empty());
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let Some(held) = this.held.as_mut() else { return Poll::Ready(None) };
        let polled = held.poll_rest(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.progress.took(1);
            // once a region's answer is the client's, nobody waits for the body any more
            let comes_home = this.home.as_ref().is_some_and(|home| !home.is_closed());
            held.keep(frame, comes_home);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty()
            && self
                .held
                .as_ref()
                .and_then(|held| held.rest.as_ref())
                .is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(held) = &self.held else { return SizeHint::with_exact(0) };
        let kept: usize = self.front.iter().map(Bytes::len).sum();
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let rest = held.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(kept.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(kept.saturating_add(upper));
        }
        hint
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if let (Some(held), Some(home)) = (self.held.take(), self.home.take()) {
            // nobody waits for it any more once the request is over
            let _ = home.send(held);
        }
    }
}

impl RequestBody {
    /// Tells how the body moves, if it streams.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Whole(_) => None,
            Self::Held(held) => Some(held.progress.clone()),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Held(held) => Pin::new(held.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Held(held) => held.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(
                bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(u64::MAX)),
            ),
            Self::Held(held) => held.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    fn text(chunks: &[Bytes]) -> String {
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[test]
    fn a_splice_replaces_exactly_its_bytes_however_the_body_is_cut() {
        let body = r#"{"model":"gpt-4o","x":1}"#;
        let splice = Splice { start: 10, end: 16, text: Bytes::from_static(b"east-gpt") };
        for first in 0..body.len() {
            for second in first..body.len() {
                let (start, end) = body.split_at(second);
                let (start, middle) = start.split_at(first);
                let spliced = splice.apply(&chunks(&[start, middle, end]));
                assert_eq!(text(&spliced), r#"{"model":"east-gpt","x":1}"#, "{first} {second}");
            }
        }
        assert_eq!(splice.resized(24), 26);
    }

    #[test]
    fn a_splice_beyond_the_body_changes_nothing() {
        let splice = Splice { start: 90, end: 99, text: Bytes::from_static(b"z") };
        assert_eq!(text(&splice.apply(&chunks(&["abc", "def"]))), "abcdef");
    }
}
