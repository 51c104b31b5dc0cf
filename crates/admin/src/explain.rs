//! `/api/explain`: which region a request would get just now, and everything that decides it.
//!
//! Only looks: no trial of a breaker is claimed and nobody's turn is taken. Times are milliseconds to
//! three places; ages count back from the moment of the answer.

mod candidate;
mod text;

use nearway_route::{Entry, Lead, Moment, Plan, Ranking, Shape, Table};
use serde::Serialize;

use crate::explain::candidate::Candidate;
use crate::query;
use crate::times::ms;
use crate::{Requests, Target};

/// The request that somebody asks about.
#[derive(Debug)]
pub(crate) struct Question {
    deployment: Option<String>,
    path: String,
    target: Target,
    shape: Shape,
    pub(crate) form: Form,
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
    /// What is wrong with it, in one line.
    pub(crate) fn read(query: Option<&str>, requests: &dyn Requests) -> Result<Self, String> {
        let names = ["deployment", "path", "prompt_tokens", "stream", "as"];
        let [deployment, path, prompt, stream, form] = query::read(query, names)?;
        let path = path.unwrap_or_else(|| PATH.to_owned());
        let target = requests.read(&path).map_err(|wrong| format!("path: {wrong}"))?;
        let deployment = match (deployment, target.deployment.clone()) {
            (Some(asked), Some(named)) if asked != named => {
                return Err(format!("deployment: the path names another one, {named}"));
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
            Some(_) => return Err("stream: write true or false".to_owned()),
        };
        let form = match form.as_deref() {
            None | Some("json") => Form::Json,
            Some("text") => Form::Text,
            Some(_) => return Err("as: write json or text".to_owned()),
        };
        Ok(Self { deployment, path, target, shape: Shape { prompt, streams }, form })
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
        let chosen = plan.look(ranking, now, serves);
        let lead = ranking.lead(shape.class());
        let asks = candidate::Asks { lack: target.lack, shape: *shape, lead, now };
        let candidates = ranking.order.iter().map(|entry| {
            let is_chosen = chosen.is_some_and(|(chosen, _)| chosen.region == entry.region);
            Candidate::new(entry, &asks, serves(entry), is_chosen)
        });
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_by(Candidate::in_order);
        Self {
            asked: Asked {
                deployment,
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
