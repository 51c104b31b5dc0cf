//! One probe of one region: the request, its answer, and what both amount to.
//!
//! `run.rs` and `round.rs` call [`attempt`]. It sends what `nearway_wire` writes, reads the answer
//! with `answer.rs`, has it judged by `verdict.rs`, and ends within the probe's timeout whatever
//! the region does. It keeps nothing: the caller remembers the rung.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, header};
use nearway_route::{Moment, Outcome};
use nearway_upstream::{
    Clock, Fault, FaultKind, Limits, Region, Reply, RequestBody, Sent, Transport,
};
use nearway_wire::error_body::{ERROR_BODY_LIMIT, read_error};
use nearway_wire::probe_body::{
    ProbeSpec, Rung, counts_as_alive, probe_body, probe_target, reachability_target,
};
use nearway_wire::quota::{self, Limits as QuotaLimits};
use nearway_wire::usage::Usage;

use crate::answer::{Answered, measure, read_whole};
use crate::settings::Settings;
use crate::timetable::Due;
use crate::verdict;

/// What to ask which region.
#[derive(Debug)]
pub(crate) struct Probe {
    settings: Rc<Settings>,
    region: Arc<Region>,
    /// What the region calls the deployment; `None` for a token-free probe.
    deployment: Option<Arc<str>>,
    rung: Rung,
}

/// What a probe found.
#[derive(Debug)]
pub(crate) struct Finding {
    /// When it was complete.
    pub(crate) at: Moment,
    pub(crate) outcome: Outcome,
    /// Why it failed.
    pub(crate) fault: Option<Fault>,
    /// How long the region asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// What it cost.
    pub(crate) usage: Option<Usage>,
    /// The form of request to begin with next time.
    pub(crate) rung: Rung,
    /// What the region allows in a minute, as far as it said.
    pub(crate) limits: QuotaLimits,
}

/// What an exchange teaches, however it ends.
struct Taught {
    rung: Rung,
    limits: QuotaLimits,
}

struct Failed {
    fault: Fault,
    retry_after: Option<Duration>,
}

impl Probe {
    /// The probe that is due; `None` if these settings do not know it.
    pub(crate) fn new(settings: &Rc<Settings>, due: &Due, rung: Rung) -> Option<Self> {
        let target = settings.target(due.region)?;
        let deployment = match &due.stop {
            Some(deployment) => Some(target.regional(deployment)?.clone()),
            None => None,
        };
        Some(Self { settings: settings.clone(), region: target.region.clone(), deployment, rung })
    }
}

/// Makes the probe. Takes the configured timeout at most, connecting and adapting included.
pub(crate) async fn attempt<T: Transport>(transport: &T, clock: Clock, probe: &Probe) -> Finding {
    let began = clock.now();
    let timeout = probe.settings.timeout;
    let mut taught = Taught { rung: probe.rung, limits: QuotaLimits::default() };
    let asked = async {
        match &probe.deployment {
            Some(deployment) => probe.complete(transport, clock, deployment, &mut taught).await,
            None => probe.reach(transport).await,
        }
    };
    let ended = tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_elapsed| {
        let detail = format!("no complete answer in {timeout:?}");
        Err(Fault { sent: Sent::Part, ..Fault::unsent(FaultKind::TotalTimeout, detail) }.into())
    });
    let now = clock.now();
    let at = Moment::from(now);
    let Taught { rung, limits } = taught;
    match ended {
        Ok(Answered { outcome, usage }) => {
            Finding { at, outcome, fault: None, retry_after: None, usage, rung, limits }
        }
        Err(Failed { fault, retry_after }) => {
            let outcome = verdict::failure(&fault, now.saturating_sub(began), retry_after);
            Finding { at, outcome, fault: Some(fault), retry_after, usage: None, rung, limits }
        }
    }
}

impl Probe {
    /// A tiny completion. Where the model refuses the form of the request, the next form is tried
    /// (API fact sheet 8.1); only the last one is measured.
    async fn complete<T: Transport>(
        &self,
        transport: &T,
        clock: Clock,
        deployment: &str,
        Taught { rung, limits }: &mut Taught,
    ) -> Result<Answered, Failed> {
        let settings = &*self.settings;
        let spec = ProbeSpec {
            style: settings.style,
            api_version: &settings.api_version,
            prompt: &settings.prompt,
            max_tokens: settings.max_tokens,
        };
        for _step in 0..MOST_STEPS {
            let target = probe_target(&spec, deployment, *rung);
            let body = probe_body(&spec, deployment, *rung);
            let reply = self.send(transport, Method::POST, &target, Some(body)).await?;
            let head = reply.timing.head;
            let (parts, body) = reply.response.into_parts();
            *limits = quota::read(&parts.headers).limits;
            if parts.status.is_success() {
                return Ok(measure(&parts.headers, body, rung.operation(), head, clock).await?);
            }
            let facts = read_error(&read_whole(body, ERROR_BODY_LIMIT).await?);
            if counts_as_alive(parts.status.as_u16(), &facts) {
                let outcome = Outcome::Answer { first_token: Some(head), total: head, tokens: 0 };
                return Ok(Answered { outcome, usage: None });
            }
            if let Some(next) = rung.next(&facts, parts.status.as_u16()) {
                *rung = next;
                continue;
            }
            let Some(mut fault) = verdict::fault_of(parts.status, &facts) else { break };
            if fault.kind == FaultKind::Rejected {
                // perhaps another model by now: the next probe begins from the first form again
                *rung = Rung::first();
            }
            let retry_after = verdict::hint(parts.status, &parts.headers, &facts);
            verdict::say_when(&mut fault, retry_after);
            return Err(Failed { fault, retry_after });
        }
        *rung = Rung::first();
        Err(Fault::unsent(FaultKind::Rejected, "no form of request is accepted").into())
    }

    /// Only the way to the region and back, without tokens (API fact sheet 8.2).
    async fn reach<T: Transport>(&self, transport: &T) -> Result<Answered, Failed> {
        let target = reachability_target(self.settings.style, is_azure(&self.region));
        let reply = self.send(transport, Method::GET, target, None).await?;
        let head = reply.timing.head;
        let (parts, body) = reply.response.into_parts();
        let body = read_whole(body, ERROR_BODY_LIMIT).await?;
        match verdict::unreachable(parts.status, self.region.credential().is_some()) {
            None => Ok(Answered { outcome: Outcome::Reachable { head }, usage: None }),
            Some(mut fault) => {
                let retry_after = verdict::hint(parts.status, &parts.headers, &read_error(&body));
                verdict::say_when(&mut fault, retry_after);
                Err(Failed { fault, retry_after })
            }
        }
    }

    async fn send<T: Transport>(
        &self,
        transport: &T,
        method: Method,
        target: &str,
        body: Option<Bytes>,
    ) -> Result<Box<Reply>, Fault> {
        let request = self.request(method, target, body)?;
        let settings = &*self.settings;
        let limits = Limits {
            connect: settings.connect,
            tls: settings.tls,
            head: settings.timeout,
            write: settings.timeout,
            total: settings.timeout,
        };
        transport.send(&self.region, request, limits, None).await
    }

    fn request(
        &self,
        method: Method,
        target: &str,
        body: Option<Bytes>,
    ) -> Result<Request<RequestBody>, Fault> {
        let target = PathAndQuery::try_from(target).ok();
        let Some(target) = target.and_then(|target| self.region.target(&target)) else {
            return Err(Fault::unsent(
                FaultKind::Rejected,
                "the deployment's name makes no target",
            ));
        };
        let has_body = body.is_some();
        let mut request = Request::new(RequestBody::Whole(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.into();
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.region.host().clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(credential) = self.region.credential() {
            credential.apply(headers);
        }
        Ok(request)
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, retry_after: None }
    }
}

/// Whether the region's host is one of Azure's, which answer a status path without tokens.
fn is_azure(region: &Region) -> bool {
    let host = &region.origin().host;
    AZURE_HOSTS.iter().any(|suffix| host.ends_with(suffix))
}

/// API fact sheet 1.1.
const AZURE_HOSTS: [&str; 4] = [
    ".openai.azure.com",
    ".api.cognitive.microsoft.com",
    ".cognitiveservices.azure.com",
    ".services.ai.azure.com",
];

/// More forms of request than any ladder has: whatever it says, a probe comes to an end.
const MOST_STEPS: usize = 16;

/// Tells whoever reads a region's log where these requests come from.
const USER_AGENT: &str = concat!("nearway-probe/", env!("CARGO_PKG_VERSION"));
