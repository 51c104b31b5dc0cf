//! Sends a world's requests at their times and keeps what came of each.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    choosers::Chooser,
    client::{Answer, Client},
    worlds::{FAILURE, Request, World},
};

/// What came of one request.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) request: Request,
    /// Milliseconds: the first token of a stream, the end of any other; more for an error.
    pub(crate) cost: f64,
    pub(crate) answer: Option<Answer>,
}

/// Where requests go: to the regions by choice, or all to one proxy.
#[derive(Debug)]
pub(crate) enum Way {
    Choice {
        chooser: RefCell<Box<dyn Chooser>>,
        regions: Vec<Client>,
        in_flight: RefCell<Vec<u32>>,
    },
    Proxy(Client),
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
    let since = |from| Instant::now().duration_since(from).as_secs_f64();
    let answered = timeout(PATIENCE, async {
        match way {
            Way::Proxy(client) => (0.0, client.chat(request).await),
            Way::Choice { .. } => choose(way, request, began).await,
        }
    });
    let (before, answer) = answered.await.unwrap_or_default();
    let cost = match &answer {
        Some(answer) => before + if request.streams { answer.first } else { answer.total },
        None => since(sent) * 1_000.0 + FAILURE,
    };
    Ended { request, cost, answer }
}

/// At most three regions; also the milliseconds that attempts in vain took.
async fn choose(way: &Way, request: Request, began: Instant) -> (f64, Option<Answer>) {
    let Way::Choice { chooser, regions, in_flight } = way else { return (0.0, None) };
    let seconds = |from| Instant::now().duration_since(from).as_secs_f64();
    let sent = Instant::now();
    let mut free: Vec<usize> = (0..regions.len()).collect();
    for _ in 0..ATTEMPTS.min(regions.len()) {
        let before = seconds(sent) * 1_000.0;
        let place =
            chooser.borrow_mut().choose(seconds(began), request, &free, &in_flight.borrow());
        free.retain(|other| *other != place);
        let Some(client) = regions.get(place) else { break };
        count(in_flight, place, 1);
        let answer = client.chat(request).await;
        count(in_flight, place, u32::MAX);
        let millis = answer
            .as_ref()
            .map_or(FAILURE, |answer| if request.streams { answer.first } else { answer.total });
        chooser.borrow_mut().seen(seconds(began), place, millis);
        if answer.is_some() {
            return (before, answer);
        }
    }
    (0.0, None)
}

/// Adds, modulo 2³².
fn count(in_flight: &RefCell<Vec<u32>>, place: usize, change: u32) {
    if let Some(count) = in_flight.borrow_mut().get_mut(place) {
        *count = count.wrapping_add(change);
    }
}

/// Of one request, at most.
const ATTEMPTS: usize = 3;
/// Of a client.
const PATIENCE: Duration = Duration::from_secs(15);
