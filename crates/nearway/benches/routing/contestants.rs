//! How one world goes for all contestants, side by side.

use std::{net::SocketAddr, rc::Rc};

use fastrand::Rng;
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    choosers::{Chooser, Fixed, LeastConnections, Oracle, PeakEwma, RoundRobin},
    client::{Client, get},
    contestant::Contestant,
    load::{self, Choice, Way},
    processes::{Missing, Proxy, Regions},
    round::Round,
    score::{Account, Score},
    world::{DEPLOYMENT, INTERVAL, World},
};

/// A round with all that can be had; says who cannot.
pub(crate) async fn run(world: Rc<World>) -> Round {
    let mut under_way = JoinSet::new();
    for contestant in Contestant::all(world.regions.len()) {
        let world = Rc::clone(&world);
        under_way.spawn_local(async move { (contestant, score(contestant, world).await) });
    }
    let mut scores = Vec::new();
    for (contestant, score) in under_way.join_all().await {
        match score {
            Ok(score) => scores.push(score),
            Err(missing) => println!("without {}: {missing}", contestant.name()),
        }
    }
    scores.sort_by_key(|score| score.contestant);
    Round { world, scores }
}

async fn score(contestant: Contestant, world: Rc<World>) -> Result<Score, Missing> {
    let regions = Regions::start(&world).await;
    let began = Instant::now();
    let proxy = proxy(contestant, &regions.addresses).await?;
    let way = match (chooser(contestant, &world), &proxy) {
        (_, Some(proxy)) => Way::Proxy(Client::new(proxy.address)),
        (Some(chooser), None) => {
            let clients = regions.addresses.iter().copied().map(Client::new).collect();
            Way::Choice(Choice::new(chooser, clients))
        }
        (None, None) => return Err(Missing::Program),
    };
    let ended = load::run(&world, way, regions.began).await;
    let admin = proxy.as_ref().and_then(|proxy| proxy.admin);
    let account = match admin {
        Some(admin) => account(admin, rounds(&world, began)).await,
        None => None,
    };
    Ok(Score { contestant, ended, chats: chats(&regions, &world).await, account })
}

/// Those that choose in this process.
fn chooser(contestant: Contestant, world: &Rc<World>) -> Option<Box<dyn Chooser>> {
    Some(match contestant {
        Contestant::Oracle => Box::new(Oracle::new(Rc::clone(world))),
        Contestant::PeakEwma => Box::new(PeakEwma::new(world.regions.len())),
        Contestant::LeastConnections => Box::new(LeastConnections(Rng::with_seed(5))),
        Contestant::RoundRobin => Box::<RoundRobin>::default(),
        Contestant::Fixed(region) => Box::new(Fixed(region)),
        Contestant::Nearway(_) | Contestant::HaProxy | Contestant::Nginx => return None,
    })
}

/// Those that do so in one of their own.
async fn proxy(contestant: Contestant, regions: &[SocketAddr]) -> Result<Option<Proxy>, Missing> {
    match contestant {
        Contestant::Nearway(strategy) => Proxy::nearway(regions, strategy).await.map(Some),
        Contestant::HaProxy => Proxy::haproxy(regions).await.map(Some),
        Contestant::Nginx => Proxy::nginx(regions).await.map(Some),
        _ => Ok(None),
    }
}

/// Chats that the regions saw.
async fn chats(regions: &Regions, world: &World) -> u64 {
    let mut chats = 0;
    for region in &world.regions {
        let stats = get(regions.control, &format!("/regions/{}/stats", region.name)).await;
        let stats: Value = serde_json::from_str(&stats).unwrap_or_default();
        chats += stats.pointer("/operations/chat_completions").and_then(Value::as_u64).unwrap_or(0);
    }
    chats
}

/// Probe intervals since then, times regions.
fn rounds(world: &World, since: Instant) -> f64 {
    let seconds = Instant::now().duration_since(since).as_secs_f64();
    seconds / INTERVAL * world.regions.len() as f64
}

/// `None` if it does not say.
async fn account(admin: SocketAddr, rounds: f64) -> Option<Account> {
    let changes = get(admin, &format!("/api/changes?deployment={DEPLOYMENT}")).await;
    let metrics = get(admin, "/metrics").await;
    Account::read(&metrics, &changes, rounds)
}
