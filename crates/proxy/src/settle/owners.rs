//! Who owns what a request names: asked before it is sent, remembered once a region has shown it.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use nearway_affinity::merge::Page;
use nearway_affinity::{Learned, Minute};
use nearway_route::{Moment, RegionId};
use nearway_telemetry::{Learning, Lookup, Search};
use nearway_upstream::RegionBody;
use nearway_wire::id::IdDigest;

use super::Settle;
use crate::belong::Bonds;
use crate::identify::Identity;
use crate::learn::Learner;
use crate::worker::{Shared, wall_clock};

/// Regions that were asked for what they do not know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InVain {
    in_vain: u32,
    took: Duration,
}

impl Shared {
    /// This lives in that region.
    pub(crate) fn learn(&self, id: IdDigest, region: RegionId, now: Minute) {
        let learning = match self.owners.learn(id, region, now) {
            Learned::New { evicted } => {
                if evicted {
                    self.state.evicted();
                }
                Learning::New
            }
            Learned::Known => Learning::Known,
            Learned::Moved => Learning::Moved,
        };
        self.state.learned(learning);
    }
}

impl Settle {
    /// The region that is known to own this.
    pub(crate) fn owner(&self, id: IdDigest) -> Option<RegionId> {
        self.shared.owners.owner(id, minute())
    }

    /// Whether all regions were asked for this of late, by this client, and none knew it.
    pub(crate) fn is_nobodys(&self, id: IdDigest) -> bool {
        let now = Moment::from(self.shared.clock.now());
        let ttl = self.prepared.settings.state.unknown_for;
        self.shared.nobody.knows(self.key(id), now, ttl)
    }

    /// What was found out of the objects that the request names: whether one is `known`, and of the first one
    /// that is not whether it is nobody's.
    pub(crate) fn looked_up(&mut self, known: bool, unknown: Option<bool>) {
        let result = match (known, unknown) {
            (true, _) => Lookup::Hit,
            (false, Some(true)) => Lookup::Nobody,
            (false, Some(false)) => {
                self.search.get_or_insert_default();
                Lookup::Unknown
            }
            (false, None) => return,
        };
        self.shared.state.looked_up(result);
    }

    /// The objects that the request names have several owners.
    pub(crate) fn owners_conflict(&self) {
        self.shared.state.looked_up(Lookup::Conflict);
    }

    /// Its owner does not know it any more.
    pub(crate) fn forget(&self, id: IdDigest) {
        self.shared.owners.forget(id);
    }

    /// The region that was asked last does not know what the request names.
    pub(crate) fn asked_in_vain(&mut self) {
        let took = self.elapsed().saturating_sub(self.began());
        let search = self.search.get_or_insert_default();
        search.took += took;
        search.in_vain += 1;
    }

    /// All regions were asked for what the request names, and none knows it.
    pub(crate) fn is_nobodys_now(&mut self, bonds: &Bonds) {
        let now = Moment::from(self.shared.clock.now());
        for one in bonds.named.iter().filter(|one| one.bond.is_firm()) {
            self.shared.nobody.remember(self.key(one.id), now);
        }
        self.search_ended(Search::Nobody);
    }

    /// Not all regions could be asked.
    pub(crate) fn search_failed(&mut self) {
        self.search_ended(Search::Failed);
    }

    fn search_ended(&mut self, result: Search) {
        if let Some(search) = self.search.take() {
            self.shared.state.searched(result, search.in_vain, search.took);
        }
    }

    /// A region was asked for an object only: what that says of it says nothing of the request.
    pub(crate) fn question_answered(&mut self) -> Option<RegionId> {
        self.lacking.clear();
        self.answering = None;
        self.region()
    }

    /// The region that answers.
    pub(crate) fn region(&self) -> Option<RegionId> {
        let place = self.answering.or_else(|| self.place())?;
        Some(self.prepared.settings.regions.get(place)?.id)
    }

    /// Its name.
    pub(crate) fn region_name(&self) -> Option<Arc<str>> {
        let place = self.answering.or_else(|| self.place())?;
        Some(self.prepared.settings.regions.get(place)?.region.name().clone())
    }

    /// A region has answered: what the request names lives there, or did until now. What the answer itself
    /// names, the learner will tell.
    pub(crate) fn shows_owner(
        &mut self,
        identity: &Identity,
        method: &Method,
        answer: &Response<RegionBody>,
    ) -> Option<Box<Learner>> {
        let region = self.region().filter(|_| !self.for_all)?;
        if !answer.status().is_success() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return None;
        }
        self.search_ended(Search::Found);
        let named = &identity.bonds.named;
        if *method == Method::DELETE {
            // the innermost of those that the path names is gone
            if let Some(one) = named.last() {
                self.forget(one.id);
            }
            return None;
        }
        for one in named.iter().filter(|one| one.bond.is_firm()) {
            self.learn(one.id, region);
        }
        Learner::of(identity, region, answer.headers(), self)
    }

    /// The name of the client who sent it, where clients are configured.
    pub(crate) fn client_name(&self) -> Option<Arc<str>> {
        let clients = self.prepared.settings.clients.as_ref()?;
        Some(clients.get(self.client?)?.name.clone())
    }

    /// A region listed these.
    pub(crate) fn learn_page(&self, page: &Page, region: RegionId) {
        let now = minute();
        for item in page.items.iter().filter(|item| !item.id.is_empty()) {
            self.shared.learn(IdDigest::of(item.id.as_bytes()), region, now);
        }
    }

    /// The answer is made of those of several regions.
    pub(crate) fn answers_for_all(&mut self) {
        self.for_all = true;
    }

    /// This lives in that region.
    pub(crate) fn learn(&self, id: IdDigest, region: RegionId) {
        self.shared.learn(id, region, minute());
    }

    /// A client that may not go everywhere has not asked everywhere.
    fn key(&self, id: IdDigest) -> u64 {
        let [half, _] = id.halves();
        let client = self.client.map_or(0, |place| u64::try_from(place).unwrap_or_default() + 1);
        half ^ client.wrapping_mul(SPREAD)
    }
}

/// The wall clock, as owners are remembered by.
pub(crate) fn minute() -> Minute {
    wall_clock().into()
}

/// 2^64 divided by the golden ratio: neighbouring numbers end up far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
