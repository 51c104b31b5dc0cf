//! How long a region may take until its response head.
//!
//! Its time begins when the request is sent, and anew whenever more of a streaming body has been
//! taken: a slow upload is its client's, not the region's. Both protocols' exchanges ask this.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use crate::body::Progress;
use crate::{LazyTimer, Limits};

/// One exchange's clock.
#[derive(Debug)]
pub(crate) struct HeadClock {
    limits: Limits,
    /// The end of all patience, whatever moves.
    ends: Instant,
    deadline: Instant,
    progress: Option<Progress>,
    seen: u64,
}

impl HeadClock {
    /// Starts now. Without `progress` the request is taken as a whole.
    pub(crate) fn start(limits: Limits, progress: Option<Progress>, now: Instant) -> Self {
        let ends = now + limits.total;
        Self { limits, ends, deadline: ends.min(now + limits.head), progress, seen: 0 }
    }

    /// Ready when the region is late.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut LazyTimer) -> Poll<()> {
        loop {
            ready!(timer.poll(cx, self.deadline));
            let taken = self.progress.as_ref().map_or(0, Progress::taken);
            if taken == self.seen || self.deadline >= self.ends {
                return Poll::Ready(());
            }
            self.seen = taken;
            self.deadline = self.ends.min(Instant::now() + self.limits.head);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_body_that_moves_gives_the_region_its_time_again_but_not_for_ever() {
        let limits = Limits {
            connect: SECOND,
            tls: SECOND,
            head: 2 * SECOND,
            write: SECOND,
            total: 5 * SECOND,
        };
        for (moves, seconds) in [(0, 2), (1, 4), (2, 5), (9, 5)] {
            let progress = Progress::default();
            let start = Instant::now();
            let mut clock = HeadClock::start(limits, Some(progress.clone()), start);
            let mut timer = LazyTimer::default();
            let mut late = std::pin::pin!(poll_fn(|cx| clock.poll(cx, &mut timer)));
            for _ in 0..moves {
                let _ = tokio::time::timeout(SECOND * 3 / 2, &mut late).await;
                progress.took(1);
            }
            late.as_mut().await;
            assert_eq!((Instant::now() - start).as_secs(), seconds, "{moves} moves");
        }
    }
}
