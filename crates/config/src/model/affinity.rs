//! Which requests stay together, and for how much.

use std::time::Duration;

/// Which requests stay in the region that has their prompt in its cache, and for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    /// Which belong together.
    pub mode: AffinityMode,
    /// With [`AffinityMode::Prefix`], prompts of so many tokens and more: 256 to 1 000 000.
    pub from_tokens: u32,
    /// By how much the region may be slower than the best, for each 1,000 tokens: at most 10 s.
    pub bound_per_1k_tokens: Duration,
    /// And at most by this much, whatever the prompt: at most a minute.
    pub bound_max: Duration,
    /// How long a region is remembered, 1 s to 12 hours.
    pub ttl: Duration,
}

/// Which requests belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AffinityMode {
    /// None.
    Off,
    /// Those whose prompts begin alike, and those that say so, if they are long.
    Prefix,
    /// Only those that say so.
    Session,
}
