//! When a connection was last asked for something: what an idle one is closed by.
//!
//! `serve.rs` keeps one for each connection. An answer under way does not count: the connection is
//! closed behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::guarded::Guarded;

/// The latest request; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Latest(Arc<Guarded<Instant>>);

impl Latest {
    /// The connection begins.
    pub(crate) fn now() -> Self {
        Self(Arc::new(Guarded::new(Instant::now())))
    }

    /// A request came.
    pub(crate) fn asked(&self) {
        self.0.with(|latest| *latest = Instant::now());
    }

    /// Waits until no request has come for so long.
    pub(crate) async fn is_over(&self, after: Duration) {
        loop {
            let ends = self.0.with(|latest| *latest) + after;
            if ends <= Instant::now() {
                return;
            }
            sleep_until(ends).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_request_begins_the_wait_anew() {
        let latest = Latest::now();
        let began = Instant::now();
        let asks = async {
            sleep_until(began + Duration::from_secs(1)).await;
            latest.asked();
        };
        tokio::join!(asks, latest.is_over(AFTER));
        assert_eq!(Instant::now() - began, Duration::from_secs(3));
    }
}
