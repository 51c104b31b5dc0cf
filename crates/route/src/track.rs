//! What is remembered of one (region, deployment), and what it amounts to at a moment.
//!
//! A member holds one per probed deployment and one for all the rest. Probes decide score and
//! state; what clients' requests saw is kept apart and only shown.

use std::{sync::Arc, time::Duration};

use crate::{
    health::State,
    knowledge::{Beside, Knowledge, Known},
    moment::Moment,
    sample::{Measured, Outcome, Sample, Source},
    score::score,
    settings::{RoutingSettings, Strategy},
    spread::{Spread, mean},
    table::LastError,
    vitals::Vitals,
    window::Window,
};

/// The memory of one (region, deployment).
#[derive(Debug, Default)]
pub(crate) struct Track {
    probes: Window,
    live: Window,
    last_error: Option<LastError>,
    knowledge: Knowledge,
    vitals: Arc<Vitals>,
}

impl Track {
    /// One for all deployments together that have none of their own.
    pub(crate) fn of_many() -> Self {
        Self { vitals: Arc::new(Vitals::of_many()), ..Self::default() }
    }

    pub(crate) fn observe(&mut self, sample: Sample) {
        if let Outcome::Failure { reason, .. } = sample.outcome {
            self.last_error = self.last_error.max(Some(LastError { at: sample.at, reason }));
        }
        match sample.source {
            Source::Probe => {
                if matches!(sample.outcome, Outcome::Answer { .. }) {
                    self.vitals.has_deployment();
                }
                self.probes.insert(sample);
            }
            Source::Live => self.live.insert(sample),
        }
    }

    /// What the adaptive strategy makes of a sample; see [`Knowledge::learn`].
    pub(crate) fn learn(&mut self, sample: &Sample, beside: &Beside) {
        self.knowledge.learn(sample, beside);
    }

    /// See [`Knowledge::resume`].
    pub(crate) fn resume(&mut self, known: Known) -> bool {
        self.knowledge.resume(known)
    }

    pub(crate) const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    pub(crate) fn expire(&mut self, now: Moment, span: Duration) {
        self.probes.expire(now, span);
        self.live.expire(now, span);
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.probes.newest().is_some()
    }

    pub(crate) const fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// What the probes amount to at `now`, scored by this clock.
    pub(crate) fn reading(
        &self,
        settings: &RoutingSettings,
        clock: Measured,
        now: Moment,
    ) -> Reading {
        let answered = match settings.strategy {
            Strategy::Adaptive => self.knowledge.answered(),
            Strategy::Average => None,
        };
        Reading {
            state: State::of(self.probes.newest(), answered, now, settings.stale_after),
            score: score(&self.probes, clock, settings),
            first_token: self.probes.spread(Measured::FirstToken),
            total: self.probes.spread(Measured::Total),
            head: self.probes.spread(Measured::Reachability),
            samples: self.probes.len(),
            failures: self.probes.failures(),
            last_sample: self.probes.newest().map(|sample| sample.at),
            last_failure: self.probes.last_failure(),
            last_error: self.last_error,
        }
    }

    /// What the clients' requests amount to.
    pub(crate) fn live(&self) -> LiveTally {
        LiveTally {
            samples: self.live.len(),
            failures: self.live.failures(),
            first_token: self.live.spread(Measured::FirstToken),
            total: self.live.spread(Measured::Total),
        }
    }
}

/// What clients' requests saw within the window; never part of a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveTally {
    /// Requests, failed ones included; at most [`MAX_SAMPLES`](crate::MAX_SAMPLES), the newest.
    pub samples: u32,
    /// Failed ones among them.
    pub failures: u32,
    /// First content tokens of the streams.
    pub first_token: Option<Spread>,
    /// Total times.
    pub total: Option<Spread>,
}

/// What probes amount to; the fields are those of [`Entry`](crate::Entry).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) state: State,
    pub(crate) score: Option<Duration>,
    pub(crate) first_token: Option<Spread>,
    pub(crate) total: Option<Spread>,
    pub(crate) head: Option<Spread>,
    pub(crate) samples: u32,
    pub(crate) failures: u32,
    pub(crate) last_sample: Option<Moment>,
    pub(crate) last_failure: Option<Moment>,
    pub(crate) last_error: Option<LastError>,
}

impl Reading {
    /// One reading for a region from those of its deployments; `None` if there are none.
    ///
    /// The region is as good as its best deployments, and only those are averaged: a deployment
    /// that is missing in a region says nothing of the others there.
    pub(crate) fn over(all: &[Self]) -> Option<Self> {
        let state = all.iter().map(|one| one.state).min()?;
        let best = || all.iter().filter(|one| one.state == state);
        Some(Self {
            state,
            score: mean(best().filter_map(|one| one.score)),
            first_token: Spread::over(best().filter_map(|one| one.first_token)),
            total: Spread::over(best().filter_map(|one| one.total)),
            head: Spread::over(best().filter_map(|one| one.head)),
            samples: all.iter().fold(0, |sum, one| sum.saturating_add(one.samples)),
            failures: all.iter().fold(0, |sum, one| sum.saturating_add(one.failures)),
            last_sample: all.iter().filter_map(|one| one.last_sample).max(),
            last_failure: best().filter_map(|one| one.last_failure).max(),
            last_error: all.iter().filter_map(|one| one.last_error).max(),
        })
    }
}
