//! What clients asked for of late, as plain numbers: the part of the mix that is worth keeping over a restart.
//!
//! One for each class of requests of a probed deployment. A table tells them, and the ranker of the next
//! process begins with them, so that it prices requests by what is usual from the first one on.

use std::sync::Arc;

use crate::shape::Class;

/// The requests of one class for one deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// By the name that clients write.
    pub deployment: Arc<str>,
    /// Of this size and kind.
    pub class: Class,
    /// Whether most requests belong to it.
    pub main: bool,
    /// How many came, the older ones counting less.
    pub requests: f64,
    /// Tokens of their prompts, on average; `None` before the first.
    pub prompt: Option<f64>,
    /// Tokens of their answers, on average; `None` before the first that told.
    pub output: Option<f64>,
    /// Variance of the tokens of the answers.
    pub variance: f64,
}

impl Traffic {
    /// Whether these are numbers that could have been counted.
    pub(crate) fn is_sound(&self) -> bool {
        let tokens = 0.0..=MOST;
        let sound = |mean: Option<f64>| mean.is_none_or(|mean| tokens.contains(&mean));
        tokens.contains(&self.requests)
            && sound(self.prompt)
            && sound(self.output)
            && (0.0..=MOST * MOST).contains(&self.variance)
    }
}

/// More tokens, or requests within a few minutes, there are not.
const MOST: f64 = 4_294_967_295.0;
