//! Sends a world's requests at their times and keeps what came of each.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    choosers::{Chooser, Sight},
    client::Client,
    score::{Answer, Ended},
    world::{FAILURE, Request, World},
};

/// Where requests go: to the regions by choice, or all to one proxy.
#[derive(Debug)]
pub(crate) enum Way {
    Choice(Choice),
    Proxy(Client),
}

/// A chooser and the regions that it chooses from.
#[derive(Debug)]
pub(crate) struct Choice {
    chooser: RefCell<Box<dyn Chooser>>,
    regions: Vec<Client>,
    in_flight: RefCell<Vec<u32>>,
}

/// All requests of the world, in order. `began` is when its regions did.
pub(crate) async fn run(world: &World, way: Way, began: Instant) -> Vec<Ended> {
    let way = Rc::new(way);
    let mut under_way = JoinSet::new();
    for request in world.requests() {
        sleep_until(began + Duration::from_secs_f64(request.at)).await;
        let way = Rc::clone(&way);
        under_way.spawn_local(async move { send(&way, request, began).await });
    }
    let mut ended = under_way.join_all().await;
    ended.sort_by(|one, other| one.request.at.total_cmp(&other.request.at));
    ended
}

async fn send(way: &Way, request: Request, began: Instant) -> Ended {
    let sent = Instant::now();
    let answered = timeout(PATIENCE, async {
        match way {
            Way::Proxy(client) => client.chat(request).await,
            Way::Choice(choice) => choice.send(request, began).await,
        }
    });
    let answer = answered.await.unwrap_or_default();
    let cost = match &answer {
        Some(answer) => waited_for(answer, request),
        None => seconds_since(sent) * 1_000.0 + FAILURE,
    };
    Ended { request, cost, answer }
}

impl Choice {
    pub(crate) fn new(chooser: Box<dyn Chooser>, regions: Vec<Client>) -> Self {
        let in_flight = RefCell::new(vec![0; regions.len()]);
        Self { chooser: RefCell::new(chooser), regions, in_flight }
    }

    /// Asks at most three regions.
    async fn send(&self, request: Request, began: Instant) -> Option<Answer> {
        let sent = Instant::now();
        let mut free: Vec<usize> = (0..self.regions.len()).collect();
        for _ in 0..ATTEMPTS.min(self.regions.len()) {
            let in_vain = seconds_since(sent) * 1_000.0;
            let place = self.choose(request, seconds_since(began), &free);
            free.retain(|other| *other != place);
            let client = self.regions.get(place)?;
            let counted = InFlight::count(&self.in_flight, place);
            let answer = client.chat(request).await;
            drop(counted);
            let millis = answer.as_ref().map_or(FAILURE, |answer| waited_for(answer, request));
            self.chooser.borrow_mut().seen(seconds_since(began), place, millis);
            if let Some(Answer { first, total, region }) = answer {
                return Some(Answer { first: in_vain + first, total: in_vain + total, region });
            }
        }
        None
    }

    fn choose(&self, request: Request, at: f64, free: &[usize]) -> usize {
        let in_flight = self.in_flight.borrow();
        let cold: Vec<bool> = self.regions.iter().map(Client::is_cold).collect();
        let sight = Sight { at, request, free, in_flight: &in_flight, cold: &cold };
        self.chooser.borrow_mut().choose(&sight)
    }
}

/// Counts a request until it is dropped, also by a client that lost its patience.
struct InFlight<'a> {
    counts: &'a RefCell<Vec<u32>>,
    place: usize,
}

impl<'a> InFlight<'a> {
    fn count(counts: &'a RefCell<Vec<u32>>, place: usize) -> Self {
        if let Some(count) = counts.borrow_mut().get_mut(place) {
            *count += 1;
        }
        Self { counts, place }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.counts.borrow_mut().get_mut(self.place) {
            *count -= 1;
        }
    }
}

const fn waited_for(answer: &Answer, request: Request) -> f64 {
    if request.streams { answer.first } else { answer.total }
}

fn seconds_since(instant: Instant) -> f64 {
    Instant::now().duration_since(instant).as_secs_f64()
}

/// Of one request, at most.
const ATTEMPTS: usize = 3;
/// Of a client.
const PATIENCE: Duration = Duration::from_secs(15);
