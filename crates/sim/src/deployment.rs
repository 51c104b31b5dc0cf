//! One deployment of a region: the name that requests give and how its model behaves.
//!
//! In the file it is a bare name or a map. Used by `world.rs` and by the API handlers.

use serde::{Deserialize, Serialize};

/// A deployment that a region serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Form")]
pub struct Deployment {
    /// What requests call it in this region.
    pub name: String,
    /// What answers say in `model`: the model's name, not the deployment's (API fact sheet
    /// section 1.2). In the file it may be left out and is then `{name}-sim`.
    pub model: String,
    /// A time to the first token of its own, in milliseconds, instead of the region's `base_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ms: Option<f64>,
    /// A reasoning model: it rejects `max_tokens`, `temperature` and their like, and spends
    /// tokens on thinking before the first visible one (API fact sheet section 8.1).
    pub reasoning: bool,
    /// Values of `reasoning_effort` that a reasoning model accepts.
    pub efforts: Vec<String>,
    /// Too small a token limit is 400 instead of an empty answer with `length`.
    pub cap_is_error: bool,
}

impl Deployment {
    /// A plain chat model that answers to `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::from(Form::Name(name.to_owned()))
    }

    /// A reasoning model that answers to `name`.
    #[must_use]
    pub fn reasoning(name: &str) -> Self {
        Self { reasoning: true, ..Self::new(name) }
    }
}

/// The two spellings in the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Name(String),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    name: String,
    model: Option<String>,
    base_ms: Option<f64>,
    #[serde(default)]
    reasoning: bool,
    efforts: Option<Vec<String>>,
    #[serde(default)]
    cap_is_error: bool,
}

impl From<Form> for Deployment {
    fn from(form: Form) -> Self {
        let full = match form {
            Form::Full(full) => full,
            Form::Name(name) => Full {
                name,
                model: None,
                base_ms: None,
                reasoning: false,
                efforts: None,
                cap_is_error: false,
            },
        };
        Self {
            model: full.model.unwrap_or_else(|| format!("{}-sim", full.name)),
            name: full.name,
            base_ms: full.base_ms,
            reasoning: full.reasoning,
            efforts: full.efforts.unwrap_or_else(|| DEFAULT_EFFORTS.map(str::to_owned).to_vec()),
            cap_is_error: full.cap_is_error,
        }
    }
}

/// What gpt-5 accepts (API fact sheet section 8.1).
const DEFAULT_EFFORTS: [&str; 4] = ["minimal", "low", "medium", "high"];
