//! One observation of a region: a probe that ended, or a client's request that ended.
//!
//! The prober and the workers make these; [`Ranker::observe`](crate::Ranker::observe) takes them.
//! The clocks are kept apart and never mixed.

use std::time::Duration;

use crate::{moment::Moment, shape::Shape};

/// What was seen, when, and by whom.
///
/// The order is by time; at one instant a failure counts as newer than an answer. The window
/// sorts by it, so that a score cannot depend on the order in which samples arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// When the observation was complete. Not later than the `now` of the next rank; a later one
    /// counts as just made.
    pub at: Moment,
    /// Who saw it.
    pub source: Source,
    /// What was asked for.
    pub asked: Asked,
    /// What was seen.
    pub outcome: Outcome,
}

/// What was asked for, and when nothing had come back yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Size and kind of the request.
    pub shape: Shape,
    /// Requests that were in flight in the (region, deployment) when it was sent, itself left out.
    pub in_flight: u32,
}

impl Asked {
    /// A tiny completion beside this many requests.
    pub const fn probe(in_flight: u32) -> Self {
        Self { shape: Shape::PROBE, in_flight }
    }
}

/// Who made a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The prober.
    Probe,
    /// A client's request.
    Live,
}

/// How a probe or a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The deployment answered.
    Answer {
        /// Time to the first content token; `None` when the answer was not a stream, or held none.
        first_token: Option<Duration>,
        /// Time to the last byte.
        total: Duration,
        /// Output tokens; 0 when unknown.
        tokens: u32,
    },
    /// The region answered a token-free probe, which names no deployment, or a client's request in a
    /// time that says nothing of the next one.
    Reachable {
        /// Time to the response head.
        head: Duration,
    },
    /// The region did not answer, or answered with a fault of its own.
    Failure {
        /// Label of a closed enum of the caller's, such as `timeout`; becomes a metric label.
        reason: &'static str,
        /// Time until it was known.
        after: Duration,
        /// How long the region asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nobody waited for it any longer: another region was faster, or the client left. It says that
    /// the answer would have taken longer than this, and nothing else.
    GivenUp {
        /// Time for which nothing had come.
        after: Duration,
    },
}

/// Which clock a score is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Time to the first content token of a tiny completion.
    FirstToken,
    /// Time to the end of a tiny completion.
    Total,
    /// Time to the head of a token-free answer: no deployment is probed.
    Reachability,
}

impl Measured {
    /// A label: `first_token`, `total` or `reachability`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstToken => "first_token",
            Self::Total => "total",
            Self::Reachability => "reachability",
        }
    }
}

impl Outcome {
    /// What this clock shows; `None` for a failure and for a clock that did not run.
    pub(crate) const fn measure(&self, clock: Measured) -> Option<Duration> {
        match (self, clock) {
            (Self::Answer { first_token, .. }, Measured::FirstToken) => *first_token,
            (Self::Answer { total, .. }, Measured::Total) => Some(*total),
            (Self::Reachable { head }, Measured::Reachability) => Some(*head),
            _ => None,
        }
    }

    /// Whether the region failed.
    pub(crate) const fn is_failure(&self) -> bool {
        matches!(self, Self::Failure { .. })
    }
}
