//! One worker on a port of the system's choice, with a table in which nothing is measured.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nearway_affinity::Owners;
use nearway_proxy::{
    Fences, Places, Report, Rule, Settings, StateSettings, Target, Timeouts, Worker,
};
use nearway_route::{
    Asked, Backoff, BreakerSettings, Cooldown, DeploymentSet, Live, Moment, Outcome, RankBy,
    Ranker, RegionId, RegionSpec, RoutingSettings, Sample, Source, Strategy, Switch, Table,
};
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::{Clock, Credential, Origin, RegionSettings, ReplayBudget, TlsTrust};
use nearway_wire::client_key::KeyDigest;
use rcgen::{CertificateParams, KeyPair};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::raw::{Client, PATIENCE, Response, eventually};

/// A region of a proxy under test.
pub(crate) struct Region {
    name: &'static str,
    url: String,
    key: Option<&'static str>,
    renames: Option<(&'static str, &'static str)>,
}

/// A region that takes every deployment and the client's own credential.
pub(crate) fn region(name: &'static str, url: &str) -> Region {
    Region { name, url: url.to_owned(), key: None, renames: None }
}

impl Region {
    /// With a key of its own.
    pub(crate) fn key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Serves one deployment only, under another name.
    pub(crate) fn renames(self, from: &'static str, to: &'static str) -> Self {
        Self { renames: Some((from, to)), ..self }
    }

    fn target(&self, id: u32) -> Target {
        let (scheme, authority) = self.url.split_once("://").unwrap();
        let https = scheme == "https";
        let (host, path) = authority.split_once(':').unwrap();
        let (port, prefix) = path.split_at(path.find('/').unwrap_or(path.len()));
        let region = nearway_upstream::Region::new(RegionSettings {
            id,
            name: self.name.into(),
            origin: Origin {
                https,
                host: host.into(),
                port: port.parse().unwrap(),
                prefix: prefix.into(),
            },
            credential: self.key.and_then(|key| Credential::api_key(&key.into())),
            trust: if https { nobody() } else { TlsTrust::System },
            http2: false,
        });
        Target {
            region: region.unwrap(),
            id: RegionId(id),
            owner: RegionId(id),
            zone: None,
            tier: 0,
            provisioned: false,
            deployments: self.renames.map(|(from, to)| HashMap::from([(from.into(), to.into())])),
        }
    }
}

/// A client with one key, and for each region in turn whether it may go there.
pub(crate) fn client(name: &str, key: &str, places: &[bool]) -> nearway_proxy::Client {
    nearway_proxy::Client {
        name: name.into(),
        keys: vec![KeyDigest::of(key.as_bytes())],
        places: self::places(places),
        deployments: None,
    }
}

/// Those for which this is true.
pub(crate) fn places(allowed: &[bool]) -> Places {
    allowed.iter().map(|allowed| (!allowed).then_some(Rule::Regions)).collect()
}

/// An authority that has vouched for nobody: no handshake with it succeeds.
fn nobody() -> TlsTrust {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    TlsTrust::Pem(certificate.pem().into_bytes().into())
}

/// Client connections that a proxy of the tests accepts at once.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// A running proxy of one worker; stops and is awaited when dropped.
pub(crate) struct Proxy {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics: Metrics,
    /// The table that every request follows.
    pub(crate) table: Arc<Table>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
    reports: Mutex<mpsc::Receiver<Report>>,
}

/// What a region of the tests is known to take under the adaptive strategy, by its place from 1 on.
pub(crate) const TAKES: Duration = Duration::from_millis(50);

impl Proxy {
    /// Starts one that has measured nothing but what `metric_deployments` names, so regions are asked in this order.
    pub(crate) fn start(regions: &[Region]) -> Self {
        Self::tuned(regions, |_| {})
    }

    /// The same, keeping at most `hold_body` bytes of a request for a second attempt.
    pub(crate) fn holding(regions: &[Region], hold_body: usize) -> Self {
        Self::tuned(regions, |settings| settings.hold_body = hold_body)
    }

    /// The same with other settings.
    pub(crate) fn tuned(regions: &[Region], tune: impl FnOnce(&mut Settings)) -> Self {
        Self::draining(regions, PATIENCE, tune)
    }

    /// The same with another time to drain.
    pub(crate) fn draining(
        regions: &[Region],
        drain: Duration,
        tune: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::ranking(regions, Strategy::Average, drain, tune)
    }

    /// One that ranks by cost, and knows that each region takes [`TAKES`] longer than the one before.
    pub(crate) fn adaptive(regions: &[Region], tune: impl FnOnce(&mut Settings)) -> Self {
        Self::ranking(regions, Strategy::Adaptive, PATIENCE, |settings| {
            settings.metric_deployments = vec!["gpt-4o".into()];
            tune(settings);
        })
    }

    fn ranking(
        regions: &[Region],
        strategy: Strategy,
        drain: Duration,
        tune: impl FnOnce(&mut Settings),
    ) -> Self {
        let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listen = listener.local_addr().unwrap();
        let mut settings = settings((1..).zip(regions).map(|(id, region)| region.target(id)));
        tune(&mut settings);
        let table = table(&settings, strategy);
        let (stop, registry, served) = (shutdown.clone(), metrics.clone(), table.clone());
        let (sender, reports) = mpsc::channel(64);
        let thread = std::thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            runtime.unwrap().block_on(async move {
                let worker = Worker {
                    table: Arc::new(Live::new(served)),
                    settings: Arc::new(Live::new(Arc::new(settings))),
                    metrics: registry,
                    clock: Clock::start(),
                    replay: ReplayBudget::default(),
                    affinity: Arc::default(),
                    owners: Arc::new(Owners::new(1024, Duration::from_secs(3600))),
                    nobody: Arc::default(),
                    cursors: Arc::default(),
                    minted: Arc::default(),
                    reports: sender,
                };
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                nearway_proxy::serve(worker, listener, stop, drain).await;
            });
        });
        let reports = Mutex::new(reports);
        Self { listen, metrics, table, shutdown, thread: Some(thread), reports }
    }

    /// The next thing that the ranking is told.
    pub(crate) fn report(&self) -> Report {
        let mut next = None;
        eventually("a report", || {
            next = self.reports.lock().unwrap().try_recv().ok();
            next.is_some()
        });
        next.unwrap()
    }

    /// A client connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits for the end of the drain.
    pub(crate) fn wait(&mut self) {
        self.thread.take().unwrap().join().expect("the proxy ends well");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(std::thread::panicking(), "the proxy panicked");
        }
    }
}

fn settings(regions: impl Iterator<Item = Target>) -> Settings {
    Settings {
        generation: 1,
        regions: regions.collect(),
        metric_deployments: Vec::new(),
        clients: None,
        fences: Fences::default(),
        affinity: None,
        attempts: 3,
        hold_body: 8 * 1024 * 1024,
        backoff: Backoff { least: Duration::from_millis(10), most: Duration::from_millis(40) },
        retry_share: 0.2,
        hedge_share: None,
        rescue: true,
        hold_first_event: true,
        hold_total: 256 * 1024 * 1024,
        read_ahead: 256 * 1024 * 1024,
        timeouts: Timeouts {
            connect: PATIENCE,
            tls: PATIENCE,
            write: PATIENCE,
            head: PATIENCE,
            first_token: PATIENCE,
            idle: PATIENCE,
            total: PATIENCE,
            tunnel_idle: PATIENCE,
            tunnel: PATIENCE,
            client_header: Duration::from_millis(300),
            client_body: PATIENCE,
            client_idle: PATIENCE,
        },
        first_token_of: HashMap::new(),
        body_max: None,
        header_max: 64 * 1024,
        connections_max: CONNECTIONS_MAX,
        cooldown: Cooldown { default: Duration::from_secs(5), cap: Duration::from_secs(60) },
        breaker: BreakerSettings {
            ratio: 0.5,
            minimum: 10,
            in_a_row: 2,
            window: Duration::from_secs(10),
            pause: Backoff { least: Duration::from_secs(5), most: Duration::from_secs(60) },
            ramp: Duration::from_secs(10),
        },
        unauthorized_for: Duration::from_secs(60),
        lacking_for: Duration::from_secs(300),
        last_resort: true,
        state: StateSettings {
            unknown_for: Duration::from_secs(30),
            home: Some(RegionId(1)),
            merges_lists: false,
        },
        log_requests: false,
    }
}

fn table(settings: &Settings, strategy: Strategy) -> Arc<Table> {
    let routing = RoutingSettings {
        strategy,
        rank_by: RankBy::FirstToken,
        window: Duration::from_secs(300),
        switch: Switch { percent: 15.0, at_least: Duration::from_millis(10), hold: PATIENCE },
        probe_interval: Duration::from_secs(30),
        probe_timeout: PATIENCE,
        stale_after: Duration::from_secs(90),
    };
    let spec = |target: &Target| RegionSpec {
        id: target.id,
        name: target.region.name().clone(),
        tier: target.tier,
        zone: None,
        deployments: match &target.deployments {
            None => DeploymentSet::All,
            Some(map) => DeploymentSet::Only(map.keys().map(|name| (&**name).into()).collect()),
        },
    };
    let regions = settings.regions.iter().map(spec).collect();
    let named = settings.metric_deployments.clone();
    let mut ranker = Ranker::new(routing, settings.generation, regions, named);
    // what is named was measured, each region to be a little slower than the one before
    let step = match strategy {
        Strategy::Adaptive => TAKES,
        Strategy::Average => Duration::from_micros(100),
    };
    let took = (1..).map(|place| step * place);
    for deployment in &settings.metric_deployments {
        for (target, took) in settings.regions.iter().zip(took.clone()) {
            let outcome = Outcome::Answer { first_token: Some(took), total: 2 * took, tokens: 1 };
            let sample =
                Sample { at: Moment::ZERO, source: Source::Probe, asked: Asked::probe(0), outcome };
            ranker.observe(target.id, Some(deployment), sample);
        }
    }
    ranker.rank(Moment::ZERO).table
}
