//! Events in virtual time: requests come, are sent where a chooser says, and end as the scene has it.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::{
    chance::Chance,
    chooser::{Chooser, End, Seen},
    region::FAILURE,
    scene::{Fate, Fault, Scene},
    tally::{Route, Tally},
    world::{Request, World},
};

/// Runs a world until all its requests have ended. `choosers` are the proxies; each request comes to a
/// random one.
pub(crate) fn run(world: &World, choosers: &mut [&mut dyn Chooser], seed: u64) -> Tally {
    let mut simulation = Simulation::new(world, choosers, seed);
    while let Some(Due { at, event, .. }) = simulation.queue.pop() {
        simulation.happens(at, event);
        if simulation.open == 0 {
            break;
        }
    }
    simulation.tally.changes = simulation.choosers.iter().map(|one| one.changes()).sum();
    simulation.tally
}

struct Simulation<'w, 'c, 'd> {
    choosers: &'c mut [&'d mut dyn Chooser],
    scene: Scene<'w>,
    chance: Chance,
    queue: BinaryHeap<Due>,
    count: u64,
    calls: Vec<Call>,
    attempts: Vec<Attempt>,
    /// Those without first content, which may be stuck.
    waiting: Vec<usize>,
    /// Calls that have not ended.
    open: usize,
    /// Rescues that each proxy can afford.
    budgets: Vec<f64>,
    /// By proxy and region.
    probing: Vec<Vec<bool>>,
    tally: Tally,
}

/// A client's request and what became of it.
struct Call {
    request: Request,
    proxy: usize,
    tried: Vec<usize>,
    live: Vec<usize>,
    rescued: bool,
    done: bool,
}

struct Attempt {
    call: usize,
    region: usize,
    sent: f64,
    live: bool,
}

#[derive(Clone, Copy)]
enum Event {
    Comes(usize),
    First(usize),
    Ends(usize),
    Fails(usize, Fault),
    Learned(Seen),
    ProbeEnds { proxy: usize, region: usize, sent: f64, answered: bool },
    Tick,
}

struct Due {
    at: f64,
    /// Of two at the same instant, the earlier made comes first.
    number: u64,
    event: Event,
}

impl<'w, 'c, 'd> Simulation<'w, 'c, 'd> {
    fn new(world: &'w World, choosers: &'c mut [&'d mut dyn Chooser], seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let requests = world.requests(seed);
        let proxies: Vec<usize> = (0..choosers.len()).collect();
        let call = |request| Call {
            request,
            proxy: chance.one_of(&proxies),
            tried: Vec::new(),
            live: Vec::new(),
            rescued: false,
            done: false,
        };
        let calls: Vec<Call> = requests.into_iter().map(call).collect();
        let count = choosers.len();
        let mut simulation = Self {
            choosers,
            scene: Scene::new(world, seed),
            chance,
            queue: BinaryHeap::new(),
            count: 0,
            open: calls.len(),
            tally: Tally { costs: vec![0.0; calls.len()], ..Tally::default() },
            calls,
            attempts: Vec::new(),
            waiting: Vec::new(),
            budgets: vec![BUDGET_LEAST; count],
            probing: vec![vec![false; world.regions.len()]; count],
        };
        simulation.plan(0.0, Event::Tick);
        for call in 0..simulation.calls.len() {
            simulation.plan(simulation.calls[call].request.at, Event::Comes(call));
        }
        simulation
    }

    fn plan(&mut self, at: f64, event: Event) {
        self.count += 1;
        self.queue.push(Due { at, number: self.count, event });
    }

    fn happens(&mut self, at: f64, event: Event) {
        match event {
            Event::Comes(call) => {
                let budget = &mut self.budgets[self.calls[call].proxy];
                *budget = (*budget + RESCUES_EACH).min(BUDGET_MOST);
                self.send(at, call);
            }
            Event::First(attempt) if self.attempts[attempt].live => self.answer(at, attempt),
            Event::Ends(attempt) if self.attempts[attempt].live => {
                let call = &self.calls[self.attempts[attempt].call];
                if !call.request.streams {
                    self.answer(at, attempt);
                }
                self.close(at, attempt, None);
            }
            Event::Fails(attempt, fault) if self.attempts[attempt].live => {
                self.fail(at, attempt, fault);
            }
            Event::First(_) | Event::Ends(_) | Event::Fails(..) => {}
            Event::Learned(seen) => {
                let call = self.attempts[seen.attempt].call;
                self.choosers[self.calls[call].proxy].learn(at, &seen);
            }
            Event::ProbeEnds { proxy, region, sent, answered } => {
                self.probing[proxy][region] = false;
                let millis = answered.then_some((at - sent) * 1_000.0);
                self.choosers[proxy].probed(at, region, millis);
            }
            Event::Tick => self.tick(at),
        }
    }

    /// Makes an attempt of a call.
    fn send(&mut self, at: f64, number: usize) {
        let call = &mut self.calls[number];
        let chooser = &mut *self.choosers[call.proxy];
        let region = chooser.choose(at, &call.request, &call.tried, &self.scene);
        if call.tried.is_empty() {
            self.tally.routes.push(Route { at, region });
        }
        let attempt = self.attempts.len();
        call.tried.push(region);
        call.live.push(attempt);
        chooser.sent(at, attempt, region, &call.request);
        let (streams, fate) =
            (call.request.streams, self.scene.send((number, &call.request), region, at));
        self.attempts.push(Attempt { call: number, region, sent: at, live: true });
        self.waiting.push(attempt);
        self.tally.attempts += 1;
        match fate {
            Fate::Failed { at, fault } => self.plan(at, Event::Fails(attempt, fault)),
            Fate::Answered { first, end } => {
                if streams {
                    self.plan(first, Event::First(attempt));
                }
                self.plan(end, Event::Ends(attempt));
            }
        }
    }

    /// What the client waits for is there; other attempts of the call are given up.
    fn answer(&mut self, at: f64, attempt: usize) {
        let number = self.attempts[attempt].call;
        self.choosers[self.calls[number].proxy].answered(attempt);
        self.show(at, attempt, End::Answered);
        for other in std::mem::take(&mut self.calls[number].live) {
            if other != attempt {
                self.show(at, other, End::GivenUp);
                self.close(at, other, None);
            }
        }
        self.settle(number, at, 0.0);
    }

    fn fail(&mut self, at: f64, attempt: usize, fault: Fault) {
        let number = self.attempts[attempt].call;
        self.close(at, attempt, Some(fault));
        if fault == Fault::Failure {
            self.show(at, attempt, End::Failed);
        }
        let call = &mut self.calls[number];
        call.live.retain(|other| *other != attempt);
        if call.done || !call.live.is_empty() {
            return;
        }
        if call.tried.len() < ATTEMPTS {
            self.send(at, number);
        } else {
            self.tally.errors += 1;
            self.settle(number, at, FAILURE);
        }
    }

    /// The client has what it gets.
    fn settle(&mut self, number: usize, at: f64, penalty: f64) {
        let call = &mut self.calls[number];
        call.done = true;
        self.open -= 1;
        self.tally.costs[number] = (at - call.request.at) * 1_000.0 + penalty;
    }

    /// An attempt is over, whichever way.
    fn close(&mut self, at: f64, attempt: usize, fault: Option<Fault>) {
        let one = &mut self.attempts[attempt];
        one.live = false;
        let (region, call) = (one.region, one.call);
        let answered = self.calls[call].done;
        self.scene.over(region, at, !answered && fault.is_none());
        self.choosers[self.calls[call].proxy].over(at, attempt, fault);
    }

    /// What was seen of an attempt is on its way to who learns from it.
    fn show(&mut self, at: f64, attempt: usize, end: End) {
        let one = &self.attempts[attempt];
        let request = self.calls[one.call].request;
        let millis = (at - one.sent) * 1_000.0;
        let seen = Seen { attempt, region: one.region, request, millis, end };
        self.plan(at + LEARNED_AFTER, Event::Learned(seen));
    }

    fn tick(&mut self, at: f64) {
        self.plan(at + TICK, Event::Tick);
        for proxy in 0..self.choosers.len() {
            for region in self.choosers[proxy].probes(at) {
                self.probe(at, proxy, region);
            }
        }
        let (attempts, calls) = (&self.attempts, &self.calls);
        self.waiting.retain(|attempt| {
            let attempt = &attempts[*attempt];
            attempt.live && !calls[attempt.call].done && !calls[attempt.call].rescued
        });
        for attempt in self.waiting.clone() {
            self.rescue(at, attempt);
        }
    }

    fn probe(&mut self, at: f64, proxy: usize, region: usize) {
        if std::mem::replace(&mut self.probing[proxy][region], true) {
            return;
        }
        self.tally.probes += 1;
        let (back, answered) = self.scene.probe(region, at, &mut self.chance);
        self.plan(back, Event::ProbeEnds { proxy, region, sent: at, answered });
    }

    fn rescue(&mut self, at: f64, attempt: usize) {
        let number = self.attempts[attempt].call;
        let call = &mut self.calls[number];
        let budget = &mut self.budgets[call.proxy];
        if *budget < 1.0 || call.tried.len() >= ATTEMPTS {
            return;
        }
        if self.choosers[call.proxy].is_stuck(at, attempt) {
            *budget -= 1.0;
            call.rescued = true;
            self.send(at, number);
        }
    }
}

impl Ord for Due {
    /// The earliest is the greatest, as the queue gives out the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// Of one request, at most.
const ATTEMPTS: usize = 3;
/// Seconds between two looks for what is due or stuck.
const TICK: f64 = 0.05;
/// Seconds until the ranker has a sample.
const LEARNED_AFTER: f64 = 0.1;
/// Rescues that each request pays for.
const RESCUES_EACH: f64 = 0.05;
const BUDGET_LEAST: f64 = 5.0;
const BUDGET_MOST: f64 = 50.0;
