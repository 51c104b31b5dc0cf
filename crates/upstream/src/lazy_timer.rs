//! A deadline that is nearly always met by something else: it costs timer work only when it isn't.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for one deadline after the other.
///
/// It is set anew only when it must fire earlier, or has fired. The very first time it is asked, it
/// asks to be asked again: what is about to happen anyway happens in between, and then no timer was
/// ever made.
#[derive(Debug, Default)]
pub struct LazyTimer {
    asked: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl LazyTimer {
    /// Ready once `deadline` has passed; until then the task is woken when it does.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if !self.asked {
            self.asked = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        // a task that always has something to read must not have it put off until it hasn't
        while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::task::coop::poll_proceed;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_its_deadline_whatever_was_asked_before() {
        let mut timer = LazyTimer::default();
        let start = Instant::now();
        for seconds in [60, 60, 5, 30] {
            let _ = poll_fn(|cx| Poll::Ready(timer.poll(cx, start + SECOND * seconds))).await;
        }
        for seconds in [5, 30] {
            let deadline = start + SECOND * seconds;
            poll_fn(|cx| timer.poll(cx, deadline)).await;
            assert_eq!((Instant::now() - start).as_secs(), u64::from(seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_used_up_its_turn_is_told_all_the_same() {
        let mut timer = LazyTimer::default();
        let deadline = Instant::now() + SECOND;
        for _ in 0..2 {
            let _ = poll_fn(|cx| Poll::Ready(timer.poll(cx, deadline))).await;
        }
        advance(SECOND).await;
        let told = poll_fn(|cx| {
            while let Poll::Ready(used) = poll_proceed(cx) {
                used.made_progress();
            }
            Poll::Ready(timer.poll(cx, deadline))
        });
        assert!(told.await.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_question_makes_no_timer() {
        let mut timer = LazyTimer::default();
        let deadline = Instant::now() + SECOND;
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, deadline))).await.is_pending());
        assert!(timer.timer.is_none());
        poll_fn(|cx| timer.poll(cx, deadline)).await;
        assert!(Instant::now() >= deadline);
    }
}
