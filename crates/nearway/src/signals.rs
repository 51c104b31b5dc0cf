//! What the operating system tells the process: stop, stop at once, read the configuration again.
//!
//! Installed by the commands that run until told to end. The library traps no signal.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The handled signals, from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them over; needs a runtime.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Cancels `shutdown` at the first SIGTERM or SIGINT and returns at the second; each SIGHUP
    /// until then notifies `reload`.
    pub(crate) async fn obey(mut self, shutdown: &CancellationToken, reload: &Notify) {
        loop {
            tokio::select! {
                () = stop(&mut self.terminate, &mut self.interrupt) => {
                    if shutdown.is_cancelled() {
                        return;
                    }
                    shutdown.cancel();
                }
                Some(()) = self.hangup.recv() => reload.notify_one(),
            }
        }
    }

    /// Returns at the first SIGTERM or SIGINT.
    pub(crate) async fn told_to_stop(mut self) {
        stop(&mut self.terminate, &mut self.interrupt).await;
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
