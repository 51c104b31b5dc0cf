//! Who takes part, and how one world goes for all of them side by side.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    choosers::{Chooser, Fixed, LeastConnections, Oracle, PeakEwma, RoundRobin},
    client::{Client, get},
    load::{self, Ended, Way},
    processes::{Proxy, Regions},
    worlds::World,
};

/// One way to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    Oracle,
    Nearway(Strategy),
    PeakEwma,
    LeastConnections,
    HaProxy,
    Nginx,
    RoundRobin,
    Fixed(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strategy {
    Adaptive,
    Average,
}

/// How a world went for one of them.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) contestant: Contestant,
    /// In the order in which they came.
    pub(crate) ended: Vec<Ended>,
    /// Chats that its regions saw, probes included.
    pub(crate) chats: u64,
    /// As Nearway counts them; 0 for all others.
    pub(crate) probes: u64,
    pub(crate) probe_tokens: u64,
    pub(crate) changes: usize,
}

impl Contestant {
    fn all(world: &World) -> Vec<Self> {
        let mut all = vec![
            Self::Oracle,
            Self::Nearway(Strategy::Adaptive),
            Self::Nearway(Strategy::Average),
            Self::PeakEwma,
            Self::LeastConnections,
            Self::HaProxy,
            Self::Nginx,
            Self::RoundRobin,
        ];
        all.extend((0..world.regions.len()).map(Self::Fixed));
        all
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Oracle => "oracle".into(),
            Self::Nearway(strategy) => format!("Nearway {}", strategy.as_str()),
            Self::PeakEwma => "two choices, peak EWMA".into(),
            Self::LeastConnections => "least connections".into(),
            Self::HaProxy => "HAProxy leastconn".into(),
            Self::Nginx => "nginx least_conn".into(),
            Self::RoundRobin => "round robin".into(),
            Self::Fixed(region) => format!("fixed r{region}"),
        }
    }

    fn chooser(self, world: &Rc<World>) -> Option<Box<dyn Chooser>> {
        Some(match self {
            Self::Oracle => Box::new(Oracle(Rc::clone(world))),
            Self::PeakEwma => Box::new(PeakEwma::new(world.regions.len())),
            Self::LeastConnections => Box::new(LeastConnections(Rng::with_seed(5))),
            Self::RoundRobin => Box::<RoundRobin>::default(),
            Self::Fixed(region) => Box::new(Fixed(region)),
            Self::Nearway(_) | Self::HaProxy | Self::Nginx => return None,
        })
    }

    async fn proxy(self, regions: &[SocketAddr]) -> Option<Proxy> {
        match self {
            Self::Nearway(strategy) => Proxy::nearway(regions, strategy).await,
            Self::HaProxy => Proxy::haproxy(regions).await,
            Self::Nginx => Proxy::nginx(regions).await,
            _ => None,
        }
    }

    /// `None` if it cannot be had.
    async fn score(self, world: Rc<World>) -> Option<Score> {
        let regions = Regions::start(&world).await;
        let proxy = self.proxy(&regions.addresses).await;
        let way = match (self.chooser(&world), &proxy) {
            (Some(chooser), _) => Way::Choice {
                chooser: RefCell::new(chooser),
                regions: regions.addresses.iter().copied().map(Client::new).collect(),
                in_flight: RefCell::new(vec![0; regions.addresses.len()]),
            },
            (None, Some(proxy)) => Way::Proxy(Client::new(proxy.address)),
            (None, None) => return None,
        };
        let ended = load::run(&world, way, regions.began).await;
        let mut score = Score {
            contestant: self,
            ended,
            chats: chats(&regions, &world).await,
            probes: 0,
            probe_tokens: 0,
            changes: 0,
        };
        if let Some(admin) = proxy.as_ref().and_then(|proxy| proxy.admin) {
            let metrics = get(admin, "/metrics").await;
            score.probes = sum(&metrics, "nearway_probes_total");
            score.probe_tokens = sum(&metrics, "nearway_probe_tokens_total");
            score.changes = changes(&get(admin, "/api/changes").await);
        }
        Some(score)
    }
}

impl Strategy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Average => "average",
        }
    }
}

/// All that can be had, in order.
pub(crate) async fn run(world: &Rc<World>) -> Vec<Score> {
    let mut under_way = JoinSet::new();
    for contestant in Contestant::all(world) {
        let world = Rc::clone(world);
        under_way.spawn_local(async move { (contestant, contestant.score(world).await) });
    }
    let mut scores = Vec::new();
    for (contestant, score) in under_way.join_all().await {
        match score {
            Some(score) => scores.push(score),
            None => println!("skipped: {} cannot be had here", contestant.name()),
        }
    }
    scores.sort_by_key(|score| score.contestant);
    scores
}

async fn chats(regions: &Regions, world: &World) -> u64 {
    let mut chats = 0;
    for region in &world.regions {
        let stats = get(regions.control, &format!("/regions/{}/stats", region.name)).await;
        let stats: Value = serde_json::from_str(&stats).unwrap_or_default();
        chats += stats.pointer("/operations/chat_completions").and_then(Value::as_u64).unwrap_or(0);
    }
    chats
}

/// Of all series of a metric, without what is behind the point.
fn sum(metrics: &str, name: &str) -> u64 {
    let of_name = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let series = of_name.filter(|rest| rest.starts_with(['{', ' ']));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn changes(answer: &str) -> usize {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let list = answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array));
    list.map_or(0, Vec::len)
}
