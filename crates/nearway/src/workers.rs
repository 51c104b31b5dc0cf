//! The threads that serve clients: one a worker, each with a runtime and a listener of its own.
//!
//! Started and awaited by `control.rs`. A request never leaves its worker; what workers share is
//! handed to each as a clone. A worker that ends unasked is reported, not restarted: half a proxy
//! is worse than one that its supervisor restarts.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use nearway_proxy::Worker;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The workers that run.
#[derive(Debug)]
pub(crate) struct Workers {
    running: usize,
    news: mpsc::Receiver<News>,
}

/// A worker could not be started, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The operating system refuses a thread, or the sockets that a runtime needs.
    #[error("a worker cannot start ({0}): lower `workers` or raise the limits of this process")]
    Start(#[from] std::io::Error),
    /// A defect: the worker panicked.
    #[error("a worker ended by itself, which it never should; the log may say why")]
    Ended,
}

/// What a worker's thread reports.
#[derive(Debug)]
enum News {
    Serving,
    Failed(std::io::Error),
    Ended,
}

impl Workers {
    /// Starts one worker a listener and returns once all of them serve.
    pub(crate) async fn start(
        listeners: Vec<TcpListener>,
        worker: &Worker,
        shutdown: &CancellationToken,
        drain: Duration,
    ) -> Result<Self, WorkerError> {
        let count = listeners.len();
        // room for everything that all of them will ever say
        let (tell, news) = mpsc::channel((3 * count).max(1));
        for (number, listener) in listeners.into_iter().enumerate() {
            let (worker, shutdown, tell) = (worker.clone(), shutdown.clone(), tell.clone());
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let ended = TellsEnd(tell);
                if let Err(error) = serve(worker, listener, shutdown, drain, &ended.0) {
                    let _ = ended.0.try_send(News::Failed(error));
                }
            })?;
        }
        let mut workers = Self { running: count, news };
        let mut serving = 0;
        while serving < count {
            match workers.news.recv().await {
                Some(News::Serving) => serving += 1,
                Some(News::Failed(error)) => return Err(error.into()),
                // told to stop before all have started
                Some(News::Ended) if shutdown.is_cancelled() => workers.running -= 1,
                Some(News::Ended) | None => return Err(WorkerError::Ended),
            }
        }
        Ok(workers)
    }

    /// Returns when a worker has ended, whatever the reason. Never, if none is left.
    pub(crate) async fn one_ended(&mut self) {
        while self.running > 0 {
            match self.news.recv().await {
                Some(News::Ended) | None => {
                    self.running = self.running.saturating_sub(1);
                    return;
                }
                Some(News::Serving | News::Failed(_)) => {}
            }
        }
        std::future::pending::<()>().await;
    }

    /// Returns when every worker has ended.
    pub(crate) async fn all_ended(&mut self) {
        while self.running > 0 {
            self.one_ended().await;
        }
    }
}

/// The life of one worker's thread.
fn serve(
    worker: Worker,
    listener: TcpListener,
    shutdown: CancellationToken,
    drain: Duration,
    tell: &mpsc::Sender<News>,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let _ = tell.try_send(News::Serving);
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        nearway_proxy::serve(worker, listener, shutdown, drain).await;
        Ok(())
    })
}

/// Says that the thread ends, also when it unwinds.
struct TellsEnd(mpsc::Sender<News>);

impl Drop for TellsEnd {
    fn drop(&mut self) {
        let _ = self.0.try_send(News::Ended);
    }
}
