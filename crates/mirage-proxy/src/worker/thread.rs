//! The life of a worker thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::client::{ClientOrder, Clients};
use super::handshakes::Handshakes;
use super::routes::Routes;
use super::waits::Waits;
use super::{BEAT, Settings, Stats, Worker, accept, beats, serve};
use crate::published::Published;
use crate::sockets::Door;

/// What a worker is told.
pub(crate) enum Order {
    /// Follow this table from now on, and say so.
    Publish(Arc<Published>, oneshot::Sender<()>),
    /// Accept connections here.
    Listen(Vec<Door>),
    /// Accept nothing more, finish what has begun, and end at the latest then.
    Leave(Leave),
}

/// How a worker ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave {
    /// When whatever is left is broken off.
    pub(crate) deadline: Instant,
    /// Whether somebody else serves the same address: then nobody is sent away, a connection that
    /// rests is told to go with its next response or when its time is over.
    pub(crate) succeeded: bool,
}

/// A running worker, seen from outside.
pub(crate) struct WorkerThread {
    orders: mpsc::UnboundedSender<Order>,
    pub(crate) stats: Arc<Stats>,
    ended: watch::Receiver<()>,
}

impl WorkerThread {
    /// Starts the thread.
    pub(crate) fn start(index: usize, settings: Arc<Settings>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (alive, ended) = watch::channel(());
        let stats = Arc::<Stats>::default();
        let runtime = Builder::new_current_thread;
        let told = stats.clone();
        thread::Builder::new().name(format!("proxy-{index}")).spawn(move || {
            let _alive = alive;
            match runtime().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let worker = Worker::new(index, settings, told);
                    runtime.block_on(worker.run(inbox));
                }
                Err(error) => tracing::error!(%error, "no event loop for a proxy worker"),
            }
        })?;
        Ok(Self { orders, stats, ended })
    }

    /// Gives an order. A worker that has ended hears nothing.
    pub(crate) fn tell(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Whether the worker was told to leave; it may have ended since.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stats.leaving.load(Relaxed)
    }

    /// Waits until the thread has ended.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

impl Worker {
    fn new(index: usize, settings: Arc<Settings>, stats: Arc<Stats>) -> Rc<Self> {
        let http1 = serve::http1(&settings.limits);
        let http2 = serve::http2(&settings.limits);
        Rc::new(Self {
            index,
            settings,
            stats,
            clients: Clients::default(),
            waits: Waits::default(),
            handshakes: Handshakes::default(),
            routes: RefCell::default(),
            changed: Notify::new(),
            pools: RefCell::new(HashMap::new()),
            beat: Cell::new(0),
            sweeping: Cell::new(false),
            http1,
            http2,
        })
    }

    async fn run(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let (leaving, seen) = watch::channel(false);
        while let Some(order) = inbox.recv().await {
            match order {
                Order::Publish(published, done) => self.follow(&published, done),
                Order::Listen(listeners) => self.listen(listeners, &seen),
                Order::Leave(leave) => {
                    self.say_goodbye(leave);
                    self.stats.leaving.store(true, Relaxed);
                    let _ = leaving.send(true);
                    return self.leave(leave, inbox).await;
                }
            }
        }
    }

    fn follow(&self, published: &Published, done: oneshot::Sender<()>) {
        let routes = Routes::new(published, self.index, &mut self.pools.borrow_mut());
        *self.routes.borrow_mut() = Rc::new(routes);
        self.changed.notify_waiters();
        let _ = done.send(());
    }

    fn listen(self: &Rc<Self>, doors: Vec<Door>, leaving: &watch::Receiver<bool>) {
        for Door { listener, tls, .. } in doors {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::task::spawn_local(accept::accept(self.clone(), listener, tls, leaving.clone()));
                }
                Err(error) => tracing::error!(%error, "cannot watch a listener"),
            }
        }
    }

    fn say_goodbye(&self, leave: Leave) {
        self.clients.tell_all(if leave.succeeded { ClientOrder::Last } else { ClientOrder::Close });
    }

    /// Finishes what has begun. Requests on connections that stay for a while follow new tables, and whoever leaves
    /// may be told to be gone sooner.
    async fn leave(self: Rc<Self>, leave: Leave, mut inbox: mpsc::UnboundedReceiver<Order>) {
        // The accept loops take their last connections first.
        tokio::task::yield_now().await;
        let mut deadline = leave.deadline;
        loop {
            tokio::select! {
                biased;
                _ = timeout_at(deadline, self.clients.all_gone()) => return,
                Some(order) = inbox.recv() => match order {
                    Order::Publish(published, done) => self.follow(&published, done),
                    Order::Leave(sooner) => {
                        deadline = deadline.min(sooner.deadline);
                        self.say_goodbye(sooner);
                    }
                    Order::Listen(_) => {}
                }
            }
        }
    }

    /// Starts looking at the time, where nobody does yet.
    pub(super) fn keep_time(self: &Rc<Self>) {
        if !self.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(self.clone()));
        }
    }
}

/// Once a beat: closes what has rested or dawdled too long. Ends when there is nothing to look at.
async fn sweep(worker: Rc<Worker>) {
    let head = beats(worker.limits().head_time);
    let idle = beats(worker.limits().idle_time);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.tick().await;
    loop {
        beat.tick().await;
        let now = worker.beat.get() + 1;
        worker.beat.set(now);
        worker.clients.sweep(now, head, idle);
        worker.waits.sweep(now);
        let mut pooled = false;
        for pool in worker.pools.borrow().values() {
            pooled |= pool.sweep(now);
        }
        if worker.clients.is_empty() && !pooled {
            worker.sweeping.set(false);
            return;
        }
    }
}
