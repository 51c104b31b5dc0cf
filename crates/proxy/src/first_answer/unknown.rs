//! Requests that belong to one region: what happens where it is not known which, where it is another one than
//! was thought, and where it does not answer.

use std::time::Duration;

use nearway_route::Condition;
use nearway_upstream::{FaultKind, Reply, Transport};

use super::Search;
use crate::Refusal;
use crate::choose::{all_choices, choices, condition_of_only};
use crate::refuse::{Bound, Tried};

impl<T: Transport> Search<'_, T> {
    /// Refuses at once what only a region could answer that is known to answer nobody.
    pub(super) fn refuse_early(&self, elapsed: Duration) -> Result<(), Refusal> {
        let now = self.settle.moment(elapsed);
        match condition_of_only(self.ranking, now, &self.original.identity, &self.prepared.settings)
        {
            Some((region, Condition::Open)) => {
                Err(Bound::Out(self.original.identity.bonds.shown(), region).into())
            }
            _ => Ok(()),
        }
    }

    /// The region at this place does not know what the request names: another one may.
    pub(super) fn is_elsewhere(&mut self, reply: Box<Reply>, place: usize) {
        self.settle.asked_in_vain();
        let bonds = &mut self.original.identity.bonds;
        if let Some(one) = bonds.object() {
            // what was thought is wrong: the object is gone, or it was never there
            self.settle.forget(one.id);
            (bonds.only, bonds.because) = (None, None);
        }
        bonds.searches = true;
        let now = self.settle.moment(self.settle.elapsed());
        self.most = choices(self.ranking, now, &self.original.identity, &self.prepared.settings);
        // the best region speaks for all
        self.wrong.get_or_insert((reply, place));
    }

    /// Whether a fault of this kind only says that another region is meant.
    pub(super) fn is_wrong(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::UnknownObject => true,
            // what has no such objects at all has not this one either
            FaultKind::MissingDeployment => self.original.identity.bonds.searches,
            _ => false,
        }
    }

    /// No region that was asked knows what the request names. If all were asked, that is the answer;
    /// else it may live with one that could not be.
    pub(super) fn unknown(
        &mut self,
        (reply, place): (Box<Reply>, usize),
        tried: &[Tried],
    ) -> Result<Box<Reply>, Refusal> {
        let settings = &self.prepared.settings;
        let identity = &self.original.identity;
        let all = all_choices(self.ranking, identity, settings);
        let wrong = tried.iter().filter(|tried| self.is_wrong(tried.kind)).count();
        if wrong >= all {
            // what this request may not ask, another one of the same client may
            let everywhere = wrong >= settings.reachable(identity.client);
            self.settle.is_nobodys_now(&identity.bonds, everywhere);
            self.original.identity.bonds.is_nobodys = true;
            self.settle.answering_from(place);
            return Ok(reply);
        }
        self.settle.search_failed();
        let last = self.last.take();
        let is_answer = |(_, place): &(Box<Reply>, usize)| {
            let name = settings.regions.get(*place).map(|target| target.region.name());
            tried.iter().any(|tried| Some(&tried.region) == name && !self.is_wrong(tried.kind))
        };
        if let Some((reply, place)) = last.filter(is_answer) {
            self.settle.answering_from(place);
            return Ok(reply);
        }
        let silent = tried.iter().filter(|tried| !self.is_wrong(tried.kind)).cloned();
        Err(Bound::Unfound(identity.bonds.shown(), silent.collect()).into())
    }

    /// The one region that could answer did not.
    pub(super) fn owner_failed(&self, mut tried: Vec<Tried>) -> Refusal {
        match tried.pop() {
            Some(last) => Bound::Failed(self.original.identity.bonds.shown(), last).into(),
            None => self.nowhere(),
        }
    }
}
