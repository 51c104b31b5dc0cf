//! The order in which one request tries regions.
//!
//! On the request path: no allocation, no lock. It knows what was tried, and asks the vitals at
//! each step, so that a cool-down set a moment ago already counts. How many attempts a request
//! gets, and whether it may be repeated at all, the proxy decides.

use crate::{
    health::State,
    moment::Moment,
    region::RegionId,
    table::{Entry, Ranking},
};

/// Regions one request tries at most; the plan ends there.
pub const MAX_TRIED: usize = 32;

/// What one request has tried so far.
#[derive(Clone, Debug)]
pub struct Plan {
    tried: [RegionId; MAX_TRIED],
    count: usize,
}

impl Plan {
    /// Nothing tried yet.
    pub const fn new() -> Self {
        Self { tried: [RegionId(0); MAX_TRIED], count: 0 }
    }

    /// The region to try next, among those that are `allowed`; `None` when all were tried.
    ///
    /// First those that can be expected to answer, in the ranking's order. Then the rest, least
    /// bad first: cooled ones by the end of their cool-down, then those that are down.
    /// No region comes twice, even if the ranking changes between two calls.
    pub fn next<'t>(
        &mut self,
        ranking: &'t Ranking,
        now: Moment,
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<&'t Entry> {
        let open = |entry: &&Entry| !self.has_tried(entry.region) && allowed(entry);
        let entry = ranking
            .order
            .iter()
            .filter(open)
            .find(|entry| entry.state != State::Down && entry.cooled_for(now).is_none())
            .or_else(|| {
                let badness = |entry: &&Entry| (entry.state == State::Down, entry.cooled_for(now));
                ranking.order.iter().filter(open).min_by_key(badness)
            })?;

        *self.tried.get_mut(self.count)? = entry.region;
        self.count = self.count.saturating_add(1);
        Some(entry)
    }

    /// How many regions were given out.
    pub const fn attempts(&self) -> usize {
        self.count
    }

    fn has_tried(&self, region: RegionId) -> bool {
        self.tried.iter().take(self.count).any(|tried| *tried == region)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}
