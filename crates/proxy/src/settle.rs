//! The end of a request, however it comes: metrics, the log line, what the ranking is told.
//!
//! A guard from the first step on. It settles when dropped, so a client that leaves is counted too,
//! and in-flight numbers always come back.

mod beside;
mod homes;
mod lessons;
mod owners;
mod sessions;
mod watch;

use owners::InVain;
pub(crate) use owners::minute;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri};
use nearway_route::{Awaited, Kin, Lack, Moment, RegionId, Shape, Vitals};
use nearway_telemetry::{
    Failover, RequestLine, RequestOutcome, failover, request_line, request_lines_enabled,
};

use crate::attempted::Attempted;
use crate::budgets::Beside;
use crate::choose::Choice;
use crate::client_io::Busy;
use crate::identify::Identity;
use crate::refuse::Tried;
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
    // whom it belongs to, and where those went before it
    kin: Option<Kin>,
    in_session: bool,
    home: Option<RegionId>,
    wants_reason: bool,
    received: Duration,
    // time in which others were at work: the client sending its body, a region thinking
    waited: Duration,
    current: Option<Attempted>,
    // regions that say that they lack what this request needs
    lacking: Vec<Arc<Vitals>>,
    // beside it, if it is late or stuck
    hedge: Option<(Attempted, Beside)>,
    // one was wanted, and beyond the budget
    refused_beside: bool,
    // the slower one was on its way when the other answered
    sent_twice: bool,
    attempts: u32,
    // the answer is that of an earlier attempt
    answering: Option<usize>,
    // the answer is made of several regions'
    for_all: bool,
    // of who owns what it names, while that is not known
    search: Option<InVain>,
    status: Option<StatusCode>,
    added: Option<Duration>,
    outcome: Option<RequestOutcome>,
    first_token: Option<Duration>,
    // why its times teach nothing
    unlike: bool,
    // tokens of the answer
    output: u32,
    // when its last byte was here; of a session, the answer to its handshake
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
            kin: None,
            in_session: false,
            home: None,
            wants_reason: false,
            received,
            waited: Duration::ZERO,
            current: None,
            lacking: Vec::new(),
            hedge: None,
            refused_beside: false,
            sent_twice: false,
            attempts: 0,
            answering: None,
            for_all: false,
            search: None,
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

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// The client at this place sent it, where clients are configured.
    pub(crate) fn authenticated(&mut self, client: Option<usize>) {
        self.client = client;
    }

    pub(crate) fn identified(&mut self, identity: &Identity) {
        self.operation = identity.operation.as_str();
        self.lack = identity.lack();
        self.shape = identity.shape;
        self.kin = identity.kin;
        self.in_session = identity.session.is_some();
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

    /// What was awaited has come; the next is `awaited`, if anything.
    pub(crate) fn awaits(&mut self, awaited: Option<Awaited>) {
        if let Some(attempt) = &mut self.current {
            attempt.awaits(awaited, Moment::from(self.shared.clock.now()));
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
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            let until = self.moment(elapsed + self.prepared.settings.lacking_for);
            self.lacking.iter().for_each(|vitals| vitals.lack_until(self.lack, until));
        }
        if status.as_u16() < StatusCode::BAD_REQUEST.as_u16() {
            self.settles_at_home(self.moment(elapsed));
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
        if self.for_all {
            return None;
        }
        let asked = || self.current.as_ref().map(|last| last.place);
        self.prepared.name(self.answering.or_else(asked)?)
    }

    /// Why the region that answers is the one, for a client that wants to know.
    pub(crate) fn reason_header(&self) -> Option<HeaderValue> {
        let (why, verdict) = self.current.as_ref().filter(|_| self.wants_reason)?.reason;
        HeaderValue::try_from(format!("{}; {}", why.as_str(), verdict.as_str())).ok()
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
        self.teach(outcome, now);
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
