//! The connections of one worker: one idle list a region, newest first.
//!
//! Nothing here is shared between workers, so nothing is locked. Idle connections live for at most
//! a minute, jittered so that they do not all die at once, and a few are kept warm to every region
//! so that a switch or a failover pays no handshake.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::UPGRADE;
use nearway_telemetry::{InFlight, Metrics, PoolMetrics};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::addresses::Addresses;
use crate::connect::{Connected, Stream, connect};
use crate::exchange::Exchange;
use crate::http1::{Conn, Outbound};
use crate::http2::{Seat, Shared};
use crate::{
    Fault, FaultKind, Interim, Limits, Region, Reply, RequestBody, Sent, Timing, Transport,
};

/// How a worker keeps its connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Idle connections kept to each region even without traffic.
    pub warm: usize,
    /// The most idle connections kept to one region; those beyond are closed when they fall idle.
    pub idle_max: usize,
    /// An idle connection is closed after between three quarters of this and all of it.
    pub idle_for: Duration,
    /// The most bytes of a region's response head.
    pub head_max: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            warm: 2,
            idle_max: 1024,
            // Azure's front end silently forgets older ones (API fact sheet 11.2)
            idle_for: Duration::from_secs(60),
            head_max: 64 * 1024,
        }
    }
}

/// All connections of one worker. Lives on the worker's thread; needs a local task context.
pub struct Pools {
    settings: PoolSettings,
    metrics: Metrics,
    tasks: TaskTracker,
    pools: RefCell<Vec<Rc<Pool>>>,
}

/// The connections of one worker to one region.
pub(crate) struct Pool {
    region: Arc<Region>,
    addresses: Rc<Addresses>,
    settings: PoolSettings,
    metrics: PoolMetrics,
    tasks: TaskTracker,
    idle: RefCell<Vec<Idle>>,
    shared: Shared,
    warming: Cell<bool>,
    // when it was last said that this machine can open no connection
    said: Cell<Option<Instant>>,
}

struct Idle {
    conn: Box<Conn>,
    until: Instant,
    // counts it in the gauge for as long as it lies here
    _counted: InFlight,
}

impl Pools {
    /// No connections yet; `tasks` is for what none of those waits for that use them.
    #[must_use]
    pub fn new(settings: PoolSettings, metrics: Metrics, tasks: TaskTracker) -> Self {
        Self { settings, metrics, tasks, pools: RefCell::default() }
    }

    /// Drops the pools of regions that are gone and what is too old, and opens what should be
    /// warm. To be called every few seconds; returns at once, connecting goes on in tasks.
    pub fn tend(&self, regions: &[Arc<Region>]) {
        self.pools.borrow_mut().retain(|pool| {
            let kept = regions.iter().any(|region| region.id() == pool.region.id());
            if !kept {
                pool.close_idle();
            }
            kept
        });
        for region in regions {
            let pool = self.pool(region);
            pool.prune(Instant::now());
            pool.warm_up();
        }
    }

    fn pool(&self, region: &Arc<Region>) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| pool.region.id() == region.id()) {
            return pool.clone();
        }
        let origin = region.origin();
        let pool = Rc::new(Pool {
            region: region.clone(),
            addresses: Addresses::new(origin.host.clone(), origin.port, self.tasks.clone()),
            settings: self.settings,
            metrics: self.metrics.pool(region.name()),
            tasks: self.tasks.clone(),
            idle: RefCell::default(),
            shared: Shared::new(region.clone()),
            warming: Cell::new(false),
            said: Cell::new(None),
        });
        pools.push(pool.clone());
        pool
    }
}

impl Transport for Pools {
    fn send(
        &self,
        region: &Arc<Region>,
        request: Request<RequestBody>,
        limits: Limits,
        interim: Option<&Interim>,
    ) -> impl Future<Output = Result<Box<Reply>, Fault>> {
        let pool = self.pool(region);
        // an upgrade needs a connection of HTTP/1.1 (RFC 9113 8.6)
        let http2 = region.http2.is_some() && !request.headers().contains_key(UPGRADE);
        // before anything is awaited, so that the future has no room for a request
        let mut begun = if http2 {
            Begun::Http2(Box::new(request))
        } else {
            let (request, now) = (Outbound::new(request), Instant::now());
            match pool.checkout(now) {
                Some(conn) => Begun::Sending(Exchange::new(conn, request, limits, interim, now)),
                None => Begun::Unsent(Box::new(request)),
            }
        };
        async move {
            let mut outcome = Err(None);
            if let Begun::Sending(exchange) = &mut begun {
                outcome = poll_fn(|cx| exchange.poll_outcome(cx)).await;
            }
            // boxed, since the rest is rarer and large
            match begun {
                Begun::Sending(exchange) => {
                    match exchange.conclude(outcome, Timing::default(), &pool.tasks) {
                        Ok(reply) => Ok(reply),
                        Err((fault, unsent)) => {
                            let unsent = pool.dead(fault, unsent)?;
                            Box::pin(pool.send_http1(unsent, limits, interim)).await
                        }
                    }
                }
                Begun::Unsent(request) => Box::pin(pool.send_http1(request, limits, interim)).await,
                Begun::Http2(request) => Box::pin(pool.send_http2(request, limits, interim)).await,
            }
        }
    }
}

/// How far a request has come before anything was awaited.
enum Begun<'i> {
    /// An idle connection has it.
    Sending(Exchange<'i>),
    /// It needs a new connection of HTTP/1.1.
    Unsent(Box<Outbound>),
    /// It may go over HTTP/2.
    Http2(Box<Request<RequestBody>>),
}

enum Opened {
    Http1(Box<Conn>),
    Http2(Seat),
}

impl Pool {
    /// A new connection that is offered HTTP/2, if `http2` and the region may have it.
    async fn open(self: &Rc<Self>, limits: Limits, http2: bool) -> Result<(Opened, Timing), Fault> {
        let connected = self.connect(limits, http2).await?;
        let timing = Timing::opening(&connected);
        if !connected.http2 {
            return Ok((Opened::Http1(self.http1(connected.stream)), timing));
        }
        let open = Open(self.metrics.clone());
        let (seat, connection) = self
            .shared
            .open(connected.stream, self.settings.head_max, self.tasks.clone())
            .await
            .map_err(|error| Fault::from_hyper(&error, Sent::Nothing, false))?;
        self.tasks.spawn_local(async move {
            // what ends it is reported to the requests that it carried
            let _ = connection.await;
            drop(open);
        });
        Ok((Opened::Http2(seat), timing))
    }

    async fn open_http1(self: &Rc<Self>, limits: Limits) -> Result<(Box<Conn>, Timing), Fault> {
        let connected = self.connect(limits, false).await?;
        let timing = Timing::opening(&connected);
        Ok((self.http1(connected.stream), timing))
    }

    async fn connect(&self, limits: Limits, http2: bool) -> Result<Connected, Fault> {
        let connected = connect(&self.region, &self.addresses, limits, http2).await;
        match &connected {
            Ok(_) => self.metrics.opened(),
            Err(fault) if fault.kind == FaultKind::Local => self.say(fault, Instant::now()),
            Err(_) => {}
        }
        connected
    }

    /// Says what this machine lacks, once in a while: every request finds out.
    fn say(&self, fault: &Fault, now: Instant) {
        if self.said.get().is_none_or(|said| now - said >= SAY_EVERY) {
            self.said.set(Some(now));
            tracing::warn!(region = &**self.region.name(), %fault, "no connection could be opened");
        }
    }

    fn http1(self: &Rc<Self>, stream: Stream) -> Box<Conn> {
        let open = Open(self.metrics.clone());
        Conn::new(stream, self.settings.head_max, Rc::downgrade(self), open)
    }

    /// Over an idle connection, else over a new one, which is offered nothing newer.
    async fn send_http1(
        self: &Rc<Self>,
        mut request: Box<Outbound>,
        limits: Limits,
        interim: Option<&Interim>,
    ) -> Result<Box<Reply>, Fault> {
        while let Some(conn) = self.checkout(Instant::now()) {
            let exchange = Exchange::new(conn, *request, limits, interim, Instant::now());
            match exchange.reply(Timing::default(), &self.tasks).await {
                Ok(reply) => return Ok(reply),
                Err((fault, unsent)) => request = self.dead(fault, unsent)?,
            }
        }
        let (conn, timing) = self.open_http1(limits).await?;
        let limits = limits.after(timing.until_head());
        let exchange = Exchange::new(conn, *request, limits, interim, Instant::now());
        exchange.reply(timing, &self.tasks).await.map_err(|(fault, _)| fault)
    }

    /// Over HTTP/2 if the region speaks it, else over HTTP/1.1.
    async fn send_http2(
        self: &Rc<Self>,
        mut request: Box<Request<RequestBody>>,
        limits: Limits,
        interim: Option<&Interim>,
    ) -> Result<Box<Reply>, Fault> {
        while let Some(seat) = self.shared.seat() {
            self.metrics.reused();
            match self.shared.exchange(seat, *request, limits, Timing::default()).await {
                Ok(reply) => return Ok(reply),
                Err((_, Some(unsent))) => request = unsent,
                Err((fault, None)) => return Err(fault),
            }
        }
        if !self.idle.borrow().is_empty() {
            return self.send_http1(Box::new(Outbound::new(*request)), limits, interim).await;
        }
        let (opened, timing) = self.open(limits, true).await?;
        let limits = limits.after(timing.until_head());
        match opened {
            Opened::Http1(conn) => {
                let request = Outbound::new(*request);
                let exchange = Exchange::new(conn, request, limits, interim, Instant::now());
                exchange.reply(timing, &self.tasks).await.map_err(|(fault, _)| fault)
            }
            Opened::Http2(seat) => {
                let reply = self.shared.exchange(seat, *request, limits, timing).await;
                reply.map_err(|(fault, _)| fault)
            }
        }
    }

    /// A connection turned out to be dead when it was used again. The request goes on if nothing of
    /// it had left.
    fn dead(&self, fault: Fault, unsent: Option<Box<Outbound>>) -> Result<Box<Outbound>, Fault> {
        unsent.ok_or_else(|| {
            // what closed this one has most likely closed the others too
            self.close_idle();
            fault
        })
    }

    fn checkout(&self, now: Instant) -> Option<Box<Conn>> {
        let mut idle = self.idle.borrow_mut();
        // newest first
        while let Some(Idle { mut conn, until, .. }) = idle.pop() {
            if until > now && conn.is_alive() {
                self.metrics.reused();
                return Some(conn);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, conn: Box<Conn>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.settings.idle_max {
            return;
        }
        let life = self.settings.idle_for.mul_f64(0.75 + fastrand::f64() / 4.0);
        idle.push(Idle { conn, until: Instant::now() + life, _counted: self.metrics.idle() });
    }

    fn prune(&self, now: Instant) {
        self.idle.borrow_mut().retain_mut(|entry| entry.until > now && entry.conn.is_alive());
        self.shared.prune();
    }

    fn close_idle(&self) {
        self.idle.borrow_mut().clear();
        self.shared.clear();
    }

    fn warm_up(self: &Rc<Self>) {
        let short = self.settings.warm.saturating_sub(self.idle.borrow().len());
        if short == 0 || self.warming.get() || !self.shared.is_empty() {
            return;
        }
        self.warming.set(true);
        let pool = self.clone();
        self.tasks.spawn_local(async move {
            for _ in 0..short {
                match pool.open(WARM, true).await {
                    Ok((Opened::Http1(conn), _)) => pool.put(conn),
                    Ok((Opened::Http2(..), _)) => break,
                    // the prober reports it; the next round tries again
                    Err(_) => break,
                }
            }
            pool.warming.set(false);
        });
    }
}

/// Counts a connection out, however it ends.
pub(crate) struct Open(PoolMetrics);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Between two lines in the log about the same lack.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// A warm connection that takes longer than this is not worth having.
const WARM_CONNECT: Duration = Duration::from_secs(3);
/// Name, TCP and TLS together; no request follows.
const WARM: Limits = Limits {
    connect: WARM_CONNECT,
    tls: WARM_CONNECT,
    head: WARM_CONNECT,
    write: WARM_CONNECT,
    total: WARM_CONNECT,
};
