//! `/api/changes`: which region took over the lead, when and why; newest first.

use nearway_route::{LeaderChange, Moment, Table};
use serde::Serialize;

use crate::query;
use crate::times::ms;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Changes<'a> {
    changes: Vec<Change<'a>>,
}

/// One change of a leader.
#[derive(Debug, Serialize)]
pub(crate) struct Change<'a> {
    deployment: &'a str,
    age_ms: f64,
    from: Option<&'a str>,
    to: &'a str,
    verdict: &'static str,
    sentence: String,
}

impl<'a> Changes<'a> {
    /// Those of one deployment if the query names one (`other` for all that are not probed), else all.
    ///
    /// # Errors
    /// What is wrong with the query, or that there is no such ranking, in one line.
    pub(crate) fn new(query: Option<&str>, table: &'a Table, now: Moment) -> Result<Self, String> {
        let [deployment] = query::read(query, ["deployment"])?;
        let is_asked = |label: &str| deployment.as_ref().is_none_or(|asked| asked == label);
        if !table.rankings().any(|ranking| is_asked(ranking.label())) {
            let known: Vec<_> = table.rankings().map(|ranking| ranking.label()).collect();
            return Err(format!("deployment: not ranked; there are {}", known.join(", ")));
        }
        let changes = table.changes.iter().filter(|change| is_asked(change.label()));
        Ok(Self { changes: changes.map(|change| Change::new(change, now)).collect() })
    }
}

impl<'a> Change<'a> {
    /// As of `now`.
    pub(crate) fn new(change: &'a LeaderChange, now: Moment) -> Self {
        let (to, label) = (&change.to, change.label());
        let instead = match &change.from {
            Some(from) => format!(" instead of {from}"),
            None => String::new(),
        };
        Self {
            deployment: label,
            age_ms: ms(now.since(change.at)),
            from: change.from.as_deref(),
            to,
            verdict: change.verdict.as_str(),
            sentence: format!("{to} leads for {label}{instead}: {}", change.verdict),
        }
    }
}
