//! The connections of one worker: one idle list a region, newest first, and one driver task each.
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
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use nearway_telemetry::{InFlight, Metrics, PoolMetrics};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::connect::{Connected, connect};
use crate::exchange::Conn;
use crate::http2::{Seat, Shared};
use crate::{Fault, Interim, Limits, Region, Reply, RequestBody, Sent, Timing, Transport};

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
        let now = Instant::now();
        let conn = if http2 { None } else { pool.checkout(now) };
        let mut begun = match conn {
            Some(conn) => Ok(conn.send(request, limits, interim, now)),
            None => Err(Box::new(request)),
        };
        async move {
            let mut outcome = None;
            if let Ok(exchange) = &mut begun {
                pool.metrics.reused();
                outcome = poll_fn(|cx| exchange.poll_outcome(cx)).await;
            }
            let unsent = match begun {
                Err(request) => request,
                Ok(exchange) => match exchange.conclude(outcome, Timing::default(), &pool) {
                    Ok(reply) => return Ok(reply),
                    Err((fault, unsent)) => pool.dead(fault, unsent)?,
                },
            };
            // boxed, since it is rarer and large
            Box::pin(pool.send_otherwise(unsent, limits, http2, interim)).await
        }
    }
}

enum Opened {
    Http1(Conn),
    Http2(Seat),
}

impl Pool {
    async fn open(&self, limit: Duration, http2: bool) -> Result<(Opened, Timing), Fault> {
        let Connected { stream, written, watch, connect, tls, http2 } =
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
        let driver = self.drive(connection.with_upgrades());
        Ok((Opened::Http1(Conn::new(sender, written, watch, driver)), timing))
    }

    /// Runs a connection to its end; what ends it is reported to the request that it carried.
    fn drive(&self, connection: impl Future<Output = hyper::Result<()>> + 'static) -> AbortHandle {
        let ended = Ended(self.metrics.clone());
        let task = self.tasks.spawn_local(async move {
            let _ = connection.await;
            drop(ended);
        });
        task.abort_handle()
    }

    /// Over what is open, else over a new connection.
    async fn send_otherwise(
        self: &Rc<Self>,
        mut request: Box<Request<RequestBody>>,
        limits: Limits,
        http2: bool,
        interim: Option<&Interim>,
    ) -> Result<Box<Reply>, Fault> {
        let timing = Timing::default;
        while http2 && let Some(seat) = self.shared.seat() {
            self.metrics.reused();
            match self.shared.exchange(seat, *request, limits, timing()).await {
                Ok(reply) => return Ok(reply),
                Err((_, Some(unsent))) => request = unsent,
                Err((fault, None)) => return Err(fault),
            }
        }
        while let Some(conn) = self.checkout(Instant::now()) {
            self.metrics.reused();
            let sent = conn.send(*request, limits, interim, Instant::now());
            match sent.reply(timing(), self).await {
                Ok(reply) => return Ok(reply),
                Err((fault, unsent)) => request = self.dead(fault, unsent)?,
            }
        }
        let (opened, timing) = self.open(limits.connect, http2).await?;
        let reply = match opened {
            Opened::Http1(conn) => {
                let sent = conn.send(*request, limits, interim, Instant::now());
                sent.reply(timing, self).await
            }
            Opened::Http2(seat) => self.shared.exchange(seat, *request, limits, timing).await,
        };
        reply.map_err(|(fault, _)| fault)
    }

    /// A connection turned out to be dead when it was used again. The request goes on if hyper hands
    /// back what it never began to send.
    fn dead(
        &self,
        fault: Fault,
        unsent: Option<Box<Request<RequestBody>>>,
    ) -> Result<Box<Request<RequestBody>>, Fault> {
        unsent.ok_or_else(|| {
            // what closed this one has most likely closed the others too
            self.close_idle();
            fault
        })
    }

    fn checkout(&self, now: Instant) -> Option<Conn> {
        let mut idle = self.idle.borrow_mut();
        // newest first; one whose driver has not yet seen its last response end stays in the list
        for index in (0..idle.len()).rev() {
            let Some(entry) = idle.get(index) else { continue };
            if entry.conn.is_closed() || entry.until <= now {
                idle.remove(index);
            } else if entry.conn.is_ready() {
                return Some(idle.remove(index).conn);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, conn: Conn) {
        let mut idle = self.idle.borrow_mut();
        if conn.is_closed() || idle.len() >= self.settings.idle_max {
            return;
        }
        let life = self.settings.idle_for.mul_f64(0.75 + fastrand::f64() / 4.0);
        idle.push(Idle { conn, until: Instant::now() + life, _counted: self.metrics.idle() });
    }

    fn prune(&self, now: Instant) {
        self.idle.borrow_mut().retain(|entry| entry.until > now && !entry.conn.is_closed());
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
}

/// Counts a connection out, however it ends.
struct Ended(PoolMetrics);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.closed();
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A warm connection that takes longer than this is not worth having.
const WARM_CONNECT: Duration = Duration::from_secs(3);
