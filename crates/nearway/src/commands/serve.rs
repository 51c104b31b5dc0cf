//! `nearway serve`: the proxy until a signal ends it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::announce::announce;
use crate::cli::Serve;
use crate::control::{Hooks, Serving, run as serve};
use crate::listen::Listeners;
use crate::reload::Reload;
use crate::signals::Signals;

pub(super) fn run(Serve { file, announce }: Serve) -> anyhow::Result<()> {
    let (config, source, fingerprint) = super::read(file)?;
    super::start_logs(config.log.format)?;
    super::block_on(async move {
        // before anything else: a SIGHUP without a handler would end the process
        let signals = Signals::install().context("signals cannot be handled")?;
        let workers = super::workers(&config);
        let listeners = Listeners::bind(config.listen.address, config.admin.address, workers)?;
        let shutdown = CancellationToken::new();
        let now = Arc::new(Notify::new());
        let (serving, served) = oneshot::channel();
        let hooks = Hooks {
            reload: Some(Reload { source, fingerprint, now: now.clone() }),
            serving: Some(serving),
        };
        tokio::select! {
            ended = serve(config, listeners, hooks, shutdown.clone()) => Ok(ended?),
            failed = say_where(served, announce) => failed,
            () = signals.obey(&shutdown, &now) => {
                bail!("stopped at once by a second signal; requests in flight were cut")
            }
        }
    })
}

/// Says where it serves once it does; returns only if that fails.
async fn say_where(
    served: oneshot::Receiver<Serving>,
    file: Option<PathBuf>,
) -> anyhow::Result<()> {
    if let Ok(Serving { listen, admin, .. }) = served.await {
        tracing::info!(%listen, %admin, "serving");
        if let Some(file) = file {
            announce(&file, listen, admin).with_context(|| {
                format!("--announce {}: cannot be written; choose another file", file.display())
            })?;
        }
    }
    std::future::pending().await
}
