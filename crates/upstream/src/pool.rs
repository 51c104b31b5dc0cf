//! The connections of one worker: one idle list a region, newest first, and one driver task each.
//!
//! Nothing here is shared between workers, so nothing is locked. Idle connections live for at most
//! a minute, jittered so that they do not all die at once, and a few are kept warm to every region
//! so that a switch or a failover pays no handshake.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use http::header::UPGRADE;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nearway_telemetry::{InFlight, Metrics, PoolMetrics};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::connect::{Connected, connect};
use crate::http2::{Seat, Shared};
use crate::{
    Fault, FaultKind, Limits, Region, RegionBody, Reply, RequestBody, Sent, Timing, Transport,
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
    settings: PoolSettings,
    metrics: PoolMetrics,
    tasks: TaskTracker,
    idle: RefCell<Vec<Idle>>,
    shared: Shared,
    warming: Cell<bool>,
}

struct Idle {
    conn: Conn,
    until: Instant,
    // counts it in the gauge for as long as it lies here
    _counted: InFlight,
}

/// An open HTTP/1.1 connection that no request is using.
struct Conn {
    sender: http1::SendRequest<RequestBody>,
    written: Arc<AtomicU64>,
}

/// What a response is read from; goes back with [`Lease::give_back`], ends when dropped.
pub(crate) enum Lease {
    /// A connection of its own.
    Http1(Http1Lease),
    /// A stream on a shared connection.
    Http2 { _seat: Seat },
}

/// An HTTP/1.1 connection in use.
pub(crate) struct Http1Lease {
    conn: Conn,
    pool: Weak<Pool>,
}

impl Pools {
    /// No connections yet; `tasks` drives those that will come.
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
        let pool = Rc::new(Pool {
            region: region.clone(),
            settings: self.settings,
            metrics: self.metrics.pool(region.name()),
            tasks: self.tasks.clone(),
            idle: RefCell::default(),
            shared: Shared::new(region.clone()),
            warming: Cell::new(false),
        });
        pools.push(pool.clone());
        pool
    }
}

impl Transport for Pools {
    async fn send(
        &self,
        region: &Arc<Region>,
        mut request: Request<RequestBody>,
        limits: Limits,
    ) -> Result<Reply, Fault> {
        let pool = self.pool(region);
        // an upgrade needs a connection of HTTP/1.1 (RFC 9113 8.6)
        let http2 = region.http2.is_some() && !request.headers().contains_key(UPGRADE);
        if http2 {
            match Box::pin(pool.send_shared(request, limits)).await {
                Ok(outcome) => return outcome,
                Err(unsent) => request = unsent,
            }
        }
        while let Some(conn) = pool.checkout() {
            pool.metrics.reused();
            match pool.exchange(conn, request, limits, Timing::default()).await {
                Ok(reply) => return Ok(reply),
                // it died while idle, and hyper hands back what it never began to send
                Err((_, Some(unsent))) => request = unsent,
                Err((fault, None)) => {
                    // what closed this one has most likely closed the others too
                    pool.close_idle();
                    return Err(fault);
                }
            }
        }
        // boxed, since it is rare and large: a TLS handshake in every request's future is copied with it
        let (conn, timing) = match Box::pin(pool.open(limits.connect, http2)).await? {
            (Opened::Http1(conn), timing) => (conn, timing),
            (Opened::Http2(seat), timing) => {
                let exchange = pool.shared.exchange(seat, request, limits, timing);
                return Box::pin(exchange).await.map_err(|(fault, _)| fault);
            }
        };
        pool.exchange(conn, request, limits, timing).await.map_err(|(fault, _)| fault)
    }
}

enum Opened {
    Http1(Conn),
    Http2(Seat),
}

impl Pool {
    async fn open(&self, limit: Duration, http2: bool) -> Result<(Opened, Timing), Fault> {
        let Connected { stream, written, connect, tls, http2 } =
            connect(&self.region, limit, http2).await?;
        self.metrics.opened();
        let timing = Timing { connect: Some(connect), tls, head: Duration::ZERO };
        let failed = |error: hyper::Error| Fault::from_hyper(&error, Sent::Nothing, false);
        let head_max = self.settings.head_max;
        if http2 {
            let opening = self.shared.open(stream, written, head_max, self.tasks.clone());
            let (seat, connection) = opening.await.map_err(failed)?;
            self.drive(connection);
            return Ok((Opened::Http2(seat), timing));
        }
        let (sender, connection) = http1::Builder::new()
            .max_header_size(head_max)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        self.drive(connection.with_upgrades());
        Ok((Opened::Http1(Conn { sender, written }), timing))
    }

    /// Runs a connection to its end; what ends it is reported to the request that it carried.
    fn drive(&self, connection: impl Future<Output = hyper::Result<()>> + 'static) {
        let metrics = self.metrics.clone();
        self.tasks.spawn_local(async move {
            let _ = connection.await;
            metrics.closed();
        });
    }

    /// Over a connection of HTTP/2 that is open; the request comes back if there is none.
    async fn send_shared(
        &self,
        mut request: Request<RequestBody>,
        limits: Limits,
    ) -> Result<Result<Reply, Fault>, Request<RequestBody>> {
        while let Some(seat) = self.shared.seat() {
            self.metrics.reused();
            let timing = Timing::default();
            match self.shared.exchange(seat, request, limits, timing).await {
                Ok(reply) => return Ok(Ok(reply)),
                Err((_, Some(unsent))) => request = unsent,
                Err((fault, None)) => return Ok(Err(fault)),
            }
        }
        Err(request)
    }

    fn checkout(&self) -> Option<Conn> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        // newest first; one whose driver has not yet seen its last response end stays in the list
        for index in (0..idle.len()).rev() {
            let Some(entry) = idle.get(index) else { continue };
            if entry.conn.sender.is_closed() || entry.until <= now {
                idle.remove(index);
            } else if entry.conn.sender.is_ready() {
                return Some(idle.remove(index).conn);
            }
        }
        None
    }

    fn put(&self, conn: Conn) {
        let mut idle = self.idle.borrow_mut();
        if conn.sender.is_closed() || idle.len() >= self.settings.idle_max {
            return;
        }
        let life = self.settings.idle_for.mul_f64(0.75 + fastrand::f64() / 4.0);
        idle.push(Idle { conn, until: Instant::now() + life, _counted: self.metrics.idle() });
    }

    fn prune(&self, now: Instant) {
        self.idle.borrow_mut().retain(|entry| entry.until > now && !entry.conn.sender.is_closed());
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
                match pool.open(WARM_CONNECT, true).await {
                    Ok((Opened::Http1(conn), _)) => pool.put(conn),
                    Ok((Opened::Http2(..), _)) => break,
                    // the prober reports it; the next round tries again
                    Err(_) => break,
                }
            }
            pool.warming.set(false);
        });
    }

    async fn exchange(
        self: &Rc<Self>,
        mut conn: Conn,
        request: Request<RequestBody>,
        limits: Limits,
        mut timing: Timing,
    ) -> Result<Reply, (Fault, Option<Request<RequestBody>>)> {
        let reused = timing.connect.is_none();
        let before = conn.written.load(Ordering::Relaxed);
        let started = Instant::now();
        let outcome = timeout(limits.head, conn.sender.try_send_request(request)).await;
        timing.head = Instant::now() - started;
        let written = conn.written.clone();
        let sent = move || {
            if written.load(Ordering::Relaxed) == before { Sent::Nothing } else { Sent::Some }
        };
        match outcome {
            Ok(Ok(response)) => {
                let lease = Lease::Http1(Http1Lease { conn, pool: Rc::downgrade(self) });
                let response = response.map(|body| RegionBody::new(body, lease));
                Ok(Reply { response, timing })
            }
            Ok(Err(mut error)) => {
                let unsent = error.take_message();
                let sent = if unsent.is_some() { Sent::Nothing } else { sent() };
                Err((Fault::from_hyper(error.error(), sent, reused), unsent))
            }
            Err(_elapsed) => Err((late(limits.head, sent(), reused), None)),
        }
    }
}

pub(crate) fn late(limit: Duration, sent: Sent, reused: bool) -> Fault {
    let detail = format!("no response head within {limit:?}");
    Fault { kind: FaultKind::HeadTimeout, sent, reused, detail }
}

impl Lease {
    /// The response was read to its end: the connection may serve the next request.
    pub(crate) fn give_back(self) {
        if let Self::Http1(Http1Lease { conn, pool }) = self
            && let Some(pool) = pool.upgrade()
        {
            pool.put(conn);
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

/// A warm connection that takes longer than this is not worth having.
const WARM_CONNECT: Duration = Duration::from_secs(3);
