//! Work that is under way: begun once, seen by the planner until it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mirage_core::{DeploymentId, InstanceId};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// A piece of work that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// Bringing a deployment's image.
    Pull(DeploymentId),
    /// Starting an instance.
    Start(InstanceId),
    /// Draining and stopping an instance.
    Retire(InstanceId),
    /// Cleaning up behind an instance that ended.
    Sweep(InstanceId),
}

#[derive(Default)]
pub(super) struct Ops {
    running: Mutex<HashMap<Op, AbortHandle>>,
    /// Rung whenever a piece of work has ended.
    ended: Notify,
}

impl Ops {
    pub(super) fn is_running(&self, op: Op) -> bool {
        self.lock().contains_key(&op)
    }

    /// Begins the work unless it is under way, and rings the bell when it has ended, however it ended.
    pub(super) fn begin(
        self: &Arc<Self>,
        op: Op,
        bell: Arc<Notify>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut running = self.lock();
        if running.contains_key(&op) {
            return;
        }
        let ended = Ended { ops: Arc::clone(self), op, bell };
        let task = tokio::spawn(async move {
            let _ended = ended;
            work.await;
        });
        running.insert(op, task.abort_handle());
    }

    /// Stops the work where it stands.
    pub(super) fn abort(&self, op: Op) {
        if let Some(task) = self.lock().get(&op) {
            task.abort();
        }
    }

    /// Waits until the work is over, if it is under way.
    pub(super) async fn ended(&self, op: Op) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if !self.is_running(op) {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn abort_all(&self) {
        for task in self.lock().values() {
            task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Op, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the work off the list when its task ends, is aborted, or panics.
struct Ended {
    ops: Arc<Ops>,
    op: Op,
    bell: Arc<Notify>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.ops.lock().remove(&self.op);
        self.ops.ended.notify_waiters();
        self.bell.notify_one();
    }
}
