//! Scripted regions in place of the network, and a prober that runs against them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use nearway_probe::{Channels, Outputs, Prober, Report, Settings, Target, initial_table};
use nearway_route::{
    DeploymentSet, Entry, Live, Moment, RankBy, RegionId, RegionSpec, RoutingSettings, Strategy,
    Switch, Table,
};
use nearway_telemetry::{Build, Metrics};
use nearway_upstream::{
    Clock, Credential, Fault, Interim, Limits, Origin, Region, RegionBody, RegionSettings, Reply,
    RequestBody, Timing, TlsTrust, Transport,
};
use nearway_wire::probe_body::ApiStyle;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

pub(crate) const DEPLOYMENT: &str = "gpt-4o";

/// What a region does with one request.
pub(crate) enum Act {
    /// A good completion, or whatever a token-free probe wants, after this long.
    Answer(Duration),
    /// This status with this body and these headers, at once.
    Refuse(u16, &'static str, &'static [(&'static str, &'static str)]),
    /// No answer, as the transport reports it.
    Fail(Fault),
    /// Nothing, for ever.
    Hang,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) region: String,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

type Script = Box<dyn FnMut(&Seen) -> Act>;

pub(crate) struct Regions {
    clock: Clock,
    script: RefCell<Script>,
    seen: RefCell<Vec<Seen>>,
    // per region: requests under way now, and the most there ever were
    under_way: RefCell<BTreeMap<String, (usize, usize)>>,
}

impl Transport for Regions {
    async fn send(
        &self,
        region: &Arc<Region>,
        request: Request<RequestBody>,
        _limits: Limits,
        _interim: Option<&Interim>,
    ) -> Result<Box<Reply>, Fault> {
        let (parts, body) = request.into_parts();
        let RequestBody::Whole(body) = body else { panic!("a probe's body is small") };
        let seen = Seen {
            at: self.clock.now(),
            region: region.name().to_string(),
            method: parts.method,
            target: parts.uri.to_string(),
            headers: parts.headers,
            body: String::from_utf8(body.unwrap_or_default().to_vec()).unwrap(),
        };
        let _counted = Counted::new(&self.under_way, &seen.region);
        self.seen.borrow_mut().push(seen.clone());
        let act = (self.script.borrow_mut())(&seen);
        match act {
            Act::Answer(after) => {
                tokio::time::sleep(after).await;
                Ok(reply(200, &[("content-type", "text/event-stream")], COMPLETION, after))
            }
            Act::Refuse(status, body, headers) => Ok(reply(status, headers, body, Duration::ZERO)),
            Act::Fail(fault) => Err(fault),
            Act::Hang => std::future::pending().await,
        }
    }
}

pub(crate) const COMPLETION: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn reply(status: u16, headers: &[(&str, &str)], body: &'static str, head: Duration) -> Box<Reply> {
    let body = RegionBody::whole(Bytes::from_static(body.as_bytes()));
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let timing = Timing { head, ..Timing::default() };
    Box::new(Reply { response: response.body(body).unwrap(), timing })
}

struct Counted<'a>(&'a RefCell<BTreeMap<String, (usize, usize)>>, String);

impl<'a> Counted<'a> {
    fn new(counts: &'a RefCell<BTreeMap<String, (usize, usize)>>, region: &str) -> Self {
        let mut all = counts.borrow_mut();
        let count = all.entry(region.to_owned()).or_default();
        *count = (count.0 + 1, count.1.max(count.0 + 1));
        Self(counts, region.to_owned())
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().get_mut(&self.1).unwrap().0 -= 1;
    }
}

/// A running prober and the hands of the test on it.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) regions: Rc<Regions>,
    pub(crate) metrics: Metrics,
    pub(crate) live: Arc<Live<Table>>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) reloads: mpsc::Sender<Settings>,
    first_round: Arc<AtomicBool>,
}

/// Runs `test` beside a prober with these settings, whose regions follow `script`.
pub(crate) async fn with_prober<F: Future<Output = ()>>(
    settings: Settings,
    script: impl FnMut(&Seen) -> Act + 'static,
    test: impl FnOnce(World) -> F,
) {
    let clock = Clock::start();
    let regions = regions(clock, script);
    let (ranker, table) = initial_table(&settings, Moment::from(clock.now()));
    let metrics = Metrics::new(Build { version: "1", commit: None }).unwrap();
    let (reports, reports_out) = mpsc::channel(16);
    let (reloads, reloads_out) = mpsc::channel(1);
    let world = World {
        clock,
        regions: regions.clone(),
        metrics: metrics.clone(),
        live: Arc::new(Live::new(table)),
        reports,
        reloads,
        first_round: Arc::default(),
    };
    let out = Outputs {
        table: world.live.clone(),
        metrics,
        clock,
        first_round: world.first_round.clone(),
    };
    let prober = Prober::new(regions.clone(), settings, ranker, out);
    let channels = Channels { reports: reports_out, reloads: reloads_out };
    let cancel = CancellationToken::new();
    let run = async {
        let running = tokio::task::spawn_local(prober.run(channels, cancel.clone()));
        test(world).await;
        cancel.cancel();
        running.await.unwrap();
        let under_way: usize = regions.under_way.borrow().values().map(|count| count.0).sum();
        assert_eq!(under_way, 0, "a cancelled prober leaves no probe behind");
    };
    LocalSet::new().run_until(run).await;
}

pub(crate) fn regions(clock: Clock, script: impl FnMut(&Seen) -> Act + 'static) -> Rc<Regions> {
    Rc::new(Regions {
        clock,
        script: RefCell::new(Box::new(script)),
        seen: RefCell::default(),
        under_way: RefCell::default(),
    })
}

impl Regions {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// When the region was asked, in milliseconds.
    pub(crate) fn times(&self, region: &str) -> Vec<u128> {
        let seen = self.seen.borrow();
        let its = seen.iter().filter(|seen| seen.region == region);
        its.map(|seen| seen.at.as_millis()).collect()
    }

    /// The most requests that were under way in the region at once.
    pub(crate) fn most_at_once(&self, region: &str) -> usize {
        self.under_way.borrow().get(region).map_or(0, |count| count.1)
    }
}

impl World {
    /// Lets the world go on until this time.
    pub(crate) async fn at(&self, millis: u64) {
        tokio::time::sleep(ms(millis).saturating_sub(self.clock.now())).await;
        assert_eq!(self.clock.now(), ms(millis));
    }

    /// Drops the test's ends of both channels.
    pub(crate) fn hang_up(&mut self) {
        self.reports = mpsc::channel(1).0;
        self.reloads = mpsc::channel(1).0;
    }

    /// The region's entry in the ranking that requests follow now.
    pub(crate) fn entry(&self, region: &str) -> Entry {
        let table = self.live.load();
        let ranking = table.ranking(Some(DEPLOYMENT));
        ranking.order.iter().find(|entry| &*entry.name == region).unwrap().clone()
    }

    /// The names of the regions, best first.
    pub(crate) fn order(&self) -> Vec<String> {
        let table = self.live.load();
        let order = &table.ranking(Some(DEPLOYMENT)).order;
        order.iter().map(|entry| entry.name.to_string()).collect()
    }

    pub(crate) fn first_round_done(&self) -> bool {
        self.first_round.load(Ordering::Acquire)
    }

    /// The value of a series as it would be scraped; `None` where it is absent.
    pub(crate) fn metric(&self, series: &str) -> Option<String> {
        let text = self.metrics.render();
        let value = |line: &str| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned());
        text.lines().find_map(value)
    }
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One sample a round, every ten seconds, no jitter; switches at once.
pub(crate) fn settings(names: &[(u32, &str)]) -> Settings {
    Settings {
        interval: ms(10_000),
        jitter: 0.0,
        timeout: ms(5_000),
        connect: ms(1_000),
        tls: ms(1_000),
        samples: 1,
        style: ApiStyle::Azure,
        api_version: "2024-10-21".into(),
        prompt: "Hello".into(),
        max_tokens: 10,
        tokens_per_day: None,
        reachability: false,
        generation: 1,
        routing: RoutingSettings {
            strategy: Strategy::Average,
            rank_by: RankBy::FirstToken,
            window: ms(300_000),
            switch: Switch { percent: 0.0, at_least: ms(0), hold: ms(0) },
            probe_interval: ms(10_000),
            probe_timeout: ms(5_000),
            stale_after: ms(60_000),
        },
        deployments: vec![DEPLOYMENT.into()],
        targets: names.iter().map(|&(id, name)| target(id, name)).collect(),
    }
}

pub(crate) fn target(id: u32, name: &str) -> Target {
    let region = Region::new(RegionSettings {
        id,
        name: name.into(),
        origin: Origin {
            https: false,
            host: format!("{name}.test"),
            port: 80,
            prefix: "/prefix".into(),
        },
        credential: Credential::api_key(&format!("key-of-{name}").into()),
        trust: TlsTrust::System,
        http2: false,
    });
    Target {
        region: region.unwrap(),
        id: RegionId(id),
        spec: RegionSpec {
            id: RegionId(id),
            name: name.into(),
            tier: 0,
            zone: None,
            deployments: DeploymentSet::All,
        },
        deployments: vec![(DEPLOYMENT.into(), format!("{DEPLOYMENT}-{name}").into())],
    }
}

/// Whether a probe's headers are those that the region expects.
pub(crate) fn has_own_headers(seen: &Seen) -> bool {
    let is = |name: &str, value: String| {
        seen.headers.get_all(name).iter().map(|found| found.to_str().unwrap()).eq([value.as_str()])
    };
    is(header::HOST.as_str(), format!("{}.test", seen.region))
        && is("api-key", format!("key-of-{}", seen.region))
}
