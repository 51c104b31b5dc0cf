//! Where those live that a request belongs to: asked before it is sent, and remembered once it is answered.

use nearway_route::{Home, Moment};
use nearway_telemetry::AffinityResult;

use super::Settle;
use crate::affinity::Affinity;

impl Settle {
    /// What tells who belongs together.
    pub(crate) fn affinity(&self) -> &Affinity {
        &self.shared.affinity
    }

    /// The region that has the prompt in its cache, if one is known, and how much that is worth.
    pub(crate) fn home(&mut self, now: Moment) -> Option<Home> {
        let affinity = self.prepared.settings.affinity.as_ref()?;
        let region = self.shared.affinity.homes.of(self.kin?, now, affinity.ttl)?;
        self.home = Some(region);
        let cached = self.shared.affinity.cached.get();
        Some(Home { region, bound: affinity.bound(self.shape.prompt, cached, self.in_session) })
    }

    /// A prompt of so many tokens was answered, of which the region has read these from its cache.
    pub(super) fn read_from_cache(&self, cached: u32, prompt: u32) {
        let region = self.place().and_then(|place| self.prepared.settings.regions.get(place));
        if prompt > 0 && self.home.is_some() && self.home == region.map(|region| region.id) {
            let share = self.shared.affinity.cached.saw(cached, prompt);
            self.shared.metrics.affinity_cached(share);
        }
    }

    /// The region that has answered well has the prompt in its cache now: the next ones find it there.
    pub(super) fn settles_at_home(&self, now: Moment) {
        let settings = &self.prepared.settings;
        let (Some(kin), Some(affinity)) = (self.kin, &settings.affinity) else { return };
        let Some(region) = self.place().and_then(|place| settings.regions.get(place)) else {
            return;
        };
        let result = match self.home {
            None => AffinityResult::New,
            Some(home) if home == region.id => AffinityResult::Kept,
            Some(_) => AffinityResult::Moved,
        };
        self.shared.metrics.affinity(result);
        if self.shared.affinity.homes.remember(kin, region.id, now, affinity.ttl) {
            self.shared.metrics.affinity_evicted();
        }
    }
}
