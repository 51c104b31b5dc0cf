//! The explanation as text, for a person who was woken up by it: the answer first, then each region.

use std::fmt::{self, Display, Formatter};

use crate::explain::candidate::{Candidate, Priced, Tally};
use crate::explain::{Asked, Explanation, Leading};

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.chosen {
            Some(chosen) => writeln!(f, "{}", chosen.sentence)?,
            None => writeln!(f, "no region is taken: none that may serve this is left")?,
        }
        if let Some(lead) = &self.lead {
            writeln!(f, "{lead}")?;
        }
        write!(f, "{}", self.asked)?;
        if self.asked.deployment.is_some_and(|deployment| deployment != self.ranking) {
            write!(f, "; not probed, so the ranking of all other deployments decides")?;
        }
        writeln!(f)?;
        if !self.asked.clients_unasked.is_empty() {
            let clients = self.asked.clients_unasked.join(", ");
            writeln!(f, "no client is named, so no fence of theirs is asked; there are {clients}")?;
        }
        for candidate in &self.candidates {
            write!(f, "\n{candidate}")?;
        }
        Ok(())
    }
}

impl Display for Leading<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sentence)?;
        match self.for_ms {
            Some(millis) => write!(f, " (for {})", Span(millis)),
            None => Ok(()),
        }
    }
}

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let deployment = self.deployment.unwrap_or("no deployment");
        let kind = if self.stream { "stream" } else { "whole answer" };
        let (tokens, class) = (self.prompt_tokens, self.class);
        write!(f, "asked: {deployment}, ")?;
        // what is asked most goes without saying
        if self.method != "POST" {
            write!(f, "{} ", self.method)?;
        }
        write!(f, "{}, {tokens} prompt tokens, {kind} ({class})", self.path)?;
        match self.client {
            Some(client) => write!(f, ", by {client}"),
            None => Ok(()),
        }
    }
}

impl Display for Candidate<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = if self.chosen { "->" } else { "  " };
        write!(f, "{mark} {}", self.region)?;
        match (&self.cost, self.score_ms) {
            (Some(cost), _) => write!(f, ": costs {}", Span(cost.now_ms))?,
            (None, Some(score)) => write!(f, ": score {}", Span(score))?,
            (None, None) => write!(f, ": nothing measured")?,
        }
        match (self.serves, self.kept_out_by, self.condition_left_ms) {
            (false, _, _) => writeln!(f, ", does not serve this deployment")?,
            (true, Some(fence), _) => writeln!(f, ", kept out by {fence}")?,
            (true, None, None) => writeln!(f, ", {}", words(self.condition))?,
            (true, None, Some(left)) => {
                writeln!(f, ", {} for {}", words(self.condition), Span(left))?;
            }
        }
        if let Some(cost) = &self.cost {
            write!(f, "{cost}")?;
        }
        write!(f, "     {}", self.state)?;
        if let Some(age) = self.newest_sample_age_ms {
            write!(f, ", seen {} ago", Span(age))?;
        }
        write!(f, "; {} probes, {} requests", self.probes, self.live)?;
        write!(f, ", {} in flight", self.in_flight)?;
        if self.tier != 0 {
            write!(f, ", tier {}", self.tier)?;
        }
        if let Some(zone) = self.zone {
            write!(f, ", zone {zone}")?;
        }
        writeln!(f)
    }
}

impl Display for Priced {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let doubt = Span(self.doubt_ms);
        write!(f, "     an answer takes {} give or take {doubt}", Span(self.expected_ms))?;
        if self.failing > 0.0 {
            let (percent, penalty) = (100.0 * self.failing, Span(self.failure_penalty_ms));
            write!(f, "; {percent:.0} % fail, which adds {penalty}")?;
        }
        let load = self.now_ms - self.calm_ms;
        if load > 0.0 {
            write!(f, "; load adds {}", Span(load))?;
        }
        writeln!(f)?;
        let terms = &self.estimate;
        writeln!(
            f,
            "     = {} + {} per 1k prompt tokens + {} per output token + {} per request in flight; \
             single times scatter by {:.0} %",
            Span(terms.base_ms),
            Span(terms.per_1k_prompt_tokens_ms),
            Span(terms.per_output_token_ms),
            Span(terms.per_request_in_flight_ms),
            100.0 * self.scatter,
        )?;
        let waiting = &self.evidence;
        if waiting.requests > 0 {
            let verdict = if waiting.strong { "much too long" } else { "as they may" };
            let (count, age) = (waiting.requests, Span(waiting.mean_age_ms));
            writeln!(
                f,
                "     {count} wait for their first content, for {age} on average: {verdict}"
            )?;
        }
        Ok(())
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.failures {
            0 => write!(f, "{}", self.samples),
            failures => write!(f, "{} ({failures} failed)", self.samples),
        }
    }
}

/// Milliseconds as people say them.
struct Span(f64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(millis) = *self;
        let seconds = millis / 1e3;
        if millis < 10.0 {
            write!(f, "{millis:.1} ms")
        } else if seconds < 1.0 {
            write!(f, "{millis:.0} ms")
        } else if seconds < 10.0 {
            write!(f, "{seconds:.1} s")
        } else if seconds < 120.0 {
            write!(f, "{seconds:.0} s")
        } else if seconds < 7_200.0 {
            write!(f, "{:.0} min", seconds / 60.0)
        } else {
            write!(f, "{:.0} h", seconds / 3_600.0)
        }
    }
}

/// What a condition means for the next request. A name that has no words stands for itself.
fn words(condition: &'static str) -> &'static str {
    match condition {
        "nearly_spent" => "little quota left",
        "recovering" => "coming back",
        "silent" => "does not answer",
        "cooled" => "rests",
        "down" => "probes fail",
        "open" => "requests fail, left alone",
        "unauthorized" => "refuses its key, left alone",
        "lacking" => "does not have it, left alone",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use nearway_route::Condition;

    use super::*;

    #[test]
    fn every_condition_has_words() {
        for condition in Condition::ALL.map(Condition::as_str) {
            assert!(condition == "good" || words(condition) != condition, "{condition}");
        }
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        for (millis, said) in [
            (0.25, "0.2 ms"),
            (212.4, "212 ms"),
            (9_400.0, "9.4 s"),
            (34_000.0, "34 s"),
            (600_000.0, "10 min"),
            (86_400_000.0, "24 h"),
        ] {
            assert_eq!(Span(millis).to_string(), said);
        }
    }
}
