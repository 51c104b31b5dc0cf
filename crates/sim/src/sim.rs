//! The running simulator: one accept loop per region, all in one task group.
//!
//! The binary's `sim` and `demo` commands and the tests start it with bound listeners and a token
//! that ends it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::control::Control;
use crate::endpoint;
use crate::region::{Region, Tasks};
use crate::serve;
use crate::soundness::WorldError;
use crate::tls::SimTls;
use crate::world::World;

/// Simulated regions, running until their token is cancelled.
#[derive(Debug)]
pub struct Sim {
    regions: Vec<SimRegion>,
    control: Control,
    tasks: Tasks,
}

/// Where a region is and what it accepts: what a proxy's configuration needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimRegion {
    /// As in the world.
    pub name: String,
    /// Such as `http://127.0.0.1:40001`, without a path; `https` with TLS.
    pub url: String,
    /// The region's credential.
    pub key: String,
}

/// Why a simulator did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The world is not sound.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Each region needs a listener of its own.
    #[error("{regions} regions need as many listeners, not {listeners}")]
    Listeners {
        /// In the world.
        regions: usize,
        /// Given to `start`.
        listeners: usize,
    },
    /// A listener does not know its address.
    #[error("a listener has no address: {0}")]
    Address(#[from] io::Error),
}

impl Sim {
    /// Starts the regions on listeners bound by the caller, one per region in the world's order.
    /// Runs on the caller's tokio runtime until `cancel`; all its tasks can move between threads.
    ///
    /// # Errors
    /// [`StartError`] for an unsound world or another number of listeners; nothing runs then.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        world: World,
        listeners: Vec<TcpListener>,
        tls: Option<SimTls>,
        cancel: CancellationToken,
    ) -> Result<Self, StartError> {
        world.check()?;
        if world.regions.len() != listeners.len() {
            let (regions, listeners) = (world.regions.len(), listeners.len());
            return Err(StartError::Listeners { regions, listeners });
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let addresses =
            listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let acceptor = tls.map(|tls| TlsAcceptor::from(tls.server));
        let tasks = Tasks { tracker: TaskTracker::new(), cancel };
        let clock = Clock::start();
        let repeat = world.repeat_every_s.map(Duration::from_secs_f64);
        let mut regions = Vec::new();
        let mut running = Vec::new();
        for ((region, listener), address) in world.regions.into_iter().zip(listeners).zip(addresses)
        {
            regions.push(SimRegion {
                name: region.name.clone(),
                url: format!("{scheme}://{address}"),
                key: region.key.clone(),
            });
            let region = Arc::new(Region::new(region, (world.seed, repeat), clock, tasks.clone()));
            tasks.tracker.spawn(serve::accept(region.clone(), listener, acceptor.clone()));
            running.push(region);
        }
        let control = Control::new(world.seed, world.repeat_every_s, running);
        Ok(Self { regions, control, tasks })
    }

    /// The regions in the world's order.
    #[must_use]
    pub fn regions(&self) -> &[SimRegion] {
        &self.regions
    }

    /// A handle that changes the regions and reads their counters; clones are the same handle.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Serves the control endpoint on a listener of its own, until the simulator ends:
    /// `GET /world`, `GET /regions/{name}`, `PATCH /regions/{name}` (a JSON merge patch, RFC 7396,
    /// over the region as `GET` shows it), `GET /regions/{name}/stats`. No credential: bind it to
    /// loopback.
    pub fn serve_control(&self, listener: TcpListener) {
        let served = endpoint::serve(self.control.clone(), listener, self.tasks.clone());
        self.tasks.tracker.spawn(served);
    }

    /// Waits until every task has ended; cancel the token first.
    pub async fn stopped(&self) {
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }
}
