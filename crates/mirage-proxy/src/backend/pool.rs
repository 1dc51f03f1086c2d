//! What one worker thread keeps of one backend: idle connections, counters, how it fared lately.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hyper::client::conn::http2::SendRequest;
use mirage_core::Backend;
use tokio::sync::Notify;

use super::http1::Http1;
use super::upload::Upload;
use crate::load::{Kind, Load};
use crate::tally::Tally;

/// The most idle connections that one worker keeps to one backend.
const MOST_IDLE: usize = 256;

/// Beats after which an idle connection is closed: 20 seconds.
const IDLE_BEATS: u32 = 40;

/// Beats for which a backend that refused a connection is asked last: one to two seconds.
const AVOID_BEATS: u32 = 3;

/// One worker thread's connections to one backend.
pub(crate) struct Pool {
    pub(crate) backend: Backend,
    load: Arc<Load>,
    tally: Arc<Tally>,
    worker: usize,
    #[expect(
        clippy::vec_box,
        reason = "connections come and go with every request; a pointer moves cheaper"
    )]
    idle: RefCell<Vec<Box<Http1>>>,
    pub(super) http2: RefCell<Option<SendRequest<Upload>>>,
    avoid_until: Cell<u32>,
    retired: Cell<bool>,
    gone: Notify,
}

impl Pool {
    pub(crate) fn new(backend: Backend, load: Arc<Load>, tally: Arc<Tally>, worker: usize) -> Self {
        Self {
            backend,
            load,
            tally,
            worker,
            idle: RefCell::default(),
            http2: RefCell::default(),
            avoid_until: Cell::new(0),
            retired: Cell::new(false),
            gone: Notify::new(),
        }
    }

    /// An idle connection that still works, and has rested for at most so many beats.
    pub(crate) fn take(&self, now: u32, rested: u32) -> Option<Box<Http1>> {
        loop {
            let connection = self.idle.borrow_mut().pop()?;
            if now.wrapping_sub(connection.idle_since) <= rested && connection.is_reusable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose exchange is over, where it can be used again.
    pub(crate) fn give_back(&self, mut connection: Box<Http1>, now: u32) {
        let mut idle = self.idle.borrow_mut();
        if !self.retired.get() && idle.len() < MOST_IDLE && connection.is_reusable() {
            connection.idle_since = now;
            idle.push(connection);
        }
    }

    /// Closes every idle connection: the backend has closed one behind our back.
    pub(crate) fn forget_idle(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Closes idle connections that rested too long or were closed by the backend; true where some are left.
    pub(crate) fn sweep(&self, now: u32) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| {
            now.wrapping_sub(connection.idle_since) <= IDLE_BEATS && connection.is_reusable()
        });
        !idle.is_empty()
    }

    /// Takes the backend out of service: idle connections close now, the others after their exchange.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.gone.notify_waiters();
        self.forget_idle();
        self.http2.borrow_mut().take();
    }

    /// Whether the backend has left the route table.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Waits until the backend has left the route table.
    pub(crate) async fn retirement(&self) {
        let gone = self.gone.notified();
        if !self.is_retired() {
            gone.await;
        }
    }

    /// Notes that the backend did not take a connection.
    pub(crate) fn avoid(&self, now: u32) {
        self.avoid_until.set(now.saturating_add(AVOID_BEATS));
    }

    /// Whether the backend failed just now.
    pub(crate) fn is_avoided(&self, now: u32) -> bool {
        self.avoid_until.get() > now
    }

    /// Counts bytes of a response body.
    pub(crate) fn went_out(&self, bytes: usize) {
        self.tally.went_out(self.worker, bytes as u64);
    }

    /// Counts bytes of a request body.
    pub(crate) fn came_in(&self, bytes: u64) {
        self.tally.came_in(self.worker, bytes);
    }

    /// Requests that this worker has open towards the backend.
    pub(crate) fn open_here(&self) -> u64 {
        self.load.of_worker(self.worker)
    }
}

/// A request, or an upgraded connection, that is counted until it is dropped.
pub(crate) struct InFlight {
    pool: Rc<Pool>,
    kind: Kind,
}

impl InFlight {
    pub(crate) fn begin(pool: Rc<Pool>, kind: Kind) -> Self {
        pool.load.begin(pool.worker, kind);
        Self { pool, kind }
    }

    /// The backend's counters, of all workers.
    pub(crate) fn load(&self) -> &Load {
        &self.pool.load
    }

    /// The backend's pool.
    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pool.load.end(self.pool.worker, self.kind);
    }
}
