//! One configured region with all that is remembered of it.
//!
//! The ranker keeps one per region, sends it samples, and asks it for its entry in each ranking.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    knowledge::{Beside, Knowledge, Known},
    moment::Moment,
    region::RegionSpec,
    sample::{Measured, Sample, Source},
    settings::{RoutingSettings, Strategy},
    table::Entry,
    track::{Reading, Track},
    vitals::Vitals,
};

/// A region and its tracks.
#[derive(Debug)]
pub(crate) struct Member {
    spec: RegionSpec,
    /// Of the probed deployments that the region serves.
    tracks: BTreeMap<Arc<str>, Track>,
    /// Token-free probes, and requests for deployments that are not probed. Client text never
    /// makes a track of its own.
    other: Track,
    vitals: Arc<Vitals>,
}

impl Member {
    /// A region by its new description, with what `former` remembers of the same region.
    pub(crate) fn new(
        spec: RegionSpec,
        former: Option<Self>,
        probed: impl Iterator<Item = Arc<str>>,
    ) -> Self {
        let (mut kept, other, vitals) = match former {
            Some(former) => (former.tracks, former.other, former.vitals),
            None => (BTreeMap::new(), Track::of_many(), Arc::default()),
        };
        let tracks = probed
            .filter(|deployment| spec.deployments.serves(deployment))
            .map(|deployment| {
                let track = kept.remove(&deployment).unwrap_or_default();
                (deployment, track)
            })
            .collect();
        Self { spec, tracks, other, vitals }
    }

    pub(crate) const fn spec(&self) -> &RegionSpec {
        &self.spec
    }

    /// Remembers a sample. A probe of a deployment that is no longer probed comes too late.
    ///
    /// A probe that is answered ends what a client's request taught about the credential and the
    /// deployment; of the breaker, a client's own request is the better trial.
    pub(crate) fn observe(&mut self, deployment: Option<&str>, sample: Sample) {
        if sample.source == Source::Probe && !sample.outcome.is_failure() {
            self.vitals.authorized();
        }
        match deployment.and_then(|deployment| self.tracks.get_mut(deployment)) {
            Some(track) => track.observe(sample),
            None if deployment.is_none() || sample.source == Source::Live => {
                self.other.observe(sample);
            }
            None => {}
        }
    }

    /// What the adaptive strategy makes of a sample of a probed deployment.
    pub(crate) fn learn(&mut self, deployment: &str, sample: &Sample, beside: &Beside) {
        if let Some(track) = self.tracks.get_mut(deployment) {
            track.learn(sample, beside);
        }
    }

    /// Begins with what an earlier process knew of a probed deployment. Returns whether it is of use.
    pub(crate) fn resume(&mut self, deployment: &str, known: Known) -> bool {
        self.tracks.get_mut(deployment).is_some_and(|track| track.resume(known))
    }

    /// What it has made of those of a probed deployment; `None` if the region does not serve it.
    pub(crate) fn knowledge(&self, deployment: &str) -> Option<&Knowledge> {
        self.tracks.get(deployment).map(Track::knowledge)
    }

    pub(crate) fn expire(&mut self, now: Moment, span: Duration) {
        for track in self.tracks.values_mut().chain([&mut self.other]) {
            track.expire(now, span);
        }
    }

    /// Whether each probed deployment was probed; without any, whether the region itself was.
    pub(crate) fn is_probed(&self, reachability_only: bool) -> bool {
        if reachability_only {
            self.other.is_probed()
        } else {
            self.tracks.values().all(Track::is_probed)
        }
    }

    /// The region's entry in the ranking of a probed deployment; `None` if it does not serve it.
    pub(crate) fn entry(
        &self,
        deployment: &str,
        settings: &RoutingSettings,
        now: Moment,
    ) -> Option<Entry> {
        let track = self.tracks.get(deployment)?;
        let reading = track.reading(settings, settings.rank_by.into(), now);
        let known = match settings.strategy {
            Strategy::Adaptive => track.knowledge().at(now, settings.probe_interval),
            Strategy::Average => None,
        };
        Some(Entry { known, ..self.entry_from(reading, track) })
    }

    /// The region's entry in the fallback, from all its probed deployments together, or from
    /// token-free probes where none is probed.
    pub(crate) fn fallback_entry(
        &self,
        settings: &RoutingSettings,
        clock: Measured,
        now: Moment,
    ) -> Entry {
        let readings: Vec<_> =
            self.tracks.values().map(|track| track.reading(settings, clock, now)).collect();
        let own = self.other.reading(settings, clock, now);
        let mut reading = Reading::over(&readings).unwrap_or(own);
        reading.last_error = reading.last_error.max(own.last_error);
        self.entry_from(reading, &self.other)
    }

    fn entry_from(&self, reading: Reading, track: &Track) -> Entry {
        Entry {
            region: self.spec.id,
            name: Arc::clone(&self.spec.name),
            tier: self.spec.tier,
            zone: self.spec.zone.clone(),
            state: reading.state,
            score: reading.score,
            known: None,
            first_token: reading.first_token,
            total: reading.total,
            head: reading.head,
            samples: reading.samples,
            failures: reading.failures,
            last_sample: reading.last_sample,
            last_failure: reading.last_failure,
            last_error: reading.last_error,
            live: track.live(),
            vitals: Arc::clone(track.vitals()),
            region_vitals: Arc::clone(&self.vitals),
        }
    }
}
