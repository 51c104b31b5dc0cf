//! The worlds of the benchmark, as the simulator plays them, and the requests that come in each.

use fastrand::Rng;
use nearway_sim::{Brownout, Drift, Failures, Hang, Hint, RegionWorld, Step, Tail, Throttle};

/// The regions and their requests.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) regions: Vec<RegionWorld>,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Most prompt tokens; the least are 20.
    pub(crate) prompt: f64,
}

/// One client's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Seconds since the regions began.
    pub(crate) at: f64,
    /// Tokens.
    pub(crate) prompt: u32,
    pub(crate) streams: bool,
}

/// Seconds that requests come.
pub(crate) const LENGTH: f64 = 40.0;
/// Seconds until the first request: proxies have started and measured by then.
pub(crate) const START: f64 = 2.5;
/// The credential of all regions.
pub(crate) const KEY: &str = "k";
pub(crate) const DEPLOYMENT: &str = "gpt-4o";
/// Tokens of an answer.
pub(crate) const OUTPUT: u32 = 12;

pub(crate) fn all() -> Vec<World> {
    let mut all = changing();
    all.extend(failing());
    all.extend(differing());
    all
}

fn changing() -> Vec<World> {
    let steps = |base, steps: &[(f64, f64)]| RegionWorld {
        steps: steps
            .iter()
            .map(|(at_s, base_ms)| Step { at_s: *at_s, base_ms: *base_ms })
            .collect(),
        ..region(base)
    };
    let drift = |base, amount_ms, period_s| RegionWorld {
        drift: Some(Drift { amount_ms, period_s }),
        ..region(base)
    };
    let brown = |from_s, for_s, factor| Brownout { from_s, for_s, factor, failure_rate: 0.0 };
    let brownout = RegionWorld { brownouts: vec![brown(14.0, 10.0, 8.0)], ..region(100.0) };
    let bursts = [6.0, 11.5, 15.0, 22.0, 26.5, 34.0].map(|from| brown(from, 1.0, 6.0));
    let bursting = RegionWorld { brownouts: bursts.into(), ..region(100.0) };
    let five = vec![
        drift(140.0, 30.0, 25.0),
        drift(120.0, 25.0, 31.0),
        region(200.0),
        drift(170.0, 35.0, 37.0),
        region(125.0),
    ];
    vec![
        world("steady", vec![region(100.0), region(130.0), region(200.0)]),
        world(
            "crossover",
            vec![steps(100.0, &[(14.0, 220.0)]), steps(180.0, &[(27.0, 110.0)]), region(260.0)],
        ),
        world(
            "slow drift",
            vec![drift(150.0, 60.0, 30.0), drift(160.0, 60.0, 22.0), region(170.0)],
        ),
        world("brown-out", vec![brownout, region(160.0), region(220.0)]),
        world("spike bursts", vec![bursting, region(150.0), region(190.0)]),
        world("five regions", five),
        World {
            rate: 0.7,
            ..world(
                "hardly any traffic",
                vec![steps(100.0, &[(20.0, 260.0)]), region(150.0), region(200.0)],
            )
        },
    ]
}

fn failing() -> Vec<World> {
    let with = |first| vec![first, region(140.0), region(180.0)];
    let throttle = Throttle { per_minute: 300, hint: Hint::Both, retry_after_ms: Some(1_000) };
    let failures = Some(Failures { rate: 0.2, status: 503 });
    let tail =
        |base, rate, factor| RegionWorld { tail: Some(Tail { rate, factor }), ..region(base) };
    vec![
        world("throttled", with(RegionWorld { throttle: Some(throttle), ..region(90.0) })),
        world("fast-failing", with(RegionWorld { failures, ..region(100.0) })),
        world(
            "stalled",
            with(RegionWorld { hangs: vec![Hang { from_s: 15.0, for_s: 8.0 }], ..region(100.0) }),
        ),
        world("heavy tails", vec![tail(100.0, 0.04, 8.0), tail(140.0, 0.01, 5.0), region(170.0)]),
    ]
}

fn differing() -> Vec<World> {
    let load = |base, per_in_flight_ms| RegionWorld { per_in_flight_ms, ..region(base) };
    let prompt =
        |base, per_thousand_prompt_ms| RegionWorld { per_thousand_prompt_ms, ..region(base) };
    let speed = |base, per_token_ms| RegionWorld { per_token_ms, ..region(base) };
    vec![
        World {
            prompt: 8_000.0,
            ..world(
                "fast probes, slow prompts",
                vec![prompt(80.0, 120.0), prompt(130.0, 15.0), region(220.0)],
            )
        },
        World {
            rate: 40.0,
            ..world("load-dependent", vec![load(100.0, 14.0), load(130.0, 8.0), load(160.0, 5.0)])
        },
        world("near-equal", vec![load(100.0, 4.0), load(104.0, 4.0), region(180.0)]),
        world("token speed", vec![speed(90.0, 18.0), speed(150.0, 4.0), region(220.0)]),
    ]
}

fn region(base_ms: f64) -> RegionWorld {
    RegionWorld {
        base_ms,
        jitter_ms: base_ms * 0.2,
        per_token_ms: 5.0,
        per_thousand_prompt_ms: 20.0,
        tokens: OUTPUT,
        ..RegionWorld::new("", KEY).with_deployments(&[DEPLOYMENT])
    }
}

fn world(name: &'static str, mut regions: Vec<RegionWorld>) -> World {
    for (place, region) in regions.iter_mut().enumerate() {
        region.name = format!("r{place}");
    }
    World { name, regions, rate: 20.0, prompt: 2_000.0 }
}

impl World {
    /// The same for each contestant.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut rng = Rng::with_seed(7);
        let mut at = START;
        let mut requests = Vec::new();
        loop {
            at -= (1.0 - rng.f64()).ln() / self.rate;
            if at > START + LENGTH {
                return requests;
            }
            let tokens = 20.0 * (self.prompt / 20.0).powf(rng.f64());
            requests.push(Request { at, prompt: whole(tokens), streams: rng.f64() < 0.7 });
        }
    }

    /// Milliseconds that a request costs there on average: what the oracle knows.
    pub(crate) fn cost(&self, place: usize, at: f64, request: Request, in_flight: u32) -> f64 {
        let Some(region) = self.regions.get(place) else { return f64::INFINITY };
        let tail = region.tail.map_or(1.0, |tail| 1.0 + tail.rate * (tail.factor - 1.0));
        let failing = region.failures.map_or(0.0, |failures| failures.rate);
        let hang = region.hangs.iter().find(|hang| (0.0..hang.for_s).contains(&(at - hang.from_s)));
        let base = region.steps.iter().rev().find(|step| step.at_s <= at);
        let base = base.map_or(region.base_ms, |step| step.base_ms);
        let drift = region.drift.map_or(0.0, |drift| {
            drift.amount_ms * (std::f64::consts::TAU * at / drift.period_s).sin()
        });
        let brown =
            region.brownouts.iter().filter(|one| (0.0..one.for_s).contains(&(at - one.from_s)));
        let factor: f64 = brown.map(|one| one.factor).product();
        let first = base
            + drift
            + region.per_in_flight_ms * f64::from(in_flight)
            + region.per_thousand_prompt_ms * f64::from(request.prompt) / 1_000.0;
        let rest = if request.streams { 0.0 } else { region.per_token_ms * f64::from(OUTPUT - 1) };
        let hangs = hang.map_or(0.0, |hang| (hang.from_s + hang.for_s - at) * 1_000.0);
        (first * tail + rest) * factor + hangs + failing * FAILURE
    }

    /// The mean of what requests cost where they cost least, with a few others in flight.
    pub(crate) fn least(&self) -> f64 {
        let requests = self.requests();
        let costs = requests.iter().map(|request| {
            let cost = |place| self.cost(place, request.at, *request, USUAL_LOAD);
            (0..self.regions.len()).map(cost).fold(f64::INFINITY, f64::min)
        });
        costs.sum::<f64>() / requests.len() as f64
    }

    /// When another region becomes the best for a usual request, and which.
    pub(crate) fn changes(&self) -> Vec<(f64, usize)> {
        let usual = Request { at: 0.0, prompt: 100, streams: true };
        let best = |at: f64| {
            let cost = |place: &usize| self.cost(*place, at, usual, 0);
            (0..self.regions.len()).min_by(|one, other| cost(one).total_cmp(&cost(other)))
        };
        let from = |at: f64| (best(at - 0.1) != best(at)).then(|| Some((at, best(at)?)))?;
        (0..400).map(|tenth| START + f64::from(tenth) / 10.0).skip(1).filter_map(from).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn whole(tokens: f64) -> u32 {
    tokens as u32
}

/// Requests in flight in a region.
const USUAL_LOAD: u32 = 3;
/// What a failed request costs.
pub(crate) const FAILURE: f64 = 1_000.0;
