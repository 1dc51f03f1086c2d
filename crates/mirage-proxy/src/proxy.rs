//! The proxy process as a whole: what the control socket's commands do.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use mirage_core::fault::point;
use mirage_core::{
    Backend, CertificateSet, Code, Error, InstanceId, ProcessTraffic, ProxyProcess, Result, RouteTable,
    ServiceId, ServiceTraffic, TrafficMark,
};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::Instant;

use crate::control::{
    Inheritance, Lifeline, Predecessor, Predecessors, SUCCESSION_MESSAGE, SocketUse, Status, sweep,
};
use crate::load::{Load, Open};
use crate::names::Names;
use crate::published::Published;
use crate::record;
use crate::sockets::Door;
use crate::tls::Tls;
use crate::worker::{Leave, Order, WorkerThread};

/// How long it may take to count what is open at the end.
const COUNTING: Duration = Duration::from_secs(1);

/// The state of the process, on its control thread.
pub(crate) struct Proxy {
    run: PathBuf,
    socket: String,
    linger: Duration,
    process: ProxyProcess,
    workers: Vec<WorkerThread>,
    names: Names,
    tls: Arc<Tls>,
    table: Mutex<Table>,
    /// Copies of the listeners, for a successor.
    listeners: RefCell<Vec<Door>>,
    predecessors: Predecessors,
    handing_over: Rc<Cell<bool>>,
    ended: watch::Sender<bool>,
}

struct Table {
    published: Arc<Published>,
    /// Counters of all backends that are in the table or still have something open.
    loads: HashMap<Backend, Arc<Load>>,
    /// How often the counts of services were read.
    mark: u64,
    /// For each service, the sum of its numbers when they were last read, and the mark at which that changed.
    read: HashMap<ServiceId, (u64, u64)>,
}

impl Table {
    /// The counters of an instance, one for each of its addresses that is or was routed.
    fn loads_of(&self, instance: InstanceId) -> Vec<Arc<Load>> {
        let own = self.loads.iter().filter(|(backend, _)| backend.instance == instance);
        own.map(|(_, load)| load.clone()).collect()
    }
}

/// A hand-over that has begun. Dropped before it is finished, it never happened.
pub(crate) struct HandOver {
    pub(crate) inheritance: Inheritance,
    pub(crate) descriptors: Vec<OwnedFd>,
    flag: Rc<Cell<bool>>,
    finished: bool,
}

/// What a proxy is made of.
pub(crate) struct Parts {
    pub(crate) run: PathBuf,
    pub(crate) socket: String,
    /// Tells this process from every other one that counts.
    pub(crate) nonce: u64,
    pub(crate) linger: Duration,
    pub(crate) workers: Vec<WorkerThread>,
    pub(crate) names: Names,
    pub(crate) tls: Arc<Tls>,
    pub(crate) listeners: Vec<Door>,
}

impl Proxy {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let Parts { run, socket, nonce, linger, workers, names, tls, listeners } = parts;
        let empty = Published::new(RouteTable::default(), &HashMap::new(), &HashMap::new(), workers.len());
        let published = Arc::new(empty);
        let process = ProxyProcess { pid: std::process::id(), nonce };
        Rc::new(Self {
            run,
            socket,
            linger,
            process,
            workers,
            names,
            tls,
            table: Mutex::new(Table { published, loads: HashMap::new(), mark: 0, read: HashMap::new() }),
            listeners: RefCell::new(listeners),
            predecessors: Predecessors::default(),
            handing_over: Rc::default(),
            ended: watch::channel(false).0,
        })
    }

    /// Puts a table in force, here and in processes that this one has replaced, and keeps it for
    /// the next start.
    pub(crate) async fn publish(self: &Rc<Self>, table: RouteTable, new_epoch: bool) -> Result<()> {
        let mut current = self.table.lock().await;
        if self.handing_over.get() {
            return Err(Error::new(Code::Conflict, SUCCESSION_MESSAGE).hint("ask again in a moment"));
        }
        let in_force = current.published.table.generation;
        if table.generation < in_force && !new_epoch {
            let message =
                format!("route table `{}` is older than `{in_force}`, which is in force", table.generation);
            return Err(Error::new(Code::Conflict, message).hint("publish a table with a higher generation"));
        }
        point("proxy/publish")?;
        self.put_in_force(&mut current, table).await?;
        point("proxy/keep")?;
        if let Err(error) = record::write_routes(&self.run, &current.published.table) {
            // Routing goes on; only a restart would not know the table.
            tracing::warn!(%error, "cannot keep the route table on disk");
        }
        Ok(())
    }

    /// Puts a table in force without keeping it: the successor does.
    pub(crate) async fn follow(self: &Rc<Self>, table: RouteTable) -> Result<()> {
        let mut current = self.table.lock().await;
        self.put_in_force(&mut current, table).await
    }

    /// Serves TLS with exactly these certificates from now on. A process that this one has replaced keeps its own for
    /// the connections that it still has: it accepts no others.
    pub(crate) async fn install(&self, certificates: CertificateSet) -> Result<()> {
        let _in_turn = self.table.lock().await;
        if self.handing_over.get() {
            return Err(Error::new(Code::Conflict, SUCCESSION_MESSAGE).hint("ask again in a moment"));
        }
        point("proxy/certify")?;
        self.tls.install(certificates);
        point("proxy/certified")
    }

    /// Tells WebSockets to close, and waits until nothing is open towards an instance, here and in processes that
    /// this one has replaced.
    pub(crate) async fn drain(&self, instance: InstanceId, limit: Duration) -> Open {
        let loads = self.table.lock().await.loads_of(instance);
        let here = async {
            let deadline = Instant::now() + limit;
            let mut open = Open::default();
            loads.iter().for_each(|load| load.say_goodbye());
            for load in loads {
                open += load.drained(deadline.saturating_duration_since(Instant::now())).await;
            }
            open
        };
        let (mut open, before) = tokio::join!(here, self.predecessors.drain(instance, limit));
        open += before;
        open
    }

    /// The table in force.
    pub(crate) async fn table(&self) -> RouteTable {
        self.table.lock().await.published.table.clone()
    }

    pub(crate) async fn status(&self) -> Status {
        let current = self.table.lock().await;
        let mut open = Open::default();
        current.loads.values().for_each(|load| open += load.open());
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: self.addresses(false),
            listen_tls: self.addresses(true),
            generation: current.published.table.generation,
            connections: self.connections(),
            open,
            unbound_zones: self.names.unbound(),
            has_predecessor: !self.predecessors.is_empty(),
        }
    }

    /// What was counted since these marks, here and in processes that this one has replaced.
    pub(crate) async fn traffic(self: &Rc<Self>, after: &[TrafficMark]) -> Vec<ProcessTraffic> {
        let mut all = self.predecessors.traffic(after).await;
        self.set_stuck_aside();
        let unrouted = self.workers.iter().map(|worker| worker.stats.unrouted.load(Relaxed)).sum();
        let (mark, services) = self.table.lock().await.changed(self.mark_in(after));
        let connections = self.connections();
        all.push(ProcessTraffic { process: self.process, mark, connections, unrouted, services });
        all
    }

    fn mark_in(&self, after: &[TrafficMark]) -> u64 {
        after.iter().find(|mark| mark.process == self.process).map_or(0, |mark| mark.mark)
    }

    fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.connections.load(Relaxed) as u64).sum()
    }

    /// Where it accepts connections, over TLS or without.
    pub(crate) fn addresses(&self, tls: bool) -> Vec<SocketAddr> {
        let doors = self.listeners.borrow();
        let mut addresses: Vec<SocketAddr> =
            doors.iter().filter(|door| door.tls == tls).map(|door| door.address).collect();
        addresses.dedup();
        addresses
    }

    /// Starts a hand-over: the table is frozen until it is finished or dropped.
    pub(crate) async fn hand_over(&self) -> Result<HandOver> {
        let current = self.table.lock().await;
        if self.handing_over.replace(true) {
            return Err(Error::new(Code::Conflict, SUCCESSION_MESSAGE));
        }
        let mut sockets = Vec::new();
        let mut descriptors = Vec::new();
        for Door { address, tls, listener } in &*self.listeners.borrow() {
            if let Ok(copy) = listener.as_fd().try_clone_to_owned() {
                sockets.push(if *tls {
                    SocketUse::ServicesTls(*address)
                } else {
                    SocketUse::Services(*address)
                });
                descriptors.push(copy);
            }
        }
        for (purpose, copy) in self.names.copies() {
            sockets.push(purpose);
            descriptors.push(copy);
        }
        let table = current.published.table.clone();
        let certificates = self.tls.set().into();
        let inheritance = Inheritance { sockets, table, certificates, socket: self.socket.clone() };
        Ok(HandOver { inheritance, descriptors, flag: self.handing_over.clone(), finished: false })
    }

    /// Leaves new connections and questions to the successor, goes on with the old ones, then ends. Where the successor
    /// `adopts` them, the processes before are its own to look after.
    pub(crate) fn retire(self: &Rc<Self>, adopts: bool) {
        if adopts {
            self.predecessors.forget();
        }
        self.names.close();
        let this = self.clone();
        let leave = Leave { deadline: Instant::now() + self.linger, succeeded: true };
        self.leave(leave);
        tokio::task::spawn_local(async move {
            this.workers_ended().await;
            this.names.settled().await;
            this.end();
        });
    }

    /// Accepts nothing more and waits until what has begun is finished, or the time is over, here and in processes that
    /// this one has replaced; answers with what was broken off.
    pub(crate) async fn stop(&self, limit: Duration, succeeded: bool) -> Open {
        self.names.close();
        self.leave(Leave { deadline: Instant::now() + limit + COUNTING, succeeded });
        let still_open = async {
            tokio::time::sleep(limit).await;
            // Counted before it is broken off, not while that goes on.
            let open = self.status().await.open;
            self.leave(Leave { deadline: Instant::now(), succeeded });
            open
        };
        let here = async {
            tokio::select! {
                biased;
                () = self.workers_ended() => Open::default(),
                open = still_open => {
                    self.workers_ended().await;
                    open
                }
            }
        };
        let (mut open, before) = tokio::join!(here, self.predecessors.shutdown(limit));
        open += before;
        open
    }

    /// Ends the process.
    pub(crate) fn end(&self) {
        let _ = self.ended.send(true);
    }

    /// Waits until the process is to end.
    pub(crate) async fn until_ended(&self) {
        let mut ended = self.ended.subscribe();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Waits until a worker has ended though nobody told it to.
    pub(crate) async fn a_worker_died(&self) {
        let all = self.workers.iter().map(|worker| Box::pin(worker.ended()));
        futures_util::future::select_all(all).await;
        if self.workers.iter().any(WorkerThread::is_leaving) {
            std::future::pending::<()>().await;
        }
    }

    /// Starts accepting.
    pub(crate) fn listen(&self, shares: Vec<Vec<Door>>) {
        for (worker, share) in self.workers.iter().zip(shares) {
            worker.tell(Order::Listen(share));
        }
    }

    /// From now on tables and drains concern a process before as well.
    pub(crate) fn succeed(&self, predecessor: Rc<Predecessor>) {
        self.predecessors.add(predecessor);
    }

    /// Forgets a process before when it has ended, and takes away what it has left in the folder where it was killed.
    pub(crate) fn outlive(self: &Rc<Self>, predecessor: Rc<Predecessor>, line: Option<Lifeline>) {
        let this = self.clone();
        tokio::task::spawn_local(async move {
            predecessor.ended(line).await;
            this.predecessors.remove(&predecessor);
            sweep(&this.run).await;
        });
    }

    /// Waits no longer for those before that do not answer. One that moves again has the table in force before anything
    /// else is asked of it.
    fn set_stuck_aside(self: &Rc<Self>) {
        for stuck in self.predecessors.take_stuck() {
            tracing::warn!("a proxy before this one does not answer; it is not waited for");
            let this = self.clone();
            tokio::task::spawn_local(async move {
                while stuck.moves_again().await {
                    let current = this.table.lock().await;
                    if stuck.follow(&current.published.table).await {
                        return this.succeed(stuck);
                    }
                }
            });
        }
    }

    /// Brings a table to every thread, and to the processes before at the same time: one of those that is stuck keeps
    /// nobody here waiting.
    async fn put_in_force(self: &Rc<Self>, current: &mut Table, table: RouteTable) -> Result<()> {
        let before = &current.published.tallies;
        let published = Arc::new(Published::new(table, &current.loads, before, self.workers.len()));
        let (here, ()) =
            tokio::join!(self.route(current, &published), self.predecessors.follow(&published.table));
        self.set_stuck_aside();
        here
    }

    async fn route(&self, current: &mut Table, published: &Arc<Published>) -> Result<()> {
        current.read.retain(|service, _| published.tallies.contains_key(service));
        current.loads.extend(published.loads.iter().map(|(backend, load)| (backend.clone(), load.clone())));
        self.names.follow(&published.table.zones);
        let mut waiting = Vec::new();
        for worker in &self.workers {
            let (done, followed) = oneshot::channel();
            worker.tell(Order::Publish(published.clone(), done));
            waiting.push((worker, followed));
        }
        for (worker, followed) in waiting {
            match followed.await {
                Err(error) if !worker.is_leaving() => {
                    return Err(Error::internal("bring the route table to every thread", error));
                }
                _ => {}
            }
        }
        // Only now does nobody begin a request on a backend that has left the table. Before, one that
        // had just begun would be counted where nobody looks, and its instance stopped under it.
        let kept = &published.loads;
        current.loads.retain(|backend, load| kept.contains_key(backend) || load.open().total() > 0);
        current.published = published.clone();
        Ok(())
    }

    fn leave(&self, leave: Leave) {
        self.listeners.borrow_mut().clear();
        for worker in &self.workers {
            worker.tell(Order::Leave(leave));
        }
    }

    async fn workers_ended(&self) {
        for worker in &self.workers {
            worker.ended().await;
        }
    }
}

impl Table {
    /// Reads the counts of all services, and answers with those that have changed after a mark.
    fn changed(&mut self, after: u64) -> (u64, Vec<ServiceTraffic>) {
        self.mark += 1;
        let mut changed = Vec::new();
        for (service, tally) in &self.published.tallies {
            let counts = tally.counts();
            let sum = counts.numbers().fold(0, u64::wrapping_add);
            let (known, since) = self.read.entry(*service).or_default();
            if *known != sum {
                (*known, *since) = (sum, self.mark);
            }
            if *since > after {
                changed.push(ServiceTraffic { service: *service, counts });
            }
        }
        (self.mark, changed)
    }
}

impl HandOver {
    /// The successor has everything.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if !self.finished {
            self.flag.set(false);
        }
    }
}
