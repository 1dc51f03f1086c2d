//! How many requests a backend has open, counted without threads disturbing each other.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What is open towards one backend, or towards all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Requests whose response has not ended.
    pub requests: u64,
    /// Connections that have left HTTP, such as WebSockets.
    pub upgraded: u64,
}

impl Open {
    /// Both kinds together.
    pub fn total(&self) -> u64 {
        self.requests + self.upgraded
    }
}

impl std::ops::AddAssign for Open {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.upgraded += other.upgraded;
    }
}

/// The open requests of one backend. Each worker thread counts in its own cache line.
pub(crate) struct Load {
    shards: Box<[Shard]>,
    waiting: AtomicUsize,
    fell: Notify,
    goes: AtomicBool,
    goodbye: Notify,
}

#[derive(Default)]
#[repr(align(64))]
struct Shard {
    requests: AtomicU64,
    upgraded: AtomicU64,
}

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Upgraded,
}

impl Load {
    /// A load of nothing, for so many worker threads.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            shards: (0..workers).map(|_| Shard::default()).collect(),
            waiting: AtomicUsize::new(0),
            fell: Notify::new(),
            goes: AtomicBool::new(false),
            goodbye: Notify::new(),
        }
    }

    /// Tells the connections that have left HTTP that the backend is to go.
    pub(crate) fn say_goodbye(&self) {
        self.goes.store(true, SeqCst);
        self.goodbye.notify_waiters();
    }

    /// Waits until the backend is to go.
    pub(crate) async fn goodbye(&self) {
        let said = self.goodbye.notified();
        let mut said = std::pin::pin!(said);
        said.as_mut().enable();
        if !self.goes.load(SeqCst) {
            said.await;
        }
    }

    /// What is open now.
    pub(crate) fn open(&self) -> Open {
        self.shards.iter().fold(Open::default(), |mut sum, shard| {
            sum += Open { requests: shard.requests.load(SeqCst), upgraded: shard.upgraded.load(SeqCst) };
            sum
        })
    }

    /// What this worker has open; cheap, for choosing the least busy backend.
    pub(crate) fn of_worker(&self, worker: usize) -> u64 {
        self.shards[worker].requests.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Counts one up.
    pub(crate) fn begin(&self, worker: usize, kind: Kind) {
        self.shards[worker].of(kind).fetch_add(1, SeqCst);
    }

    /// Counts one down.
    pub(crate) fn end(&self, worker: usize, kind: Kind) {
        let before = self.shards[worker].of(kind).fetch_sub(1, SeqCst);
        if before == 1 && self.waiting.load(SeqCst) > 0 {
            self.fell.notify_waiters();
        }
    }

    /// Waits until nothing is open or the time is over; answers with what is still open.
    pub(crate) async fn drained(&self, limit: Duration) -> Open {
        let deadline = Instant::now() + limit;
        let _waiter = Waiter::new(&self.waiting);
        loop {
            let fell = self.fell.notified();
            let mut fell = std::pin::pin!(fell);
            fell.as_mut().enable();
            let open = self.open();
            if open.total() == 0 || timeout_at(deadline, fell).await.is_err() {
                return self.open();
            }
        }
    }
}

impl Shard {
    fn of(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Request => &self.requests,
            Kind::Upgraded => &self.upgraded,
        }
    }
}

struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn draining_ends_with_the_last_request_of_any_worker() {
        let load = Arc::new(Load::new(2));
        load.begin(0, Kind::Request);
        load.begin(1, Kind::Upgraded);
        assert_eq!(load.open(), Open { requests: 1, upgraded: 1 });

        let waiting = tokio::spawn({
            let load = load.clone();
            async move { load.drained(Duration::from_secs(60)).await }
        });
        load.end(0, Kind::Request);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        load.end(1, Kind::Upgraded);
        assert_eq!(waiting.await.unwrap(), Open::default());
    }

    #[tokio::test]
    async fn draining_gives_up_when_its_time_is_over() {
        let load = Load::new(1);
        load.begin(0, Kind::Request);
        assert_eq!(load.drained(Duration::ZERO).await.requests, 1);
    }
}
