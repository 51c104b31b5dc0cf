//! `/api/explain`: which region a request would get just now, and everything that decides it.
//!
//! Only looks: no trial of a breaker is claimed and nobody's turn is taken. Times are milliseconds to
//! three places; ages count back from the moment of the answer.

mod candidate;
mod text;

use http::Method;
use nearway_route::{Entry, Lead, Moment, Plan, Ranking, Shape, Table};
use serde::Serialize;

use crate::explain::candidate::{Access, Candidate};
use crate::query;
use crate::times::ms;
use crate::{Fenced, Fences, Requests, Target, UnknownClient};

/// The request that somebody asks about.
#[derive(Debug)]
pub(crate) struct Question {
    deployment: Option<String>,
    client: Option<String>,
    method: Method,
    path: String,
    target: Target,
    fences: Fences,
    shape: Shape,
    pub(crate) form: Form,
}

/// What is wrong with a question, in one line.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It cannot be read.
    Unreadable(String),
    /// Nobody is called as the client that it names.
    Client(String),
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For machines.
    Json,
    /// For people.
    Text,
}

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation<'a> {
    asked: Asked<'a>,
    /// The ranking that decides: the deployment's, or `other`.
    ranking: &'a str,
    /// `cost` or `score`.
    decided_by: &'static str,
    chosen: Option<Chosen<'a>>,
    lead: Option<Leading<'a>>,
    /// The chosen one first, then those that are fit, cheapest first.
    candidates: Vec<Candidate<'a>>,
}

#[derive(Debug, Serialize)]
struct Asked<'a> {
    deployment: Option<&'a str>,
    client: Option<&'a str>,
    /// The clients that there are, if none is named: then no fence of theirs is asked.
    clients_unasked: &'a [String],
    method: &'a str,
    path: &'a str,
    operation: &'static str,
    prompt_tokens: u32,
    stream: bool,
    class: &'static str,
}

#[derive(Debug, Serialize)]
struct Chosen<'a> {
    region: &'a str,
    why: &'static str,
    sentence: String,
}

/// Who leads for requests of this class, and how the hysteresis came to that.
#[derive(Debug, Serialize)]
struct Leading<'a> {
    region: &'a str,
    for_ms: Option<f64>,
    verdict: &'static str,
    sentence: String,
}

impl Question {
    /// From a query such as `deployment=gpt-4o&prompt_tokens=700&stream=false`.
    ///
    /// # Errors
    /// See [`Wrong`].
    pub(crate) fn read(query: Option<&str>, requests: &dyn Requests) -> Result<Self, Wrong> {
        let names = ["deployment", "client", "method", "path", "prompt_tokens", "stream", "as"];
        let [deployment, client, method, path, prompt, stream, form] = query::read(query, names)?;
        let method = match method {
            Some(method) => Method::from_bytes(method.to_ascii_uppercase().as_bytes())
                .map_err(|_| "method: write one of HTTP, such as GET")?,
            None => Method::POST,
        };
        let path = path.unwrap_or_else(|| PATH.to_owned());
        let target = requests.read(&method, &path).map_err(|wrong| format!("path: {wrong}"))?;
        let deployment = match (deployment, target.deployment.clone()) {
            (Some(asked), Some(named)) if asked != named => {
                return Err(format!("deployment: the path names another one, {named}").into());
            }
            (asked, named) => asked.or(named),
        };
        let prompt = match prompt {
            Some(tokens) => tokens.parse().map_err(|_| "prompt_tokens: write a whole number")?,
            None => PROMPT_TOKENS,
        };
        let streams = match stream.as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err("stream: write true or false".into()),
        };
        let form = match form.as_deref() {
            None | Some("json") => Form::Json,
            Some("text") => Form::Text,
            Some(_) => return Err("as: write json or text".into()),
        };
        let fences = requests.fences(&Fenced {
            client: client.as_deref(),
            method: &method,
            path: &path,
            deployment: deployment.as_deref(),
        })?;
        let shape = Shape { prompt, streams };
        Ok(Self { deployment, client, method, path, target, fences, shape, form })
    }

    /// The key of the fence that keeps it out of this region.
    fn kept_out_by(&self, entry: &Entry) -> Option<&str> {
        let mut fences = self.fences.kept_out.iter();
        fences.find(|(region, _)| *region == entry.region).map(|(_, key)| key.as_str())
    }
}

impl From<String> for Wrong {
    fn from(wrong: String) -> Self {
        Self::Unreadable(wrong)
    }
}

impl From<&str> for Wrong {
    fn from(wrong: &str) -> Self {
        Self::Unreadable(wrong.to_owned())
    }
}

impl From<UnknownClient> for Wrong {
    fn from(unknown: UnknownClient) -> Self {
        Self::Client(match unknown.known.as_slice() {
            [] => "client: the configuration names no clients".to_owned(),
            known => format!("client: unknown; there are {}", known.join(", ")),
        })
    }
}

impl<'a> Explanation<'a> {
    /// As things are at `now`.
    pub(crate) fn new(
        question: &'a Question,
        table: &'a Table,
        requests: &dyn Requests,
        now: Moment,
    ) -> Self {
        let Question { target, shape, .. } = question;
        let deployment = question.deployment.as_deref();
        let ranking = table.ranking(deployment);
        let serves = |entry: &Entry| {
            deployment.is_none_or(|deployment| requests.serves(entry.region, deployment))
        };
        let plan = Plan::new(target.lack, requests.last_resort())
            .sent_once(target.creates_state)
            .of(*shape);
        let may_go = |entry: &Entry| serves(entry) && question.kept_out_by(entry).is_none();
        let chosen = plan.look(ranking, now, may_go);
        let lead = ranking.lead(shape.class());
        let asks = candidate::Asks { lack: target.lack, shape: *shape, lead, now };
        let candidates = ranking.order.iter().map(|entry| {
            let is_chosen = chosen.is_some_and(|(chosen, _)| chosen.region == entry.region);
            let access = Access {
                serves: serves(entry),
                kept_out_by: question.kept_out_by(entry),
                chosen: is_chosen,
            };
            Candidate::new(entry, &asks, access)
        });
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_by(Candidate::in_order);
        Self {
            asked: Asked {
                deployment,
                client: question.client.as_deref(),
                clients_unasked: &question.fences.unasked,
                method: question.method.as_str(),
                path: &question.path,
                operation: target.operation,
                prompt_tokens: shape.prompt,
                stream: shape.streams,
                class: shape.class().as_str(),
            },
            ranking: ranking.label(),
            decided_by: if lead.is_some() { "cost" } else { "score" },
            chosen: chosen.map(|(entry, why)| Chosen {
                region: &entry.name,
                why: why.as_str(),
                sentence: format!("{} is taken: {why}", entry.name),
            }),
            lead: leading(ranking, lead, now),
            candidates,
        }
    }
}

fn leading<'a>(ranking: &'a Ranking, lead: Option<&Lead>, now: Moment) -> Option<Leading<'a>> {
    let (entry, since, verdict) = match lead {
        Some(lead) => {
            let entry = ranking.order.iter().find(|entry| Some(entry.region) == lead.leader)?;
            (entry, lead.since, lead.verdict)
        }
        None => (ranking.leader()?, ranking.leader_since, ranking.verdict),
    };
    Some(Leading {
        region: &entry.name,
        for_ms: since.map(|since| ms(now.since(since))),
        verdict: verdict.as_str(),
        sentence: format!("{} leads: {verdict}", entry.name),
    })
}

/// What is asked most.
const PATH: &str = "/v1/chat/completions";
/// A short question, where nobody says how long it is.
const PROMPT_TOKENS: u32 = 250;
