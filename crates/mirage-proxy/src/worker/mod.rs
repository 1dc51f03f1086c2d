//! A worker thread: its own event loop, listeners, connections and route table. Nothing of a
//! request ever crosses to another thread.

mod accept;
mod client;
mod handshakes;
mod routes;
mod serve;
mod thread;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use mirage_core::Backend;
use tokio::sync::Notify;

use crate::backend::Pool;
use crate::config::Limits;
use crate::peers::PeerNetwork;
use crate::tls::Tls;

pub(crate) use client::{Busy, Clients, Seat};
use handshakes::Handshakes;
pub(crate) use routes::{RoutedService, Routes};
pub(crate) use serve::LocalExecutor;
pub(crate) use thread::{Leave, Order, WorkerThread};
use waits::Waits;

/// How often timeouts are looked at. Coarse, because a timer per request costs more than it is worth.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// The state of one worker thread.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) settings: Arc<Settings>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clients: Clients,
    waits: Waits,
    handshakes: Handshakes,
    routes: RefCell<Rc<Routes>>,
    changed: Notify,
    pools: RefCell<HashMap<Backend, Rc<Pool>>>,
    beat: Cell<u32>,
    sweeping: Cell<bool>,
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
}

/// What all workers are told at their start.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<PeerNetwork>,
    /// Most client connections of one worker.
    pub(crate) seats: usize,
    /// Certificates.
    pub(crate) tls: Arc<Tls>,
    /// The port at which TLS is spoken; `None` where it is not.
    pub(crate) tls_port: Option<u16>,
}

/// What a worker lets others see.
#[derive(Default)]
pub(crate) struct Stats {
    /// Client connections, upgraded ones included.
    pub(crate) connections: AtomicUsize,
    /// Requests that no service could be found for.
    pub(crate) unrouted: AtomicU64,
    /// Whether the worker has stopped accepting.
    pub(crate) leaving: AtomicBool,
}

impl Worker {
    /// The table in force.
    pub(crate) fn routes(&self) -> Rc<Routes> {
        self.routes.borrow().clone()
    }

    /// Waits for the next table. Whoever has this misses none that comes after.
    pub(crate) fn table_changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// The number of beats since the start; stands still while there is nothing to time.
    pub(crate) fn beat(&self) -> u32 {
        self.beat.get()
    }

    /// The shared limits.
    pub(crate) fn limits(&self) -> &Limits {
        &self.settings.limits
    }
}

/// A duration in beats, never less than one.
pub(crate) fn beats(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(BEAT.as_millis())).unwrap_or(u32::MAX).max(1)
}
