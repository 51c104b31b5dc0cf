//! What the operating system tells the process: stop, stop at once, read the configuration again.
//!
//! Installed by the commands that run until told to end. The library traps no signal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// SIGTERM and SIGINT, from now on. SIGHUP still ends the process, as a terminal that closes should
/// (unless `nohup` says otherwise): a trap would let probes go on that nobody sees.
#[derive(Debug)]
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// What `serve` handles, from now on: SIGHUP too.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Stop,
    hangup: Signal,
}

impl Stop {
    /// Takes them over; needs a runtime.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns at the next SIGTERM or SIGINT.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Signals {
    /// Takes them over; needs a runtime.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { stop: Stop::install()?, hangup: signal(SignalKind::hangup())? })
    }

    /// Cancels `shutdown` at the first SIGTERM or SIGINT and returns at the second; each SIGHUP
    /// until then notifies `reload`.
    pub(crate) async fn obey(mut self, shutdown: &CancellationToken, reload: &Notify) {
        loop {
            tokio::select! {
                () = self.stop.told() => {
                    if shutdown.is_cancelled() {
                        return;
                    }
                    shutdown.cancel();
                }
                Some(()) = self.hangup.recv() => reload.notify_one(),
            }
        }
    }
}
