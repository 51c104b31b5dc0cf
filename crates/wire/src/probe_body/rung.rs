//! The ladder of probe forms: which one to try when a deployment refuses another.
//!
//! Families of models accept different parameters and different operations (API fact sheet 8.1). Each
//! step goes down and never up, so that the climb ends; which rung a deployment stands on is remembered
//! by the prober.

use crate::endpoint::Operation;
use crate::error_body::ErrorFacts;

/// How a deployment is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rung {
    /// Which request is made.
    pub form: Form,
    /// Whether a chat stream is asked for its usage; older API versions refuse that.
    pub usage: bool,
}

/// A family's cheapest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Chat with `max_tokens`: models without reasoning.
    Plain,
    /// Chat with `max_completion_tokens` and an effort: models that reason.
    Reasoning(Effort),
    /// The Responses API: models that have no chat.
    Responses(Effort),
    /// Embeddings, which do not stream.
    Embeddings,
}

/// How much a model is to reason, least first as far as models agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effort {
    /// `minimal`: the first generation of models that have an effort below `low`.
    Minimal,
    /// `none`: their successors.
    None,
    /// `low`: models that know neither.
    Low,
    /// Left out: models that take no effort, or none of these.
    Unsaid,
}

/// What a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The request for usage in a stream.
    Usage,
    /// The effort as such, not this value of it.
    AnyEffort,
    /// Another parameter, or the value of one.
    Parameter,
    /// The operation: the model does not do it.
    Operation,
}

impl Rung {
    /// Where the ladder begins.
    #[must_use]
    pub fn first() -> Self {
        Self { form: Form::Plain, usage: true }
    }

    /// The next rung, when the answer to this one says that its form, and not the region, is at fault.
    ///
    /// `None` when the answer says something else, or at the end of the ladder.
    #[must_use]
    pub fn next(self, facts: &ErrorFacts, status: u16) -> Option<Self> {
        if !matches!(status, 400 | 404 | 422) || counts_as_alive(status, facts) {
            return None;
        }
        let form = match refusal(facts)? {
            Refusal::Usage => return self.asks_usage().then_some(Self { usage: false, ..self }),
            Refusal::AnyEffort => self.form.without_effort(),
            Refusal::Parameter => self.form.with_other_parameters(),
            Refusal::Operation => self.form.other_operation(),
        };
        form.map(|form| Self { form, ..self })
    }

    /// Whether the answer to this rung is an event stream.
    #[must_use]
    pub fn streams(self) -> bool {
        self.form != Form::Embeddings
    }

    /// The operation that this rung uses, which is how its stream is to be read.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self.form {
            Form::Plain | Form::Reasoning(_) => Operation::ChatCompletions,
            Form::Responses(_) => Operation::Responses,
            Form::Embeddings => Operation::Embeddings,
        }
    }

    /// Whether `stream_options.include_usage` is sent; a Responses stream brings its usage unasked.
    pub(super) fn asks_usage(self) -> bool {
        self.usage && matches!(self.form, Form::Plain | Form::Reasoning(_))
    }
}

impl Form {
    fn with_other_parameters(self) -> Option<Self> {
        match self {
            Self::Plain => Some(Self::Reasoning(Effort::Minimal)),
            Self::Reasoning(effort) => effort.next().map(Self::Reasoning),
            Self::Responses(effort) => effort.next().map(Self::Responses),
            Self::Embeddings => None,
        }
    }

    fn without_effort(self) -> Option<Self> {
        match self {
            Self::Reasoning(Effort::Unsaid) | Self::Responses(Effort::Unsaid) => None,
            Self::Reasoning(_) => Some(Self::Reasoning(Effort::Unsaid)),
            Self::Responses(_) => Some(Self::Responses(Effort::Unsaid)),
            // its message only spoke of reasoning: no effort was sent
            Self::Plain => self.with_other_parameters(),
            Self::Embeddings => None,
        }
    }

    fn other_operation(self) -> Option<Self> {
        match self {
            Self::Plain | Self::Reasoning(_) => Some(Self::Responses(Effort::Minimal)),
            Self::Responses(_) => Some(Self::Embeddings),
            Self::Embeddings => None,
        }
    }
}

impl Effort {
    /// The word in the request, if there is to be one.
    pub(super) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Minimal => Some("minimal"),
            Self::None => Some("none"),
            Self::Low => Some("low"),
            Self::Unsaid => None,
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Minimal => Some(Self::None),
            Self::None => Some(Self::Low),
            Self::Low => Some(Self::Unsaid),
            Self::Unsaid => None,
        }
    }
}

/// Whether a 400 means that the model did answer: it used up its tokens before the first visible one
/// (API fact sheet 8.1).
#[must_use]
pub fn counts_as_alive(status: u16, facts: &ErrorFacts) -> bool {
    status == 400 && says(facts, "max_tokens or model output limit was reached")
}

/// Codes of API fact sheet 4.1 and 8.1 first; the words are for servers whose code says nothing.
fn refusal(facts: &ErrorFacts) -> Option<Refusal> {
    let code = facts.code.as_deref().unwrap_or_default();
    let param = facts.param.as_deref().unwrap_or_default();
    if param.starts_with("stream_options") || says(facts, "stream_options") {
        return Some(Refusal::Usage);
    }
    if code == "OperationNotSupported"
        || says(facts, "model not supported")
        || says(facts, "does not work with the specified model")
    {
        return Some(Refusal::Operation);
    }
    let of_effort = param.starts_with("reasoning") || says(facts, "reasoning");
    match code {
        "unsupported_parameter" | "unknown_parameter" if of_effort => Some(Refusal::AnyEffort),
        "unsupported_parameter"
        | "unknown_parameter"
        | "unsupported_value"
        | "invalid_value"
        | "integer_below_min_value" => Some(Refusal::Parameter),
        _ if says(facts, "unrecognized request argument")
            || says(facts, "unsupported parameter") =>
        {
            Some(if of_effort { Refusal::AnyEffort } else { Refusal::Parameter })
        }
        _ => None,
    }
}

/// Whether the message holds `words`, which are in lower case.
fn says(facts: &ErrorFacts, words: &str) -> bool {
    facts.message.as_ref().is_some_and(|message| message.to_ascii_lowercase().contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(code: &str, param: &str, message: &str) -> ErrorFacts {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ErrorFacts { code: some(code), param: some(param), message: some(message), kind: None }
    }

    fn rung(form: Form) -> Rung {
        Rung { form, usage: true }
    }

    #[test]
    fn a_refusal_leads_one_rung_down() {
        use Effort::{Low, Minimal, None as NoEffort, Unsaid};
        use Form::{Embeddings, Plain, Reasoning, Responses};
        for (form, code, param, message, next) in [
            (
                Plain,
                "unsupported_parameter",
                "max_tokens",
                "Unsupported parameter: 'max_tokens'",
                Some(Reasoning(Minimal)),
            ),
            (
                Plain,
                "unsupported_parameter",
                "",
                "not supported with reasoning models",
                Some(Reasoning(Minimal)),
            ),
            (
                Reasoning(Minimal),
                "unsupported_value",
                "reasoning_effort",
                "",
                Some(Reasoning(NoEffort)),
            ),
            (
                Reasoning(NoEffort),
                "unsupported_value",
                "reasoning_effort",
                "",
                Some(Reasoning(Low)),
            ),
            (
                Reasoning(Minimal),
                "unsupported_parameter",
                "reasoning_effort",
                "",
                Some(Reasoning(Unsaid)),
            ),
            (
                Reasoning(Minimal),
                "",
                "",
                "Unrecognized request argument supplied: reasoning_effort",
                Some(Reasoning(Unsaid)),
            ),
            (Reasoning(Unsaid), "unsupported_parameter", "max_completion_tokens", "", None),
            (
                Plain,
                "OperationNotSupported",
                "",
                "The chatCompletion operation does not work",
                Some(Responses(Minimal)),
            ),
            (Responses(Low), "unsupported_value", "reasoning.effort", "", Some(Responses(Unsaid))),
            (Responses(Minimal), "", "", "Model not supported", Some(Embeddings)),
            (Embeddings, "OperationNotSupported", "", "", None),
            (Plain, "content_filter", "prompt", "filtered", None),
            (
                Plain,
                "DeploymentNotFound",
                "",
                "The API deployment for this resource does not exist.",
                None,
            ),
            (Plain, "", "", "", None),
        ] {
            let got = rung(form).next(&facts(code, param, message), 400);
            assert_eq!(got, next.map(rung), "{form:?} {code} {param}");
        }
    }

    #[test]
    fn usage_is_given_up_alone_and_once() {
        let refused = facts("", "", "Unrecognized request argument supplied: stream_options");
        let silent = Rung { usage: false, ..Rung::first() };
        assert_eq!(Rung::first().next(&refused, 400), Some(silent));
        assert_eq!(silent.next(&refused, 400), None);
        let reasoning = facts("unsupported_parameter", "max_tokens", "");
        let next = silent.next(&reasoning, 400).unwrap();
        assert_eq!(next, Rung { form: Form::Reasoning(Effort::Minimal), usage: false });
    }

    #[test]
    fn a_region_at_fault_does_not_move_the_rung() {
        let refused = facts("unsupported_parameter", "max_tokens", "");
        for status in [200, 401, 429, 500, 503] {
            assert_eq!(Rung::first().next(&refused, status), None, "{status}");
        }
    }

    #[test]
    fn a_model_that_ran_out_of_tokens_is_alive() {
        let message = "Could not finish the message because max_tokens or model output limit was reached. Please";
        let spent = facts("unsupported_value", "max_tokens", message);
        assert!(counts_as_alive(400, &spent));
        assert_eq!(Rung::first().next(&spent, 400), None);
        assert!(!counts_as_alive(500, &spent));
        assert!(!counts_as_alive(400, &facts("", "", "max_tokens is too large")));
    }

    #[test]
    fn every_climb_ends() {
        let refusals = [
            facts("unsupported_parameter", "max_tokens", ""),
            facts("unsupported_parameter", "reasoning_effort", ""),
            facts("", "stream_options", ""),
            facts("OperationNotSupported", "", ""),
        ];
        let mut rungs = vec![(Rung::first(), 0)];
        while let Some((rung, steps)) = rungs.pop() {
            assert!(steps < 16, "{rung:?}");
            rungs.extend(
                refusals.iter().filter_map(|facts| Some((rung.next(facts, 400)?, steps + 1))),
            );
        }
    }

    #[test]
    fn a_rung_says_how_its_answer_is_read() {
        for (form, operation, streams) in [
            (Form::Plain, Operation::ChatCompletions, true),
            (Form::Responses(Effort::Low), Operation::Responses, true),
            (Form::Embeddings, Operation::Embeddings, false),
        ] {
            assert_eq!((rung(form).operation(), rung(form).streams()), (operation, streams));
        }
    }
}
