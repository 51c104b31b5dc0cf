//! Who owns what a request names: asked before it is sent, remembered once a region has shown it.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use nearway_affinity::merge::Page;
use nearway_affinity::request::Bond;
use nearway_affinity::{Learned, Minute};
use nearway_route::{Moment, RegionId};
use nearway_telemetry::{Learning, Lookup, Search};
use nearway_upstream::RegionBody;
use nearway_wire::id::IdDigest;

use super::Settle;
use crate::attempted::Whose;
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
    /// The region that is known to own this, by the name that its resource goes by.
    pub(crate) fn owner(&self, id: IdDigest) -> Option<RegionId> {
        let region = self.shared.owners.owner(id, minute())?;
        // it may be one that is no longer configured
        Some(self.prepared.settings.target(region)?.1.owner)
    }

    /// Whether all regions were asked for this of late, by this client, and none knew it.
    pub(crate) fn is_nobodys(&self, id: IdDigest) -> bool {
        let now = Moment::from(self.shared.clock.now());
        let ttl = self.prepared.settings.state.unknown_for;
        self.shared.nobody.knows(self.key(id), now, ttl)
    }

    /// What is known of the objects that the request names.
    pub(crate) fn looked_up(&mut self, lookup: Lookup) {
        if lookup == Lookup::Unknown {
            self.search.get_or_insert_default();
        }
        self.shared.state.looked_up(lookup);
    }

    /// Its owner does not know it any more.
    pub(crate) fn forget(&self, id: IdDigest) {
        self.shared.owners.forget(id);
    }

    /// The region that was asked last does not know what the request names, which is an answer.
    pub(crate) fn asked_in_vain(&mut self) {
        let took = self.elapsed().saturating_sub(self.began());
        let search = self.search.get_or_insert_default();
        search.took += took;
        search.in_vain += 1;
        self.answers_well();
    }

    fn answers_well(&self) {
        let now = self.shared.clock.now();
        if let Some(attempt) = &self.current {
            attempt.answered(Whose::Deployment, now);
            attempt.answered(Whose::Region, now);
        }
    }

    /// All regions were asked that may be for what the request names, and none knows it; `everywhere`: that
    /// are all that its client may ever ask.
    pub(crate) fn is_nobodys_now(&mut self, bonds: &Bonds, everywhere: bool) {
        let now = Moment::from(self.shared.clock.now());
        // of several it may be any that is not known
        let firm = bonds.only_firm();
        let loose = bonds.named.iter().filter(|one| !one.bond.is_firm());
        let loose = loose.filter(|_| bonds.named.iter().all(|one| !one.bond.is_firm()));
        for one in firm.into_iter().chain(loose).filter(|_| everywhere) {
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

    /// A region was asked for an object only: what that says of it says nothing of the request, but that it
    /// answers.
    pub(crate) fn question_answered(&mut self) -> Option<RegionId> {
        self.answers_well();
        self.lacking.clear();
        let region = self.region();
        self.answering = None;
        region
    }

    /// The object lives there, as that region itself has said.
    pub(crate) fn found(&mut self, id: IdDigest, region: RegionId) {
        self.search_ended(Search::Found);
        self.learn(id, region);
    }

    /// The region that answers, by the name that its resource goes by.
    pub(crate) fn region(&self) -> Option<RegionId> {
        let place = self.answering.or_else(|| self.place())?;
        Some(self.prepared.settings.regions.get(place)?.owner)
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
            // what is taken out of another object may live on
            if let [one] = named.as_slice() {
                self.forget(one.id);
            }
            return None;
        }
        // of others it has said nothing
        for one in named.iter().filter(|one| matches!(one.bond, Bond::Told(_))) {
            self.learn(one.id, region);
        }
        Learner::of((identity, method), region, answer.headers(), self)
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
        let client = self.client_name().map_or(0, |name| {
            let [half, _] = IdDigest::of(name.as_bytes()).halves();
            half
        });
        half ^ client
    }
}

/// The wall clock, as owners are remembered by.
pub(crate) fn minute() -> Minute {
    wall_clock().into()
}
