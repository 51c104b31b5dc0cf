//! Two attempts at one request: the first good one is the answer. The other is dropped, which cancels
//! it, or was bad already, which is told.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Whose result it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    First,
    Second,
}

/// How two attempts ended.
#[derive(Debug)]
pub(crate) struct Raced<A> {
    pub(crate) winner: Winner,
    pub(crate) result: A,
    /// The result of the other, if it was there before and bad.
    pub(crate) lost: Option<A>,
}

/// The first result that is good; when neither is, that of `first`.
pub(crate) async fn race<A>(
    first: impl Future<Output = A>,
    second: impl Future<Output = A>,
    is_good: impl Fn(&A) -> bool,
) -> Raced<A> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut bad_first, mut bad_second) = (None, None);
    poll_fn(|cx| {
        if bad_first.is_none()
            && let Poll::Ready(result) = first.as_mut().poll(cx)
        {
            if is_good(&result) || bad_second.is_some() {
                let lost = bad_second.take();
                return Poll::Ready(Raced { winner: Winner::First, result, lost });
            }
            bad_first = Some(result);
        }
        if bad_second.is_none()
            && let Poll::Ready(second) = second.as_mut().poll(cx)
        {
            let (winner, result, lost) = match bad_first.take() {
                first if is_good(&second) => (Winner::Second, second, first),
                Some(first) => (Winner::First, first, Some(second)),
                None => {
                    bad_second = Some(second);
                    return Poll::Pending;
                }
            };
            return Poll::Ready(Raced { winner, result, lost });
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::Winner::{First, Second};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_good_one_wins() {
        // milliseconds and whether it is good, of both; who wins, and when, and what the other brought
        let cases = [
            ((10, true), (20, true), First, 10, None),
            ((20, true), (10, true), Second, 10, None),
            ((10, false), (20, true), Second, 20, Some(10)),
            ((20, true), (10, false), First, 20, Some(10)),
            ((10, false), (20, false), First, 20, Some(20)),
            ((20, false), (10, false), First, 20, Some(10)),
        ];
        for (first, second, winner, millis, bad) in cases {
            let began = Instant::now();
            let run = async |(millis, good): (u64, bool)| {
                sleep(Duration::from_millis(millis)).await;
                (millis, good)
            };
            let raced = race(run(first), run(second), |(_, good)| *good).await;
            assert_eq!(
                (raced.winner, (Instant::now() - began).as_millis()),
                (winner, millis),
                "{first:?} {second:?}"
            );
            assert_eq!(raced.result, if winner == First { first } else { second });
            assert_eq!(raced.lost, bad.map(|took| (took, false)), "{first:?} {second:?}");
        }
    }
}
