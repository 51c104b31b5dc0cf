//! The clocks of one exchange with a region, kept apart and never mixed.
//!
//! Everything is a [`Duration`] since the process' own epoch or since the start of the exchange;
//! pure crates turn the former into their moment type. The first content token and the last byte
//! are seen by whoever reads the body, not here.

use std::time::Duration;

use tokio::time::Instant;

use crate::connect::Connected;

/// Reads the runtime's clock as time since an epoch of the process' own.
///
/// Copies share the epoch, so their readings can be compared. Tests that pause the runtime's clock
/// pause this one too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
    /// What it said at its epoch.
    began_at: Duration,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(Duration::ZERO)
    }

    /// A clock that says `time` now: so much of the time before the process has readings, too.
    #[must_use]
    pub fn start_at(time: Duration) -> Self {
        Self { epoch: Instant::now(), began_at: time }
    }

    /// Time since the epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.epoch).saturating_add(self.began_at)
    }
}

/// What one exchange took until the response head; each part counted for itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// Resolving the name and opening the TCP connection; `None` on a reused connection.
    pub connect: Option<Duration>,
    /// The TLS handshake; `None` on a reused or a plain connection.
    pub tls: Option<Duration>,
    /// From handing the request to the open connection until its response head.
    pub head: Duration,
}

impl Timing {
    /// Of a request on a connection that was opened for it.
    pub(crate) fn opening(connected: &Connected) -> Self {
        Self { connect: Some(connected.connect), tls: connected.tls, head: Duration::ZERO }
    }

    /// Everything until the response head, connecting included.
    #[must_use]
    pub fn until_head(&self) -> Duration {
        self.connect.unwrap_or_default() + self.tls.unwrap_or_default() + self.head
    }
}
