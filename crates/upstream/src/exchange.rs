//! One request on one HTTP/1.1 connection: handed over at once, then waited for.
//!
//! The two are apart so that what waits holds no request: requests are large, futures are moved,
//! and every layer that awaits another would carry its own copy. The pool calls this.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::head_clock::HeadClock;
use crate::http1::{Conn, Head, HeadFailure, Outbound, Upload};
use crate::reply::Source;
use crate::{Fault, FaultKind, Interim, Limits, RegionBody, Reply, Returned, Sent, Timing};

/// A request that was handed to its connection.
pub(crate) struct Exchange<'i> {
    conn: Box<Conn>,
    before: u64,
    started: Instant,
    clock: HeadClock,
    total: Duration,
    let_others: bool,
    interim: Option<&'i Interim>,
}

/// What an exchange ends with; no failure, but no head either, when time is up.
pub(crate) type Outcome = Result<Head, Option<HeadFailure>>;

impl<'i> Exchange<'i> {
    /// Hands the request over; nothing is awaited. Interim answers go to `interim`.
    pub(crate) fn new(
        mut conn: Box<Conn>,
        request: Outbound,
        limits: Limits,
        interim: Option<&'i Interim>,
        now: Instant,
    ) -> Self {
        let before = conn.written();
        let clock = HeadClock::start(limits, conn.begin(request, limits.write), now);
        Self { conn, before, started: now, clock, total: limits.total, let_others: true, interim }
    }

    /// Waits for the response head within the limits.
    ///
    /// # Errors
    /// Why there is none, and the request if it surely did not leave.
    pub(crate) async fn reply(
        mut self,
        timing: Timing,
        tasks: &TaskTracker,
    ) -> Result<Box<Reply>, (Fault, Option<Box<Outbound>>)> {
        let outcome = poll_fn(|cx| self.poll_outcome(cx)).await;
        self.conclude(outcome, timing, tasks)
    }

    /// What came of it. Nothing is sent before all tasks that are ready now have had their turn.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        // requests that arrived together leave together, which wakes their receiver once
        if std::mem::take(&mut self.let_others) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.conn.poll_head(cx, self.interim) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map_err(Some)),
            Poll::Pending => self.clock.poll(cx, &mut self.conn.late).map(|()| Err(None)),
        }
    }

    /// The reply, or why there is none; `tasks` sends the rest of a request that was answered early.
    pub(crate) fn conclude(
        self,
        outcome: Outcome,
        mut timing: Timing,
        tasks: &TaskTracker,
    ) -> Result<Box<Reply>, (Fault, Option<Box<Outbound>>)> {
        let reused = timing.connect.is_none();
        timing.head = Instant::now() - self.started;
        let failure = match outcome {
            Ok(head) => {
                let source = if self.conn.is_sending() {
                    Source::Uploading(Upload::start(self.conn, self.total, tasks))
                } else {
                    Source::Http1(self.conn)
                };
                let response = head.with(RegionBody::new(source));
                return Ok(Box::new(Reply { response, timing }));
            }
            Err(failure) => failure,
        };
        let untouched = self.conn.written() == self.before;
        let sent = match untouched {
            true => Sent::Nothing,
            false if self.conn.is_sending() => Sent::Part,
            false => Sent::All,
        };
        let (kind, detail) = match failure {
            None => return Err((late(timing.head, sent, reused), None)),
            Some(HeadFailure::Malformed(malformed)) => {
                (FaultKind::Malformed, malformed.to_string())
            }
            Some(HeadFailure::Body(detail)) => (FaultKind::ClientBody, detail),
            Some(HeadFailure::Stuck(limit)) => return Err((stuck(limit, sent, reused), None)),
            Some(HeadFailure::Socket(error)) => (FaultKind::Reset, error.to_string()),
        };
        let goes_on = kind == FaultKind::Reset && untouched && reused;
        let unsent = goes_on.then(|| Box::new(self.conn.take_back()));
        Err((Fault { kind, sent, returned: Returned::Nothing, reused, detail }, unsent))
    }
}

/// The fault of a region that did not begin to answer in time.
pub(crate) fn late(waited: Duration, sent: Sent, reused: bool) -> Fault {
    let detail = format!("no response head within {waited:?}");
    let returned = Returned::Nothing;
    Fault { kind: FaultKind::HeadTimeout, sent, returned, reused, detail }
}

/// The fault of a region that left the request lying.
pub(crate) fn stuck(limit: Duration, sent: Sent, reused: bool) -> Fault {
    let detail = format!("it took no byte of the request for {limit:?}");
    let returned = Returned::Nothing;
    Fault { kind: FaultKind::WriteTimeout, sent, returned, reused, detail }
}
