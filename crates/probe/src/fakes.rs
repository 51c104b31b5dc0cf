//! Stand-ins for the network, for the tests of this crate.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

/// A body whose chunks come with pauses before them.
pub(crate) struct Slowly {
    chunks: VecDeque<(Duration, Bytes)>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Slowly {
    /// As a chunk: the body breaks off.
    pub(crate) const BREAK: &'static str = "\0break";

    /// Chunks, each after so many milliseconds.
    pub(crate) fn new(chunks: &[(u64, &str)]) -> Self {
        let chunks = chunks.iter().map(|&(millis, text)| {
            (Duration::from_millis(millis), Bytes::copy_from_slice(text.as_bytes()))
        });
        Self { chunks: chunks.collect(), pause: None }
    }
}

impl Body for Slowly {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let Some(&(wait, _)) = self.chunks.front() else { return Poll::Ready(None) };
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        let Some((_, chunk)) = self.chunks.pop_front() else { return Poll::Ready(None) };
        let broken = chunk == Self::BREAK;
        Poll::Ready(Some(if broken { Err("broken") } else { Ok(Frame::data(chunk)) }))
    }
}
