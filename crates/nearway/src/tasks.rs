//! The tasks of one thread as a group: started together, told to stop together, awaited together.
//!
//! The control thread has one; workers have their own inside the proxy. No task outlives its group.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A group of local tasks with one way to stop them.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Tasks {
    /// Starts a task that ends by itself once [`Tasks::token`] is cancelled.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + 'static) {
        self.tracker.spawn_local(task);
    }

    /// Starts a task that may be dropped at any await once the group stops.
    pub(crate) fn start_droppable(&self, task: impl Future<Output = ()> + 'static) {
        let cancel = self.cancel.clone();
        self.start(async move {
            cancel.run_until_cancelled_owned(task).await;
        });
    }

    /// What tells a task of this group to end.
    pub(crate) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The group itself, for crates that start tasks of their own in it.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Tells all tasks to end and waits until they have.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn stopping_waits_for_a_polite_task_and_drops_the_other() {
        LocalSet::new()
            .run_until(async {
                let tasks = Tasks::default();
                let ended = Rc::new(Cell::new(false));
                let (token, end) = (tasks.token(), ended.clone());
                tasks.start(async move {
                    token.cancelled().await;
                    tokio::task::yield_now().await;
                    end.set(true);
                });
                tasks.start_droppable(std::future::pending());
                tasks.stop().await;
                assert!(ended.get());
            })
            .await;
    }
}
