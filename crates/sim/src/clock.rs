//! The one place that reads the wall clock: when the world began.
//!
//! Everything else asks for the time since then. A simulator has to print real dates (`created`,
//! `Retry-After` as an HTTP date), since clients compare them with their own clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Both clocks at the beginning of the world; times later on come from the monotonic one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_wall: SystemTime,
}

impl Clock {
    /// The world begins now.
    #[expect(clippy::disallowed_methods, reason = "answers carry real dates; read once, here")]
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_wall: SystemTime::now() }
    }

    /// Time since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    /// The date and time now.
    pub(crate) fn wall(&self) -> SystemTime {
        self.started_wall + self.elapsed()
    }

    /// Seconds since 1970, as `created` in answers.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}
