//! How long a region may leave the bytes of a request lying, over HTTP/2.
//!
//! hyper's own task sends the body, and it waits there for the stream's window. So the body is watched
//! from both ends: what was pulled of it, and what left in frames. The clock runs only while the one
//! is ahead of the other: whoever waits for its client has nothing lying there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::BodyError;
use crate::{LazyTimer, RequestBody};

/// A body whose way is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    body: RequestBody,
    moves: Arc<Moves>,
}

/// Bytes of it, until they have left.
#[derive(Debug)]
pub(crate) struct Leaving {
    bytes: Bytes,
    moves: Arc<Moves>,
}

/// How a body moves; the counts are of bytes.
#[derive(Debug)]
struct Moves {
    began: Instant,
    pulled: AtomicU64,
    left: AtomicU64,
    // when bytes began to lie there or some left, in nanoseconds since `began`
    last: AtomicU64,
}

/// One request's clock.
#[derive(Debug)]
pub(crate) struct WriteClock {
    moves: Arc<Moves>,
    limit: Duration,
    deadline: Instant,
    timer: LazyTimer,
}

impl Watched {
    /// The body on its way, and the clock that allows it `limit` without a move.
    pub(crate) fn new(body: RequestBody, limit: Duration, now: Instant) -> (Self, WriteClock) {
        let (pulled, left, last) = Default::default();
        let moves = Arc::new(Moves { began: now, pulled, left, last });
        let timer = LazyTimer::default();
        let clock = WriteClock { moves: moves.clone(), limit, deadline: now + limit, timer };
        (Self { body, moves }, clock)
    }

    /// As it was before.
    pub(crate) fn into_body(self) -> RequestBody {
        self.body
    }
}

impl WriteClock {
    /// Ready, with the limit, when bytes lie there and none has left for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        loop {
            // nobody else has any of it: all has left
            if Arc::strong_count(&self.moves) == 1 {
                return Poll::Pending;
            }
            ready!(self.timer.poll(cx, self.deadline));
            let now = Instant::now();
            // what begins to lie there from now on has all of its time
            self.deadline = self.moves.lying_since().unwrap_or(now) + self.limit;
            if self.deadline <= now {
                return Poll::Ready(self.limit);
            }
        }
    }
}

impl Moves {
    fn pulled(&self, bytes: usize) {
        if self.lying_since().is_none() {
            self.moved();
        }
        self.pulled.fetch_add(wide(bytes), Ordering::Relaxed);
    }

    fn left(&self, bytes: usize) {
        self.left.fetch_add(wide(bytes), Ordering::Relaxed);
        self.moved();
    }

    fn moved(&self) {
        let since = Instant::now().saturating_duration_since(self.began).as_nanos();
        self.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Since when nothing has moved of what lies there; `None` when nothing does.
    fn lying_since(&self) -> Option<Instant> {
        let lies = self.pulled.load(Ordering::Relaxed) > self.left.load(Ordering::Relaxed);
        lies.then(|| self.began + Duration::from_nanos(self.last.load(Ordering::Relaxed)))
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Body for Watched {
    type Data = Leaving;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Leaving>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        let leaving = |bytes: Bytes| {
            this.moves.pulled(bytes.len());
            Leaving { bytes, moves: this.moves.clone() }
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(leaving))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Buf for Leaving {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.moves.left(count);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_secs(3);

    /// Seconds until the clock is ready, if a byte is pulled, or leaves, at these seconds; 20 when it
    /// is not.
    async fn ready_after(pulled: &[u64], left: &[u64]) -> u64 {
        let start = Instant::now();
        let (body, mut clock) = Watched::new(RequestBody::Whole(None), LIMIT, start);
        let mut stuck = std::pin::pin!(poll_fn(|cx| clock.poll(cx)));
        for second in 0..20 {
            let tick = tokio::time::sleep_until(start + SECOND * u32::try_from(second).unwrap());
            tokio::select! {
                biased;
                limit = &mut stuck => {
                    assert_eq!(limit, LIMIT);
                    return (Instant::now() - start).as_secs();
                }
                () = tick => {}
            }
            if pulled.contains(&second) {
                body.moves.pulled(1);
            }
            if left.contains(&second) {
                body.moves.left(1);
            }
        }
        20
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_while_bytes_lie_there_and_begins_anew_when_some_leave() {
        for (pulled, left, seconds) in [
            (&[][..], &[][..], 20),
            (&[0], &[], 3),
            (&[0], &[0], 20),
            (&[0, 1], &[1], 4),
            (&[0, 1, 2], &[2], 5),
            (&[0, 4], &[0], 7),
            (&[0, 6, 13], &[2, 8], 16),
            (&[0, 3, 6, 9], &[2, 5, 8, 11], 20),
        ] {
            assert_eq!(ready_after(pulled, left).await, seconds, "{pulled:?} {left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_byte() {
        let whole = RequestBody::Whole(Some(Bytes::from_static(b"ab")));
        let (mut body, mut clock) = Watched::new(whole, LIMIT, Instant::now());
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        let mut leaving = frame.into_data().unwrap();
        drop(body);
        leaving.advance(1);
        let began = Instant::now();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, LIMIT);
        assert_eq!(Instant::now() - began, LIMIT);
        leaving.advance(1);
        drop(leaving);
        let idle = tokio::time::timeout(60 * SECOND, poll_fn(|cx| clock.poll(cx))).await;
        assert!(idle.is_err());
    }
}
