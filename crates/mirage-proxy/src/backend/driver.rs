//! Polls a connection from inside the task that waits for it.
//!
//! hyper wants its client connection to be a task of its own. Two tasks per request mean two trips
//! through the scheduler each way, so here the task that serves the client drives the backend's
//! connection too. What the connection signals while it is being polled is answered by polling
//! again at once; only what comes later wakes the task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// The most polls in a row before other tasks get their turn.
const ROUNDS: usize = 8;

/// Stands between a connection's wakers and the task that currently drives it.
pub(crate) struct Driver {
    signal: Arc<Signal>,
    waker: Waker,
}

#[derive(Default)]
struct Signal {
    task: AtomicWaker,
    polling: AtomicBool,
    again: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.polling.load(SeqCst) {
            self.again.store(true, SeqCst);
        } else {
            self.task.wake();
        }
    }
}

impl Driver {
    pub(crate) fn new() -> Self {
        let signal = Arc::new(Signal::default());
        Self { waker: Waker::from(signal.clone()), signal }
    }

    /// Calls `step` until it is ready or has nothing more to tell itself.
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.signal.task.register(cx.waker());
        self.signal.polling.store(true, SeqCst);
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..ROUNDS {
            if let Poll::Ready(done) = step(&mut inner) {
                self.leave();
                return Poll::Ready(done);
            }
            if !self.signal.again.swap(false, SeqCst) {
                if self.leave() {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        self.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Calls `step` once on behalf of nobody: later signals wake no task.
    pub(crate) fn poll_unattended<T>(&self, step: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.signal.task.take();
        step(&mut Context::from_waker(&self.waker))
    }

    /// Ends a round; true where a signal came in at the last moment.
    fn leave(&self) -> bool {
        self.signal.polling.store(false, SeqCst);
        self.signal.again.swap(false, SeqCst)
    }
}
