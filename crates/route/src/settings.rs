//! What the operator decides about ranking. Filled in by the binary, which has checked it.
//!
//! No defaults here: they live in the config crate with their reasons. A value outside its range
//! gives a poor ranking and never a panic.

use std::time::Duration;

use crate::sample::Measured;

/// Settings of the whole ranking; the same for all deployments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoutingSettings {
    /// How samples become a score.
    pub strategy: Strategy,
    /// Which clock the score is made from.
    pub rank_by: RankBy,
    /// How old a sample may be and still count. At most [`MAX_SAMPLES`](crate::MAX_SAMPLES) do.
    pub window: Duration,
    /// When the leader changes.
    pub switch: Switch,
    /// Time between two probe rounds, in which a region may change by a quarter. [`Strategy::Average`]
    /// does not need it.
    pub probe_interval: Duration,
    /// What a failure costs at least.
    pub probe_timeout: Duration,
    /// Age of the newest probe sample from which a region is stale; a few probe intervals.
    pub stale_after: Duration,
}

/// How samples become a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// What a request would cost, by an estimate that probes and clients' requests teach; each request
    /// weighs its size, what is in flight, and what has not come back. For probed deployments; the
    /// others are ranked as by [`Strategy::Average`].
    #[default]
    Adaptive,
    /// Mean of the probe samples in the window, failures costed.
    Average,
}

/// Which clock the regions are compared by, when deployments are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RankBy {
    /// Time to the first content token: measures the region.
    #[default]
    FirstToken,
    /// Time to the end of the answer: measures the length of the answer too.
    Total,
}

impl From<RankBy> for Measured {
    fn from(rank_by: RankBy) -> Self {
        match rank_by {
            RankBy::FirstToken => Self::FirstToken,
            RankBy::Total => Self::Total,
        }
    }
}

/// What another region must gain over a working leader to replace it: all three at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Switch {
    /// Gain in percent of the leader's score, 0 to 100. Not a number counts as 0.
    pub percent: f64,
    /// Gain as a time.
    pub at_least: Duration,
    /// How long the leader must have led.
    pub hold: Duration,
}
