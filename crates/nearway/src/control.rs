//! One proxy, from bound listeners to the last drained request.
//!
//! The control thread runs [`run`]: it starts the prober with its ranker, the admin listener, the
//! reload and the workers, and awaits the end of them all. Whoever calls it has bound the sockets
//! and decides when to stop; this file binds nothing, traps no signal and exits nothing.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nearway_config::Config;
use nearway_probe::{Outputs, Prober, resumed_table};
use nearway_proxy::Worker;
use nearway_route::{Live, Table};
use nearway_telemetry::{Build, InvalidBuckets, Metrics};
use nearway_upstream::{Clock, PoolSettings, Pools, ReplayBudget};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::assemble::{AssembleError, Assembly};
use crate::board::Board;
use crate::chores;
use crate::fitness;
use crate::in_force::InForce;
use crate::listen::Listeners;
use crate::owners::{Kept, OwnersFileError};
use crate::reload::{self, Reload};
use crate::snapshot::{self, Keeper, Resumed};
use crate::tasks::Tasks;
use crate::workers::{WorkerError, Workers};

/// What a caller may want beside the proxy itself.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Where to read the configuration again; `None`: it stays as it is.
    pub reload: Option<Reload>,
    /// Told once clients are served.
    pub serving: Option<oneshot::Sender<Serving>>,
}

/// A proxy that serves.
#[derive(Debug)]
pub struct Serving {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// The route table, as it changes.
    pub table: Arc<Live<Table>>,
    /// The clock that the table's moments come from.
    pub clock: Clock,
}

/// Why a proxy did not start, or stopped unasked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be put in force.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// A worker did not start or did not last.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A defect in the declaration of a metric.
    #[error(transparent)]
    Metrics(#[from] InvalidBuckets),
    /// The file of owners cannot be used.
    #[error(transparent)]
    Owners(#[from] OwnersFileError),
    /// A bound listener cannot be used.
    #[error("a bound listener cannot be used: {0}")]
    Listener(#[from] std::io::Error),
}

/// Serves until `shutdown`, then drains for at most `timeouts.drain` and returns.
///
/// To be awaited inside a local runtime or a `LocalSet`. Dropping it stops the control tasks at
/// once; the workers' threads end by themselves after the drain.
///
/// # Errors
/// See [`RunError`].
pub async fn run(
    config: Config,
    listeners: Listeners,
    hooks: Hooks,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let (listen, admin) = (listeners.client_address()?, listeners.admin_address()?);
    let mut assembly = Assembly::new(listeners.clients.len());
    let parts = assembly.make(&config)?;
    assembly.commit(&parts);

    let resumed = match &config.routing.snapshot {
        Some(file) => snapshot::resume(file, &parts.proxy, config.routing.window).await,
        None => Resumed::default(),
    };
    let clock = Clock::start_at(resumed.oldest());
    let metrics = Metrics::new(BUILD)?;
    let owners = Rc::new(Kept::open(&config.state, &parts, metrics.state()).await?);
    let Resumed { learned, later } = resumed;
    let (ranker, table) = resumed_table(&parts.probe, &learned, later, clock.now().into());
    let table = Arc::new(Live::new(table));
    let settings = Arc::new(Live::new(Arc::new(parts.proxy)));
    let first_round = Arc::new(AtomicBool::new(false));
    let board = Rc::new(Board::new(&config, clock));

    let tasks = Tasks::default();
    let (report, reports) = mpsc::channel(REPORTS);
    let (prober_report, prober_reports) = mpsc::channel(REPORTS);
    let (reloads, prober_reloads) = mpsc::channel(1);
    let pools = Rc::new(Pools::new(PROBER_POOLS, metrics.clone(), tasks.tracker().clone()));
    let outputs = Outputs {
        table: table.clone(),
        metrics: metrics.clone(),
        clock,
        first_round: first_round.clone(),
    };
    let prober = Prober::new(pools.clone(), parts.probe, ranker, outputs);
    let channels = nearway_probe::Channels { reports: prober_reports, reloads: prober_reloads };
    tasks.start(prober.run(channels, tasks.token()));
    tasks.start_droppable(chores::forward(reports, prober_report));
    tasks.start_droppable(chores::tend(pools, settings.clone()));
    tasks.start_droppable(chores::upkeep(metrics.clone()));
    tasks.start_droppable(owners.clone().show());
    tasks.start_droppable(fitness::watch(table.clone(), metrics.clone(), clock));
    tasks.start_droppable(chores::first_round(first_round, board.clone()));

    if let Some(file) = &config.routing.snapshot {
        let keeper = Keeper::new(file.clone(), table.clone(), settings.clone(), clock);
        tasks.start(keeper.keep(tasks.token()));
    }

    let app = board.app(table.clone(), metrics.clone(), settings.clone());
    let admin_listener = tokio::net::TcpListener::from_std(listeners.admin)?;
    tasks.start(nearway_admin::serve(admin_listener, app, tasks.token()));

    let worker = Worker {
        settings: settings.clone(),
        table: table.clone(),
        metrics: metrics.clone(),
        clock,
        replay: ReplayBudget::default(),
        affinity: Arc::default(),
        owners: owners.store(),
        nobody: Arc::default(),
        cursors: Arc::default(),
        minted: Arc::default(),
        reports: report,
    };
    let drain = config.timeouts.drain;
    // a child: one worker that ends early must stop the others, not what the caller holds
    let stop = shutdown.child_token();
    let mut workers = Workers::start(listeners.clients, &worker, &stop, drain)
        .await
        .inspect_err(|_| stop.cancel())?;

    if let Some(reload) = hooks.reload {
        let (readings, read) = mpsc::channel(1);
        let in_force =
            InForce::new(config, assembly, board.clone(), owners.clone(), metrics.rank());
        tasks.start_droppable(reload::watch(reload, readings));
        tasks.start_droppable(in_force.follow(read, settings, table.clone(), reloads));
    }
    if let Some(serving) = hooks.serving {
        let _ = serving.send(Serving { listen, admin, table, clock });
    }

    let ended = until_drained(&mut workers, &shutdown, &stop, &board, drain).await;
    tasks.stop().await;
    owners.close().await;
    ended
}

/// Serves until told to stop, or until a worker ends unasked; then lets requests in flight finish.
async fn until_drained(
    workers: &mut Workers,
    shutdown: &CancellationToken,
    stop: &CancellationToken,
    board: &Board,
    drain: Duration,
) -> Result<(), RunError> {
    let ended = tokio::select! {
        // an idle worker may have obeyed before this task is polled
        biased;
        () = shutdown.cancelled() => Ok(()),
        () = workers.one_ended() => Err(WorkerError::Ended.into()),
    };
    stop.cancel();
    board.drains();
    tracing::info!(?drain, "stopping: no new connections, requests in flight may finish");
    if timeout(drain + AFTER_DRAIN, workers.all_ended()).await.is_err() {
        tracing::warn!("a worker did not end in time");
    }
    ended
}

/// What `nearway_build_info` says.
const BUILD: Build<'static> =
    Build { version: env!("CARGO_PKG_VERSION"), commit: option_env!("NEARWAY_COMMIT") };

/// Reports of live traffic on their way to the ranking, which takes them in many times a second;
/// what does not fit is dropped and counted by the workers.
const REPORTS: usize = 4096;

/// Probes go one by one to each region, on a connection that is open already.
const PROBER_POOLS: PoolSettings =
    PoolSettings { warm: 1, idle_max: 4, idle_for: Duration::from_secs(60), head_max: 64 * 1024 };

/// For a worker to close what the drain left over.
const AFTER_DRAIN: Duration = Duration::from_secs(2);
