//! How long a region may leave the bytes of a request lying.
//!
//! It runs only while there are bytes to send that the socket does not take, and begins anew with
//! every byte that it does take: an upload that its client sends slowly, or its region reads slowly,
//! never stops it. HTTP/2 has [one of its own](crate::http2).

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::LazyTimer;

/// One connection's clock; its timer outlives the requests that it carries.
#[derive(Debug, Default)]
pub(crate) struct WriteClock {
    limit: Duration,
    until: Option<Instant>,
    // bytes that had left when `until` was set
    gone: u64,
    timer: LazyTimer,
}

impl WriteClock {
    /// For a request that begins.
    pub(crate) fn set(&mut self, limit: Duration) {
        self.limit = limit;
        self.until = None;
    }

    /// Nothing lies there.
    pub(crate) fn stop(&mut self) {
        self.until = None;
    }

    /// Something lies there, and `gone` bytes have left so far. Ready, with the limit, when none has
    /// for too long.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, gone: u64) -> Poll<Duration> {
        if self.until.is_none() || gone != self.gone {
            self.gone = gone;
            self.until = Some(Instant::now() + self.limit);
        }
        if let Some(until) = self.until {
            ready!(self.timer.poll(cx, until));
        }
        Poll::Ready(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds until it is ready, if bytes leave, or the client pauses, at these seconds.
    async fn ready_after(leave: &[u64], pauses: &[u64]) -> u64 {
        let (start, mut clock, mut gone) = (Instant::now(), WriteClock::default(), 0);
        clock.set(3 * SECOND);
        for second in 1..20 {
            let tick = tokio::time::sleep_until(start + SECOND * second);
            let stuck = poll_fn(|cx| clock.poll(cx, gone));
            tokio::select! {
                biased;
                limit = stuck => {
                    assert_eq!(limit, 3 * SECOND);
                    return (Instant::now() - start).as_secs();
                }
                () = tick => {}
            }
            gone += u64::from(leave.contains(&u64::from(second)));
            if pauses.contains(&u64::from(second)) {
                clock.stop();
            }
        }
        u64::MAX
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_while_nothing_leaves_and_begins_anew_when_something_does() {
        for (leave, pauses, seconds) in [
            (&[][..], &[][..], 3),
            (&[1], &[], 4),
            (&[1, 2, 4, 6], &[], 9),
            (&[], &[2], 5),
            (&[1], &[2, 4], 7),
        ] {
            assert_eq!(ready_after(leave, pauses).await, seconds, "{leave:?} {pauses:?}");
        }
    }
}
