//! Two attempts at one request: the first good one is the answer, the other is dropped, which cancels
//! it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Whose result it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    First,
    Second,
}

/// The first result that is good; when neither is, that of `first`.
pub(crate) async fn race<A>(
    first: impl Future<Output = A>,
    second: impl Future<Output = A>,
    is_good: impl Fn(&A) -> bool,
) -> (Winner, A) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut bad_first = None;
    let mut second_is_bad = false;
    poll_fn(|cx| {
        if bad_first.is_none()
            && let Poll::Ready(result) = first.as_mut().poll(cx)
        {
            if is_good(&result) || second_is_bad {
                return Poll::Ready((Winner::First, result));
            }
            bad_first = Some(result);
        }
        if !second_is_bad && let Poll::Ready(result) = second.as_mut().poll(cx) {
            if is_good(&result) {
                return Poll::Ready((Winner::Second, result));
            }
            second_is_bad = true;
            if let Some(result) = bad_first.take() {
                return Poll::Ready((Winner::First, result));
            }
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
        // milliseconds and whether it is good, of both; who wins, and when
        let cases = [
            ((10, true), (20, true), First, 10),
            ((20, true), (10, true), Second, 10),
            ((10, false), (20, true), Second, 20),
            ((20, true), (10, false), First, 20),
            ((10, false), (20, false), First, 20),
            ((20, false), (10, false), First, 20),
        ];
        for (first, second, winner, millis) in cases {
            let began = Instant::now();
            let run = async |(millis, good): (u64, bool)| {
                sleep(Duration::from_millis(millis)).await;
                (millis, good)
            };
            let (won, (took, _)) = race(run(first), run(second), |(_, good)| *good).await;
            assert_eq!(
                (won, (Instant::now() - began).as_millis()),
                (winner, millis),
                "{first:?} {second:?}"
            );
            assert_eq!(took, if won == First { first.0 } else { second.0 });
        }
    }
}
