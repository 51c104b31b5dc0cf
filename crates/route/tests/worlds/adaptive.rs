//! The crate as the proxy drives it: the table chooses, the vitals follow, samples come in later.

use std::{collections::HashMap, sync::Arc, time::Duration};

use nearway_route::{
    Asked, Backoff, BreakerSettings, Condition, Cooldown, DeploymentSet, Entry, Failure, InFlight,
    Lack, Moment, Outcome, Pends, Plan, RankBy, Ranker, Ranking, RegionId, RegionSpec,
    RoutingSettings, Sample, Shape, Source, Strategy, Switch, Table, Wait,
};

use crate::{
    chooser::{Chooser, End, Seen},
    scene::{Fault, PROBE_TIMEOUT, Scene},
    world::{Request, World},
};

pub(crate) struct Adaptive {
    ranker: Ranker,
    table: Arc<Table>,
    ranked: f64,
    interval: f64,
    breaker: BreakerSettings,
    cooldown: Cooldown,
    /// By number.
    attempts: HashMap<usize, Attempt>,
    changes: usize,
}

/// One that is not over.
struct Attempt {
    region: usize,
    sent: f64,
    shape: Shape,
    /// Milliseconds.
    expected: f64,
    beside: u32,
    pends: Option<Pends>,
    in_flight: Option<InFlight>,
}

impl Adaptive {
    pub(crate) fn new(world: &World) -> Self {
        let interval = Duration::from_secs_f64(world.interval);
        let settings = RoutingSettings {
            strategy: Strategy::Adaptive,
            rank_by: RankBy::FirstToken,
            window: interval * 2,
            switch: Switch { percent: 20.0, at_least: Duration::from_millis(10), hold: interval },
            probe_interval: interval,
            probe_timeout: interval.mul_f64(PROBE_TIMEOUT),
            stale_after: interval * 6,
        };
        let spec = |id| RegionSpec {
            id: RegionId(id),
            name: format!("r{id}").into(),
            tier: 0,
            zone: None,
            deployments: DeploymentSet::All,
        };
        let specs = (0..).map(spec).take(world.regions.len()).collect();
        let mut ranker = Ranker::new(settings, 1, specs, vec![DEPLOYMENT.into()]);
        Self {
            table: ranker.rank(Moment::ZERO).table,
            ranker,
            ranked: 0.0,
            interval: world.interval,
            breaker: BreakerSettings {
                ratio: 0.25,
                minimum: 10,
                in_a_row: 2,
                window: interval / 3,
                pause: Backoff { least: interval / 6, most: interval * 2 },
                ramp: interval / 3,
            },
            cooldown: Cooldown { default: interval / 6, cap: interval * 2 },
            attempts: HashMap::new(),
            changes: 0,
        }
    }

    fn ranking(&self) -> &Ranking {
        self.table.ranking(Some(DEPLOYMENT))
    }

    fn entry(&self, region: usize) -> &Entry {
        self.ranking().order.iter().find(|entry| is(entry, region)).unwrap()
    }

    fn rank(&mut self, at: f64) {
        let published = self.ranker.rank(moment(at));
        self.changes += published.changes.len();
        self.table = published.table;
        self.ranked = at;
    }

    fn observe(&mut self, region: usize, sample: Sample) {
        self.ranker.observe(id(region), Some(DEPLOYMENT), sample);
    }
}

impl Chooser for Adaptive {
    fn choose(&mut self, at: f64, request: &Request, tried: &[usize], _: &Scene<'_>) -> usize {
        let mut plan = Plan::new(Lack::DEPLOYMENT, true).of(shape(request));
        for before in tried {
            plan.next(self.ranking(), moment(at), |entry| is(entry, *before));
        }
        let next = plan.next(self.ranking(), moment(at), |_| true);
        next.map_or(0, |entry| usize::try_from(entry.region.0).unwrap())
    }

    fn sent(&mut self, at: f64, attempt: usize, region: usize, request: &Request) {
        let shape = shape(request);
        let typical = self.ranking().lead(shape.class()).unwrap().typical;
        let entry = self.entry(region);
        let cost = entry.cost(shape, &typical, moment(at));
        let expected = cost.map_or(UNKNOWN, |cost| cost.expected);
        let sent = Attempt {
            region,
            sent: at,
            shape,
            expected,
            beside: entry.vitals.in_flight(),
            pends: Some(entry.vitals.pend(moment(at), millis(expected))),
            in_flight: Some(entry.vitals.enter()),
        };
        self.attempts.insert(attempt, sent);
    }

    fn answered(&mut self, attempt: usize) {
        self.attempts.get_mut(&attempt).unwrap().pends = None;
    }

    fn over(&mut self, at: f64, attempt: usize, fault: Option<Fault>) {
        let over = self.attempts.get_mut(&attempt).unwrap();
        (over.pends, over.in_flight) = (None, None);
        let (region, sent) = (over.region, moment(over.sent));
        let (now, vitals) = (moment(at), &self.entry(region).vitals);
        match fault {
            Some(Fault::Failure) => {
                vitals.breaker().failed(Failure::Fault, sent, now, &self.breaker);
            }
            Some(Fault::Throttled(hint)) => {
                let hint = hint.map(Duration::from_secs_f64);
                vitals.refused(now, self.cooldown.throttled(hint), self.cooldown.cap);
            }
            None => {
                vitals.breaker().answered(sent, now, &self.breaker);
            }
        }
    }

    fn learn(&mut self, at: f64, seen: &Seen) {
        let asked =
            Asked { shape: shape(&seen.request), in_flight: self.attempts[&seen.attempt].beside };
        let after = millis(seen.millis);
        let outcome = match seen.end {
            End::Answered if seen.request.streams => {
                Outcome::Answer { first_token: Some(after), total: after, tokens: 0 }
            }
            End::Answered => {
                Outcome::Answer { first_token: None, total: after, tokens: seen.request.output }
            }
            End::Failed => Outcome::Failure { reason: "fault", after, retry_after: None },
            End::GivenUp => Outcome::GivenUp { after },
        };
        let sample = Sample { at: moment(at), source: Source::Live, asked, outcome };
        self.observe(seen.region, sample);
    }

    fn is_stuck(&self, at: f64, attempt: usize) -> bool {
        let attempt = &self.attempts[&attempt];
        let (shape, now) = (attempt.shape, moment(at));
        let typical = self.ranking().lead(shape.class()).unwrap().typical;
        let wait = Wait { expected: attempt.expected, so_far: (at - attempt.sent) * 1_000.0 };
        let is_refuge = |entry: &Entry| {
            !is(entry, attempt.region) && entry.condition(Lack::DEPLOYMENT, now) == Condition::Good
        };
        self.entry(attempt.region).is_stuck(wait, shape, &typical, now)
            && self.ranking().order.iter().any(is_refuge)
    }

    fn probes(&mut self, at: f64) -> Vec<usize> {
        if at - self.ranked > RANK_EVERY * self.interval {
            self.rank(at);
        }
        let is_due = |region: &usize| {
            let due = self.ranker.probe_due(id(*region), DEPLOYMENT, moment(at));
            due.is_some_and(|due| due.at <= moment(at))
        };
        (0..self.ranking().order.len()).filter(is_due).collect()
    }

    fn probed(&mut self, at: f64, region: usize, time: Option<f64>) {
        let asked = Asked::probe(self.entry(region).vitals.in_flight());
        let outcome = match time {
            Some(time) => {
                Outcome::Answer { first_token: Some(millis(time)), total: millis(time), tokens: 1 }
            }
            None => Outcome::Failure { reason: "fault", after: millis(UNKNOWN), retry_after: None },
        };
        self.observe(region, Sample { at: moment(at), source: Source::Probe, asked, outcome });
        self.rank(at);
    }

    fn changes(&self) -> usize {
        self.changes
    }
}

fn is(entry: &Entry, region: usize) -> bool {
    entry.region == id(region)
}

fn id(region: usize) -> RegionId {
    RegionId(u32::try_from(region).unwrap())
}

fn shape(request: &Request) -> Shape {
    Shape { prompt: request.prompt, streams: request.streams }
}

fn moment(seconds: f64) -> Moment {
    Moment::ZERO + Duration::from_secs_f64(seconds)
}

fn millis(millis: f64) -> Duration {
    Duration::from_secs_f64(millis / 1_000.0)
}

const DEPLOYMENT: &str = "gpt-4o";
/// Milliseconds that are expected where nothing is known.
const UNKNOWN: f64 = 1_000.0;
/// A table is at most so old, in intervals.
const RANK_EVERY: f64 = 0.05;
