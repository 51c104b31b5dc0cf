//! What the admin listener says of the process itself, kept current by the control thread.
//!
//! A snapshot that is replaced whole; the admin crate only reads it. The wall clock is read here
//! and only to show dates to people.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nearway_admin::{App, Status};
use nearway_config::Config;
use nearway_proxy::{SESSIONS, Settings};
use nearway_route::{Live, Moment, Table};
use nearway_telemetry::Metrics;
use nearway_upstream::Clock;
use nearway_wire::endpoint::Operation;

use crate::requests::InForceRequests;

/// The single writer of the status.
#[derive(Debug)]
pub(crate) struct Board {
    status: Arc<Live<Status>>,
    clock: Clock,
}

impl Board {
    /// The first configuration is in force and nothing is measured.
    pub(crate) fn new(config: &Config, clock: Clock) -> Self {
        let now = unix_ms();
        let patience = (config.probe.timeout * 2).clamp(FIRST_ROUND_LEAST, FIRST_ROUND_MOST);
        let status = Status {
            generation: 1,
            loaded_at_unix_ms: now,
            last_reload_error: None,
            restart_needed: Vec::new(),
            operations: operations(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_unix_ms: now,
            first_round_deadline: Moment::from(clock.now() + patience),
            first_round_done: false,
            draining: false,
        };
        Self { status: Arc::new(Live::new(Arc::new(status))), clock }
    }

    /// What the admin listener is served from.
    pub(crate) fn app(
        &self,
        table: Arc<Live<Table>>,
        metrics: Metrics,
        settings: Arc<Live<Settings>>,
    ) -> App {
        let clock = self.clock;
        App {
            table,
            metrics,
            clock: Arc::new(move || Moment::from(clock.now())),
            status: self.status.clone(),
            requests: Arc::new(InForceRequests { settings }),
        }
    }

    /// A configuration is in force; an error of an earlier one is history.
    pub(crate) fn loaded(&self, generation: u64, restart_needed: &[&str]) {
        let restart_needed = restart_needed.iter().map(|key| (*key).to_owned()).collect();
        self.change(|status| Status {
            generation,
            loaded_at_unix_ms: unix_ms(),
            last_reload_error: None,
            restart_needed,
            ..status
        });
    }

    /// The file holds what is in force already.
    pub(crate) fn unchanged(&self) {
        self.change(|status| Status { last_reload_error: None, ..status });
    }

    /// The file is wrong; what is in force stays.
    pub(crate) fn rejected(&self, problems: &str) {
        let last_reload_error = Some(problems.to_owned());
        self.change(|status| Status { last_reload_error, ..status });
    }

    /// Every region was probed once.
    pub(crate) fn first_round_done(&self) {
        self.change(|status| Status { first_round_done: true, ..status });
    }

    /// The process is about to end: no longer ready.
    pub(crate) fn drains(&self) {
        self.change(|status| Status { draining: true, ..status });
    }

    fn change(&self, change: impl FnOnce(Status) -> Status) {
        let status = Status::clone(&self.status.load());
        self.status.publish(Arc::new(change(status)));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "for people and for the next process; no wait is measured with it"
)]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Bounds of the wait for the first round: a region that hangs must not keep the others from
/// serving, and with a very short probe timeout a slow start is no failure.
const FIRST_ROUND_LEAST: Duration = Duration::from_secs(5);
const FIRST_ROUND_MOST: Duration = Duration::from_secs(30);

/// What a region can lack, by its number.
fn operations() -> Vec<&'static str> {
    let (_number, sessions) = SESSIONS;
    Operation::ALL.map(Operation::as_str).into_iter().chain([sessions]).collect()
}

#[cfg(test)]
mod tests {
    use nearway_route::Lack;

    use super::*;
    use crate::testing::config;

    #[test]
    fn a_rejected_file_is_shown_until_a_good_one_comes() {
        let board = Board::new(&config(""), Clock::start());
        board.rejected("config.yaml:1: empty");
        let status = board.status.load();
        assert_eq!(status.last_reload_error.as_deref(), Some("config.yaml:1: empty"));
        assert_eq!(status.generation, 1);
        board.loaded(2, &["workers"]);
        let status = board.status.load();
        assert_eq!(status.last_reload_error, None);
        assert_eq!((status.generation, status.restart_needed.len()), (2, 1));
    }

    #[test]
    fn an_operation_is_found_by_its_number() {
        let status = Board::new(&config(""), Clock::start()).status.load();
        for operation in Operation::ALL {
            let number = Lack::operation(operation as u8).as_operation().unwrap();
            assert_eq!(status.operations[usize::from(number)], operation.as_str());
        }
        assert_eq!(status.operations[usize::from(SESSIONS.0)], SESSIONS.1);
    }

    #[test]
    fn the_first_round_is_waited_for_within_bounds() {
        for (timeout, least, most) in [("100ms", 5, 6), ("8s", 16, 17), ("60s", 30, 31)] {
            let config = config(&format!("probe: {{timeout: {timeout}, interval: 5m}}"));
            let deadline = Board::new(&config, Clock::start()).status.load().first_round_deadline;
            let seconds = deadline.since(Moment::ZERO).as_secs();
            assert!((least..=most).contains(&seconds), "{timeout}: {seconds}");
        }
    }
}
