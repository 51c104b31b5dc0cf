//! The end of a request, however it comes: metrics, the log line, what the ranking is told.
//!
//! A guard from the first step on. It settles when dropped, so a client that leaves is counted too,
//! and in-flight numbers always come back.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use nearway_route::{Asked, Awaited, Failure, Lack, Moment, Outcome, Sample, Source, Vitals};
use nearway_telemetry::{
    Failover, HedgeEvent, RequestLine, RequestOutcome, credential_refused, failover, request_line,
    request_lines_enabled,
};
use nearway_upstream::{Fault, FaultKind, Side};
use nearway_wire::quota::nearly_spent;

use crate::Report;
use crate::attempted::{Attempted, Whose};
use crate::choose::Choice;
use crate::client_io::Busy;
use crate::identify::Identity;
use crate::race::Winner;
use crate::refuse::Tried;
use crate::retry::{Lesson, lesson};
use crate::worker::{Prepared, Shared};

/// The account of one request.
#[derive(Debug)]
pub(crate) struct Settle {
    shared: Rc<Shared>,
    prepared: Rc<Prepared>,
    busy: Busy,
    // only if requests are logged: it keeps the buffer alive that the head was read into
    line: Option<(Method, Uri)>,
    client: Option<usize>,
    operation: &'static str,
    lack: Lack,
    deployment: Option<Rc<str>>,
    deployment_place: usize,
    received: Duration,
    // time in which others were at work: the client sending its body, a region thinking
    waited: Duration,
    current: Option<Attempted>,
    // regions that say that they lack what this request needs
    lacking: Vec<Arc<Vitals>>,
    // beside it, if it is late
    hedge: Option<Attempted>,
    // the slower one was on its way when the other answered
    sent_twice: bool,
    attempts: u32,
    // the answer is that of an earlier attempt
    answering: Option<usize>,
    status: Option<StatusCode>,
    added: Option<Duration>,
    outcome: Option<RequestOutcome>,
    first_token: Option<Duration>,
    bytes_in: u64,
    bytes_out: u64,
}

impl Settle {
    pub(crate) fn begin(
        shared: Rc<Shared>,
        prepared: Rc<Prepared>,
        busy: Busy,
        method: &Method,
        uri: &Uri,
    ) -> Box<Self> {
        let received = shared.clock.now();
        shared.budgets.deposit(Moment::from(received));
        let deployment_place = prepared.deployment_place(None);
        let logged = prepared.settings.log_requests && request_lines_enabled();
        let line = logged.then(|| (method.clone(), uri.clone()));
        // boxed: it is large and goes from step to step
        Box::new(Self {
            shared,
            prepared,
            busy,
            line,
            client: None,
            operation: "other",
            lack: Lack::DEPLOYMENT,
            deployment: None,
            deployment_place,
            received,
            waited: Duration::ZERO,
            current: None,
            lacking: Vec::new(),
            hedge: None,
            sent_twice: false,
            attempts: 0,
            answering: None,
            status: None,
            added: None,
            outcome: None,
            first_token: None,
            bytes_in: 0,
            bytes_out: 0,
        })
    }

    /// Since the request's head was read.
    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.clock.now().saturating_sub(self.received)
    }

    /// The moment when so much had elapsed.
    pub(crate) fn moment(&self, elapsed: Duration) -> Moment {
        Moment::from(self.received + elapsed)
    }

    pub(crate) fn prepared(&self) -> &Rc<Prepared> {
        &self.prepared
    }

    /// The client at this place sent it, where clients are configured.
    pub(crate) fn authenticated(&mut self, client: Option<usize>) {
        self.client = client;
    }

    pub(crate) fn identified(&mut self, identity: &Identity) {
        self.operation = identity.operation.as_str();
        self.lack = identity.lack();
        self.deployment.clone_from(&identity.deployment);
        self.deployment_place = self.prepared.deployment_place(identity.deployment.as_deref());
    }

    /// The client's body took this long to be read, and is this long as far as its head tells.
    pub(crate) fn body_read(&mut self, took: Duration, length: Option<u64>) {
        self.waited(took);
        self.bytes_in = length.unwrap_or_default();
    }

    /// A region is about to be asked, when so much has elapsed.
    pub(crate) fn attempting(&mut self, choice: Choice, elapsed: Duration) {
        self.current = Some(self.attempted(choice, elapsed));
    }

    fn attempted(&mut self, choice: Choice, elapsed: Duration) -> Attempted {
        self.attempts += 1;
        let sent = self.received + elapsed;
        Attempted::begin(choice, self.deployment_place, sent, self.prepared.clone())
    }

    /// Whether a further region may be asked, when so much has elapsed.
    pub(crate) fn may_retry(&self, elapsed: Duration) -> bool {
        let allowed = self.shared.budgets.allows_retry(self.moment(elapsed));
        if !allowed {
            self.shared.metrics.retry_refused();
        }
        allowed
    }

    /// A second region is about to be asked beside the one that is late; false if that is beyond
    /// the budget.
    pub(crate) fn hedging(&mut self, choice: Choice, elapsed: Duration) -> bool {
        let allowed = self.shared.budgets.allows_hedge(self.moment(elapsed));
        if allowed {
            self.hedge = Some(self.attempted(choice, elapsed));
            self.shared.metrics.hedged(HedgeEvent::Started);
        }
        allowed
    }

    /// Of the two the one that does not win was bad, too: [`Self::blame`] for it.
    pub(crate) fn blame_loser(
        &mut self,
        winner: Winner,
        fault: &Fault,
        side: Side,
        retry_after: Option<Duration>,
    ) {
        if winner == Winner::First {
            std::mem::swap(&mut self.current, &mut self.hedge);
        }
        self.blame(fault, side, retry_after);
        if winner == Winner::First {
            std::mem::swap(&mut self.current, &mut self.hedge);
        }
    }

    /// One of the two has answered; the second one was asked when the first had taken `after`. The
    /// other one is `cancelled` unless it had failed.
    pub(crate) fn hedged(&mut self, winner: Winner, after: Duration, cancelled: bool) {
        let hedge = self.hedge.take();
        self.sent_twice |= cancelled;
        match winner {
            Winner::First => self.shared.metrics.hedged(HedgeEvent::Wasted),
            Winner::Second => {
                self.shared.metrics.hedged(HedgeEvent::Won);
                self.waited(after);
                self.current = hedge;
            }
        }
    }

    /// Whether a second region was at work on the request in vain.
    pub(crate) fn was_sent_twice(&self) -> bool {
        self.sent_twice
    }

    /// Its prompt had so many tokens.
    pub(crate) fn lost_prompt(&mut self, tokens: u32) {
        self.sent_twice = false;
        self.shared.metrics.hedge_prompt(tokens);
    }

    /// The region that is asked, or was last.
    pub(crate) fn place(&self) -> Option<usize> {
        self.current.as_ref().map(|attempt| attempt.place)
    }

    /// How much had elapsed when the attempt under way began.
    pub(crate) fn began(&self) -> Duration {
        let sent = self.current.as_ref().map_or(self.received, |attempt| attempt.sent);
        sent.saturating_sub(self.received)
    }

    /// A region was at work for so long: it has answered, or the attempt has failed.
    pub(crate) fn waited(&mut self, took: Duration) {
        self.waited += took;
    }

    /// Marks whom the fault belongs to: what acts on the next request of every worker, and a report
    /// to the ranking. What the client earned marks nobody.
    pub(crate) fn blame(&mut self, fault: &Fault, side: Side, retry_after: Option<Duration>) {
        let Some(attempt) = &self.current else { return };
        let settings = &self.prepared.settings;
        let now = self.shared.clock.now();
        let whose = match side {
            Side::Client | Side::Nearway | Side::Nobody => return,
            Side::Region => Whose::Region,
            Side::Deployment => {
                // a region that answers badly can be reached all the same
                attempt.answered(Whose::Region, now);
                Whose::Deployment
            }
        };
        let vitals = attempt.vitals_of(whose);
        let reason = fault.kind.as_str();
        let until = |rest| Moment::from(now + rest);
        let lesson = lesson(fault.kind);
        if lesson == Lesson::Throttled || retry_after.is_some() {
            let pause = settings.cooldown.throttled(retry_after);
            vitals.refused(Moment::from(now), pause, settings.cooldown.cap);
        }
        match lesson {
            Lesson::None | Lesson::Throttled => {}
            Lesson::Unauthorized => {
                // said once, not for each request that finds out
                if vitals.unauthorized_for(Moment::from(now)).is_none()
                    && let Some(target) = settings.regions.get(attempt.place)
                {
                    credential_refused(target.region.name());
                }
                vitals.unauthorized_until(until(settings.unauthorized_for));
            }
            // another region may say the same: then the request was wrong
            Lesson::Lacking => self.lacking.push(attempt.vitals.clone()),
            Lesson::Failing(failure) => attempt.failed(whose, failure, reason, now),
        }
        let after = now.saturating_sub(attempt.sent);
        self.report(now, Outcome::Failure { reason, after, retry_after });
    }

    /// What was awaited has come; the next is `awaited`, if anything.
    pub(crate) fn awaits(&mut self, awaited: Option<Awaited>) {
        if let Some(attempt) = &mut self.current {
            attempt.awaits(awaited, Moment::from(self.shared.clock.now()));
        }
    }

    /// Ends when the region that was asked last has stopped to answer anybody.
    pub(crate) fn silence(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        let attempt = self.hedge.as_ref().or(self.current.as_ref());
        let watched = attempt.map(|attempt| (attempt.vitals.clone(), attempt.slowest));
        async move {
            let Some((vitals, usual)) = watched else { return pending().await };
            loop {
                shared.look.notified().await;
                if vitals.is_silent(usual, Moment::from(shared.clock.now())) {
                    return;
                }
            }
        }
    }

    /// What the region says of its quota: when little is left, others come first.
    pub(crate) fn quota(&self, headers: &HeaderMap) {
        if let (Some(attempt), Some(spent)) = (&self.current, nearly_spent(headers)) {
            let spent = spent.min(self.prepared.settings.cooldown.cap);
            attempt.vitals.nearly_spent_until(Moment::from(self.shared.clock.now() + spent));
        }
    }

    /// The request goes on to another region.
    pub(crate) fn failing_over(&self, failed: &Tried, place: usize, to: &str) {
        let reason = failed.kind.as_str();
        if let Some(attempt) = &self.current {
            self.prepared.failed_over(attempt.place, place, reason);
        }
        let sent = self.current.as_ref().map_or(Duration::ZERO, |attempt| attempt.sent);
        failover(&Failover {
            from: &failed.region,
            to,
            reason,
            after: self.shared.clock.now().saturating_sub(sent),
            attempt: self.attempts + 1,
            deployment: self.deployment.as_deref(),
        });
    }

    /// The head of the answer is on its way to the client; tells how much has elapsed.
    pub(crate) fn answered(&mut self, status: StatusCode) -> Duration {
        self.status = Some(status);
        let elapsed = self.elapsed();
        if status.is_success() {
            let until = self.moment(elapsed + self.prepared.settings.lacking_for);
            self.lacking.iter().for_each(|vitals| vitals.lack_until(self.lack, until));
        }
        let added = elapsed.saturating_sub(self.waited);
        self.added = Some(added);
        self.shared.metrics.added_time(added);
        elapsed
    }

    /// Nearway answers itself.
    pub(crate) fn refused(&mut self, status: StatusCode, code: &'static str) {
        self.status = Some(status);
        self.shared.metrics.refused(code);
        let outcome = match status.as_u16() {
            502 | 504 => RequestOutcome::UpstreamFault,
            _ => RequestOutcome::Refused,
        };
        self.finish(outcome);
    }

    /// Bytes of the answer went to the client.
    pub(crate) fn passed(&mut self, bytes: usize) {
        self.bytes_out += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// The first content token is here.
    pub(crate) fn first_token(&mut self) {
        self.awaits(None);
        let Some(attempt) = &self.current else { return };
        let after = self.shared.clock.now().saturating_sub(attempt.sent);
        self.first_token = Some(after);
        self.prepared.route(Some(attempt.place), self.deployment_place).first_token(after);
    }

    /// The answer went out to its end.
    pub(crate) fn finish_as_answered(&mut self) {
        let status = self.status.unwrap_or(StatusCode::OK);
        self.finish(RequestOutcome::of_status(status.as_u16()));
    }

    /// How it ended; the first word counts.
    pub(crate) fn finish(&mut self, outcome: RequestOutcome) {
        if *self.outcome.get_or_insert(outcome) == RequestOutcome::Truncated {
            self.busy.cut();
        }
    }

    /// How many regions were asked.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The same as a header value; made at compile time for the numbers that occur.
    pub(crate) fn attempts_header(&self) -> HeaderValue {
        match self.attempts {
            1 => HeaderValue::from_static("1"),
            2 => HeaderValue::from_static("2"),
            3 => HeaderValue::from_static("3"),
            more => more.into(),
        }
    }

    /// The answer is that of the region at this place, whoever was asked last.
    pub(crate) fn answering_from(&mut self, place: usize) {
        self.answering = Some(place);
    }

    /// The name of the region that answers.
    pub(crate) fn region_header(&self) -> Option<&HeaderValue> {
        let asked = || self.current.as_ref().map(|last| last.place);
        self.prepared.name(self.answering.or_else(asked)?)
    }

    fn report(&self, now: Duration, outcome: Outcome) {
        let Some(attempt) = &self.current else { return };
        let settings = &self.prepared.settings;
        let Some(target) = settings.regions.get(attempt.place) else { return };
        let report = Report {
            region: target.id,
            deployment: settings.metric_deployments.get(self.deployment_place).cloned(),
            sample: Sample {
                at: Moment::from(now),
                source: Source::Live,
                asked: Asked::probe(0),
                outcome,
            },
        };
        self.shared.reports.push(report, &self.shared.metrics);
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.busy.end();
        let outcome = self.outcome.unwrap_or_else(|| match self.shared.drained.get() {
            true => RequestOutcome::DrainTimeout,
            false => RequestOutcome::ClientGone,
        });
        if self.outcome == Some(RequestOutcome::Ok) {
            // a stream may have had no token to wait for
            self.awaits(None);
        }
        let now = self.shared.clock.now();
        let total = now.saturating_sub(self.received);
        let place = self.current.as_ref().map(|attempt| attempt.place);
        self.prepared.route(place, self.deployment_place).ended(outcome, total);
        if let Some(client) = self.prepared.client(self.client) {
            client.ended(outcome);
        }
        match (outcome, &self.current) {
            (RequestOutcome::Ok, Some(attempt)) => {
                attempt.answered(Whose::Deployment, now);
                attempt.answered(Whose::Region, now);
                let (first_token, total) = (self.first_token, now.saturating_sub(attempt.sent));
                self.report(now, Outcome::Answer { first_token, total, tokens: 0 });
            }
            (RequestOutcome::Truncated | RequestOutcome::FailedStream, Some(attempt)) => {
                let reason = match outcome {
                    RequestOutcome::FailedStream => FaultKind::ServerError.as_str(),
                    _ => FaultKind::Truncated.as_str(),
                };
                attempt.failed(Whose::Deployment, Failure::Fault, reason, now);
                let after = now.saturating_sub(attempt.sent);
                self.report(now, Outcome::Failure { reason, after, retry_after: None });
            }
            _ => {}
        }
        if let Some((method, uri)) = &self.line {
            request_line(&RequestLine {
                method: method.as_str(),
                path: uri.path(),
                client: self.prepared.client_name(self.client),
                operation: self.operation,
                deployment: self.deployment.as_deref(),
                region: place
                    .and_then(|place| self.prepared.settings.regions.get(place))
                    .map(|target| target.region.name().as_ref()),
                attempts: self.attempts,
                status: self.status.map(|status| status.as_u16()),
                outcome,
                first_token: self.first_token,
                total,
                added: self.added.unwrap_or_default(),
                bytes_in: self.bytes_in,
                bytes_out: self.bytes_out,
            });
        }
    }
}
