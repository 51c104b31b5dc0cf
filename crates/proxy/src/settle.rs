//! The end of a request, however it comes: metrics, the log line, what the ranking is told.
//!
//! A guard from the first step on. It settles when dropped, so a client that leaves is counted too,
//! and in-flight numbers always come back.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use nearway_route::{
    Awaited, Entry, Failure, Lack, Moment, Outcome, Ranking, Sample, Shape, Source, Vitals, Wait,
};
use nearway_telemetry::{
    Failover, HedgeEvent, RequestLine, RequestOutcome, credential_refused, failover, request_line,
    request_lines_enabled,
};
use nearway_upstream::{Fault, FaultKind, Side};
use nearway_wire::quota::nearly_spent;
use nearway_wire::remarks::Remarks;
use tokio::time::{Instant, sleep_until};

use crate::Report;
use crate::attempted::{Attempted, Whose};
use crate::budgets::Beside;
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
    // its size and kind
    shape: Shape,
    wants_reason: bool,
    received: Duration,
    // time in which others were at work: the client sending its body, a region thinking
    waited: Duration,
    current: Option<Attempted>,
    // regions that say that they lack what this request needs
    lacking: Vec<Arc<Vitals>>,
    // beside it, if it is late or stuck
    hedge: Option<(Attempted, Beside)>,
    // the slower one was on its way when the other answered
    sent_twice: bool,
    attempts: u32,
    // the answer is that of an earlier attempt
    answering: Option<usize>,
    status: Option<StatusCode>,
    added: Option<Duration>,
    outcome: Option<RequestOutcome>,
    first_token: Option<Duration>,
    // why its times teach nothing
    unlike: bool,
    // tokens of the answer
    output: u32,
    // when its last byte was here
    ended: Option<Duration>,
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
            shape: Shape::PROBE,
            wants_reason: false,
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
            unlike: false,
            output: 0,
            ended: None,
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
        self.shape = identity.shape;
        self.wants_reason = identity.wants_reason;
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

    fn attempted(&mut self, mut choice: Choice, elapsed: Duration) -> Attempted {
        self.attempts += 1;
        let sent = self.received + elapsed;
        if self.shape.streams && self.prepared.thinks(self.deployment_place, sent) {
            // what probes take is no measure of how long it thinks
            choice.expected = None;
        }
        Attempted::begin(choice, self.shape, self.deployment_place, sent, self.prepared.clone())
    }

    /// Whether a further region may be asked, when so much has elapsed.
    pub(crate) fn may_retry(&self, elapsed: Duration) -> bool {
        let allowed = self.shared.budgets.allows_retry(self.moment(elapsed));
        if !allowed {
            self.shared.metrics.retry_refused();
        }
        allowed
    }

    /// A second region is about to be asked beside the one at work; false if that is beyond the budget.
    pub(crate) fn asking_beside(
        &mut self,
        choice: Choice,
        beside: Beside,
        elapsed: Duration,
    ) -> bool {
        let allowed = self.shared.budgets.allows(beside, self.moment(elapsed));
        if allowed {
            self.hedge = Some((self.attempted(choice, elapsed), beside));
            self.count_beside(beside, HedgeEvent::Started);
        }
        allowed
    }

    fn count_beside(&self, beside: Beside, event: HedgeEvent) {
        match beside {
            Beside::Hedge => self.shared.metrics.hedged(event),
            Beside::Rescue => self.shared.metrics.rescued(event),
        }
    }

    /// Of the two the one that does not win was bad, too: [`Self::blame`] for it.
    pub(crate) fn blame_loser(
        &mut self,
        winner: Winner,
        fault: &Fault,
        side: Side,
        retry_after: Option<Duration>,
    ) {
        let loser = match winner {
            Winner::First => self.hedge.as_ref().map(|(attempt, _)| attempt),
            Winner::Second => self.current.as_ref(),
        };
        let lacking = loser.and_then(|loser| self.blame_for(loser, fault, side, retry_after));
        self.lacking.extend(lacking);
    }

    /// One of the two has answered; the second one was asked when the first had taken `after`. The
    /// other one is `cancelled` unless it had failed.
    pub(crate) fn hedged(&mut self, winner: Winner, after: Duration, cancelled: bool) {
        let Some((hedge, beside)) = self.hedge.take() else { return };
        self.sent_twice |= cancelled;
        let loser = match winner {
            Winner::First => {
                self.count_beside(beside, HedgeEvent::Wasted);
                Some(hedge)
            }
            Winner::Second => {
                self.count_beside(beside, HedgeEvent::Won);
                self.waited(after);
                self.current.replace(hedge)
            }
        };
        if let Some(loser) = loser.filter(|_| cancelled) {
            let now = self.shared.clock.now();
            self.report(&loser, now, Outcome::GivenUp { after: now.saturating_sub(loser.sent) });
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
        let attempt = self.current.as_ref();
        let lacking = attempt.and_then(|one| self.blame_for(one, fault, side, retry_after));
        self.lacking.extend(lacking);
    }

    /// The same for one attempt. Returns its vitals if it says that it lacks what the request needs.
    fn blame_for(
        &self,
        attempt: &Attempted,
        fault: &Fault,
        side: Side,
        retry_after: Option<Duration>,
    ) -> Option<Arc<Vitals>> {
        let settings = &self.prepared.settings;
        let now = self.shared.clock.now();
        let whose = match side {
            Side::Client | Side::Nearway | Side::Nobody => return None,
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
            Lesson::None | Lesson::Throttled | Lesson::Lacking => {}
            Lesson::Unauthorized => {
                // said once, not for each request that finds out
                if vitals.unauthorized_for(Moment::from(now)).is_none()
                    && let Some(target) = settings.regions.get(attempt.place)
                {
                    credential_refused(target.region.name());
                }
                vitals.unauthorized_until(until(settings.unauthorized_for));
            }
            Lesson::Failing(failure) => attempt.failed(whose, failure, reason, now),
        }
        let after = now.saturating_sub(attempt.sent);
        self.report(attempt, now, Outcome::Failure { reason, after, retry_after });
        // another region may say the same: then the request was wrong
        (lesson == Lesson::Lacking).then(|| attempt.vitals.clone())
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
        let hedge = self.hedge.as_ref().map(|(attempt, _)| attempt);
        let attempt = hedge.or(self.current.as_ref());
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

    /// Ends when the region that is asked keeps the request for much too long; `None` where nothing tells
    /// what is too long.
    pub(crate) fn stuck<'t>(
        &self,
        ranking: &'t Ranking,
    ) -> Option<impl Future<Output = ()> + use<'t>> {
        let (attempt, shape) = (self.current.as_ref()?, self.shape);
        let expected = attempt.expected?;
        let region = self.prepared.settings.regions.get(attempt.place)?.id;
        let typical = ranking.lead(shape.class())?.typical;
        let is_asked = |entry: &&Entry| entry.region == region;
        let entry = ranking.order.iter().find(is_asked)?;
        let (shared, sent) = (self.shared.clone(), attempt.sent);
        Some(async move {
            let so_far = || shared.clock.now().saturating_sub(sent);
            let began = Instant::now();
            let [first, second] = Wait::looks(expected).map(|look| {
                let left = look.saturating_sub(so_far());
                // a wait that can't be told is none that ends
                began.checked_add(left).unwrap_or_else(|| began + FOREVER)
            });
            sleep_until(first).await;
            loop {
                let wait = Wait { expected, so_far: so_far().as_secs_f64() * 1_000.0 };
                let now = Moment::from(shared.clock.now());
                if entry.is_stuck(wait, shape, &typical, now) {
                    return;
                }
                tokio::select! {
                    () = shared.look.notified() => {}
                    () = sleep_until(second), if Instant::now() < second => {}
                }
            }
        })
    }

    /// Ends with the worker's next look.
    pub(crate) fn next_look(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move { shared.look.notified().await }
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

    /// The answer begins: whether its tokens can be seen as they come, and whether another deployment
    /// than the one that was asked for makes it.
    pub(crate) fn begins(&mut self, shows_tokens: bool, spilled: bool) {
        self.unlike |= spilled;
        let Some(attempt) = &mut self.current else { return };
        // it is not the one that was expected
        if shows_tokens != attempt.asked.shape.streams {
            attempt.pends_no_more();
        }
        attempt.asked.shape.streams = shows_tokens;
    }

    /// No answer follows but a connection, for as long as both sides like.
    pub(crate) fn tunnels(&mut self) {
        self.unlike = true;
        if let Some(attempt) = &mut self.current {
            attempt.pends_no_more();
        }
    }

    /// The first content token is here, after the model has thought if it `thinks`.
    pub(crate) fn first_token(&mut self, thinks: bool) {
        self.awaits(None);
        if thinks {
            self.prepared.thought(self.deployment_place, self.shared.clock.now());
        }
        let Some(attempt) = &mut self.current else { return };
        attempt.pends_no_more();
        let after = self.shared.clock.now().saturating_sub(attempt.sent);
        self.first_token = Some(after);
        self.prepared.route(Some(attempt.place), self.deployment_place).first_token(after);
    }

    /// What the end of the answer says of it.
    pub(crate) fn remarked(&mut self, remarks: Remarks) {
        let Remarks { output, reasoning, cached, filtered, other_tier } = remarks;
        self.output = output;
        self.unlike |= cached || other_tier || (filtered && self.first_token.is_none());
        if reasoning > 0 && self.first_token.is_some() {
            self.prepared.thought(self.deployment_place, self.shared.clock.now());
        }
    }

    /// The answer went out to its end.
    pub(crate) fn finish_as_answered(&mut self) {
        let status = self.status.unwrap_or(StatusCode::OK);
        self.finish(RequestOutcome::of_status(status.as_u16()));
    }

    /// How it ended; the first word counts.
    pub(crate) fn finish(&mut self, outcome: RequestOutcome) {
        self.ended.get_or_insert_with(|| self.shared.clock.now());
        if let Some(attempt) = &mut self.current {
            attempt.pends_no_more();
        }
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

    /// Why the region that answers is the one, for a client that wants to know.
    pub(crate) fn reason_header(&self) -> Option<HeaderValue> {
        let (why, verdict) = self.current.as_ref().filter(|_| self.wants_reason)?.reason;
        HeaderValue::try_from(format!("{}; {}", why.as_str(), verdict.as_str())).ok()
    }

    /// What a good answer teaches: its times, unless they say nothing of the next one's.
    fn lesson_of(&self, attempt: &Attempted, now: Duration) -> Outcome {
        let total = self.ended.unwrap_or(now).saturating_sub(attempt.sent);
        let first_token = self.first_token;
        let thinks = first_token.is_some() && self.prepared.thinks(self.deployment_place, now);
        if self.unlike || thinks {
            return Outcome::Reachable { head: first_token.unwrap_or(total) };
        }
        Outcome::Answer { first_token, total, tokens: self.output }
    }

    fn report(&self, attempt: &Attempted, now: Duration, outcome: Outcome) {
        let settings = &self.prepared.settings;
        let Some(target) = settings.regions.get(attempt.place) else { return };
        let report = Report {
            region: target.id,
            deployment: settings.metric_deployments.get(self.deployment_place).cloned(),
            sample: Sample {
                at: Moment::from(now),
                source: Source::Live,
                asked: attempt.asked,
                outcome,
            },
        };
        self.shared.reports.push(report, &self.shared.metrics);
    }
}

/// Longer than any request lasts.
const FOREVER: Duration = Duration::from_secs(1 << 30);

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
                self.report(attempt, now, self.lesson_of(attempt, now));
            }
            (RequestOutcome::Truncated | RequestOutcome::FailedStream, Some(attempt)) => {
                let reason = match outcome {
                    RequestOutcome::FailedStream => FaultKind::ServerError.as_str(),
                    _ => FaultKind::Truncated.as_str(),
                };
                attempt.failed(Whose::Deployment, Failure::Fault, reason, now);
                let after = now.saturating_sub(attempt.sent);
                self.report(attempt, now, Outcome::Failure { reason, after, retry_after: None });
            }
            (RequestOutcome::ClientGone, Some(attempt)) => {
                let hedge = self.hedge.as_ref().map(|(attempt, _)| attempt);
                for attempt in hedge.into_iter().chain([attempt]) {
                    if let Some(after) = attempt.in_vain(now) {
                        self.report(attempt, now, Outcome::GivenUp { after });
                    }
                }
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
