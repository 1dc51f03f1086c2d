//! Client connections of one worker: what is known of each, and the limits on their time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use tokio::sync::Notify;

use super::Worker;
use crate::forward::Origin;

/// All client connections of a worker.
#[derive(Default)]
pub(crate) struct Clients {
    seated: RefCell<HashMap<u64, Rc<Client>>>,
    taken: Cell<usize>,
    next: Cell<u64>,
    newcomers: Cell<ClientOrder>,
    left: Notify,
}

/// One client connection.
pub(crate) struct Client {
    /// What is said about the client to backends.
    pub(crate) origin: Origin,
    /// Set by the socket when bytes come in.
    pub(super) heard: Arc<AtomicBool>,
    busy: Cell<u32>,
    quiet_since: Cell<u32>,
    head_since: Cell<Option<u32>>,
    is_http2: Cell<bool>,
    order: Cell<ClientOrder>,
    waker: RefCell<Option<Waker>>,
}

/// What a connection has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClientOrder {
    /// Go on.
    #[default]
    Stay,
    /// The next response is the last: a client that is waiting loses nothing.
    Last,
    /// Close as soon as nothing is under way.
    Close,
    /// Close now.
    Abort,
}

/// A place that a connection holds until it is closed, upgrades included.
pub(crate) struct Seat {
    pub(crate) worker: Rc<Worker>,
    pub(crate) client: Rc<Client>,
    id: u64,
}

/// A client has a request under way until this is dropped.
pub(crate) struct Busy {
    seat: Rc<Seat>,
}

impl Seat {
    /// Takes a place for a new connection.
    pub(super) fn take(worker: &Rc<Worker>, peer: SocketAddr, port: u16, tls: bool) -> Rc<Self> {
        let trusted = is_trusted(worker, peer.ip());
        let client = Rc::new(Client {
            origin: Origin::new(peer.ip(), port, trusted, tls),
            heard: Arc::default(),
            busy: Cell::new(0),
            quiet_since: Cell::new(worker.beat()),
            head_since: Cell::new(Some(worker.beat())),
            is_http2: Cell::new(false),
            order: Cell::new(worker.clients.newcomers.get()),
            waker: RefCell::default(),
        });
        let clients = &worker.clients;
        let id = clients.next.get();
        clients.next.set(id + 1);
        clients.taken.set(clients.taken.get() + 1);
        clients.seated.borrow_mut().insert(id, client.clone());
        worker.stats.connections.fetch_add(1, Relaxed);
        Rc::new(Self { worker: worker.clone(), client, id })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let clients = &self.worker.clients;
        clients.seated.borrow_mut().remove(&self.id);
        clients.taken.set(clients.taken.get() - 1);
        clients.left.notify_waiters();
        self.worker.stats.connections.fetch_sub(1, Relaxed);
    }
}

impl Busy {
    /// Marks the start of a request.
    pub(crate) fn begin(seat: Rc<Seat>) -> Self {
        let client = &seat.client;
        client.busy.set(client.busy.get() + 1);
        client.heard.store(false, Relaxed);
        client.head_since.set(None);
        Self { seat }
    }

    /// The connection.
    pub(crate) fn seat(&self) -> &Rc<Seat> {
        &self.seat
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let client = &self.seat.client;
        client.busy.set(client.busy.get() - 1);
        client.heard.store(false, Relaxed);
        client.quiet_since.set(self.seat.worker.beat());
    }
}

impl Client {
    /// Whether the response that is about to start is the connection's last.
    pub(crate) fn is_last(&self) -> bool {
        self.order.get() >= ClientOrder::Last
    }

    pub(super) fn order(&self) -> ClientOrder {
        self.order.get()
    }

    /// Notes which task to wake for an order.
    pub(super) fn attend(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    pub(super) fn tell(&self, order: ClientOrder) {
        if order > self.order.get() {
            self.order.set(order);
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// The connection speaks HTTP/2: bytes on it need not be the beginning of a request.
    pub(super) fn set_http2(&self) {
        self.is_http2.set(true);
        self.head_since.set(None);
    }

    /// The handshake is over: from now on the first request is waited for.
    pub(super) fn expect_head(&self, now: u32) {
        self.quiet_since.set(now);
        self.head_since.set(Some(now));
    }

    /// Applies the limits of time; called once a beat.
    fn check(&self, now: u32, head_beats: u32, idle_beats: u32) {
        if self.busy.get() > 0 {
            return;
        }
        let rested = now.wrapping_sub(self.quiet_since.get());
        if self.is_http2.get() {
            match rested {
                _ if rested > idle_beats.saturating_add(head_beats) => self.tell(ClientOrder::Abort),
                _ if rested > idle_beats => self.tell(ClientOrder::Close),
                _ => {}
            }
            return;
        }
        if self.head_since.get().is_none() && self.heard.load(Relaxed) {
            self.head_since.set(Some(now));
        }
        match self.head_since.get() {
            Some(since) if now.wrapping_sub(since) > head_beats => self.tell(ClientOrder::Abort),
            None if rested > idle_beats => self.tell(ClientOrder::Close),
            _ => {}
        }
    }
}

impl Clients {
    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.get() == 0
    }

    /// Applies the limits of time to everybody.
    pub(super) fn sweep(&self, now: u32, head_beats: u32, idle_beats: u32) {
        for client in self.seated.borrow().values() {
            client.check(now, head_beats, idle_beats);
        }
    }

    /// Gives everybody an order. Who comes later is still served once.
    pub(super) fn tell_all(&self, order: ClientOrder) {
        self.newcomers.set(ClientOrder::Last);
        for client in self.seated.borrow().values() {
            client.tell(order);
        }
    }

    /// Waits until there is room for one more. Where there is none, the connection that has rested
    /// longest has to go, as nginx does it.
    pub(super) async fn room(&self, seats: usize) {
        while self.taken.get() >= seats {
            let left = self.left.notified();
            self.close_longest_idle();
            left.await;
        }
    }

    /// Waits until everybody has gone.
    pub(super) async fn all_gone(&self) {
        while !self.is_empty() {
            self.left.notified().await;
        }
    }

    fn close_longest_idle(&self) {
        let seated = self.seated.borrow();
        let idle =
            seated.values().filter(|client| client.busy.get() == 0 && client.head_since.get().is_none());
        if let Some(client) = idle.min_by_key(|client| client.quiet_since.get()) {
            client.tell(ClientOrder::Close);
        }
    }
}

fn is_trusted(worker: &Worker, peer: IpAddr) -> bool {
    worker.settings.trusted.iter().any(|network| network.contains(peer))
}
