//! What a simulated model says: tokens, how the answer ends, what it costs.
//!
//! Pure: deployment, limits and random numbers in, a [`Generation`] out. Shared by chat, legacy
//! completions and responses, which only differ in how they wrap it.

use fastrand::Rng;
use serde_json::{Value, json};

use super::errors::ApiError;
use crate::deployment::Deployment;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// In order; joined they are the text.
    pub(crate) tokens: Vec<String>,
    /// Spent on thinking, before the first visible token.
    pub(crate) reasoning: u32,
    /// A limit of the request ended it.
    pub(crate) cut_short: bool,
}

/// What bounds an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    /// Tokens that the region's world gives an answer.
    pub(crate) usual: u32,
    /// The request's limit, thinking included.
    pub(crate) limit: Option<u32>,
    /// The request's `reasoning_effort`.
    pub(crate) effort: Option<&'a str>,
}

impl Generation {
    /// Makes an answer that begins with where it comes from.
    pub(crate) fn make(
        deployment: &Deployment,
        display: &str,
        bounds: Bounds<'_>,
        rng: &mut Rng,
    ) -> Result<Self, ApiError> {
        let limit = bounds.limit.unwrap_or(u32::MAX);
        let thinking = if deployment.reasoning { thinking(deployment, bounds.effort)? } else { 0 };
        if thinking >= limit && thinking > 0 {
            if deployment.cap_is_error {
                return Err(ApiError::CapReached);
            }
            return Ok(Self { tokens: Vec::new(), reasoning: limit, cut_short: true });
        }
        let visible = bounds.usual.min(limit - thinking);
        let beginning = ["Hello", " from"].into_iter().map(str::to_owned);
        let place = display.split_whitespace().map(|word| format!(" {word}"));
        let end = std::iter::once(".".to_owned());
        let more = std::iter::repeat_with(|| {
            rng.choice(WORDS).map_or_else(String::new, |word| format!(" {word}"))
        });
        let tokens = beginning.chain(place).chain(end).chain(more);
        Ok(Self {
            tokens: tokens.take(usize::try_from(visible).unwrap_or(usize::MAX)).collect(),
            reasoning: thinking,
            cut_short: visible < bounds.usual,
        })
    }

    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }

    /// Tokens paid for, thinking included.
    pub(crate) fn spent(&self) -> u32 {
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX).saturating_add(self.reasoning)
    }
}

/// `usage` of chat and legacy completions.
pub(crate) fn usage(prompt: u32, generations: &[Generation]) -> Value {
    let spent: u32 = generations.iter().map(Generation::spent).sum();
    let reasoning: u32 = generations.iter().map(|generation| generation.reasoning).sum();
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": spent,
        "total_tokens": prompt.saturating_add(spent),
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// A count that grows with the text, about four characters a token.
pub(crate) fn prompt_tokens(prompt: &Value) -> u32 {
    u32::try_from(prompt.to_string().len() / 4).unwrap_or(u32::MAX).max(1)
}

/// Parameters that reasoning models reject (API fact sheet section 8.1).
pub(crate) fn reject_unsupported(
    deployment: &Deployment,
    request: &Value,
    rejected: &[&'static str],
) -> Result<(), ApiError> {
    let given = |name: &str| request.get(name).is_some_and(|value| !value.is_null());
    match rejected.iter().find(|name| deployment.reasoning && given(name)) {
        Some(name) => Err(ApiError::UnsupportedParameter(name)),
        None => Ok(()),
    }
}

fn thinking(deployment: &Deployment, effort: Option<&str>) -> Result<u32, ApiError> {
    if let Some(effort) = effort
        && !deployment.efforts.iter().any(|there| there == effort)
    {
        return Err(ApiError::UnsupportedValue {
            param: "reasoning_effort",
            value: effort.to_owned(),
        });
    }
    Ok(match effort {
        Some("none" | "minimal") => 0,
        Some("low") => 32,
        Some("high" | "xhigh" | "max") => 512,
        _ => 128,
    })
}

/// Not all ASCII: a proxy that counts characters for bytes is noticed.
const WORDS: &[&str] = &[
    "alpha", "river", "naïve", "seven", "东", "stone", "light", "Größe", "quick", "north", "🌊",
    "paper", "under", "сеть", "green", "table",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn make(deployment: &Deployment, bounds: Bounds<'_>) -> Result<Generation, ApiError> {
        Generation::make(deployment, "East US", bounds, &mut Rng::with_seed(1))
    }

    #[test]
    fn limits_are_honoured_and_said() {
        let plain = Deployment::new("gpt");
        let table =
            [(None, 10, false), (Some(3), 3, true), (Some(10), 10, false), (Some(0), 0, true)];
        for (limit, tokens, cut_short) in table {
            let made = make(&plain, Bounds { usual: 10, limit, effort: None }).unwrap();
            assert_eq!((made.tokens.len(), made.cut_short), (tokens, cut_short), "{limit:?}");
        }
        let made = make(&plain, Bounds { usual: 5, limit: None, effort: None }).unwrap();
        assert_eq!(made.text(), "Hello from East US.");
    }

    #[test]
    fn thinking_eats_the_limit() {
        let bounds = Bounds { usual: 10, limit: Some(16), effort: None };
        let model = Deployment::reasoning("o");
        let made = make(&model, bounds).unwrap();
        assert!(made.tokens.is_empty() && made.cut_short);
        assert_eq!(made.spent(), 16);
        let minimal = make(&model, Bounds { effort: Some("minimal"), ..bounds }).unwrap();
        assert_eq!(minimal.tokens.len(), 10);
        let strict = Deployment { cap_is_error: true, ..model };
        assert!(matches!(make(&strict, bounds), Err(ApiError::CapReached)));
    }

    #[test]
    fn a_reasoning_model_is_strict_about_its_parameters() {
        let model = Deployment::reasoning("o");
        let bounds = Bounds { usual: 10, limit: None, effort: Some("none") };
        assert!(matches!(make(&model, bounds), Err(ApiError::UnsupportedValue { .. })));
        let request = json!({"max_tokens": 1});
        assert!(reject_unsupported(&model, &request, &["max_tokens"]).is_err());
        assert!(reject_unsupported(&Deployment::new("gpt"), &request, &["max_tokens"]).is_ok());
    }
}
