//! The local engine: containers on this machine, each in the care of a shim that outlives us.

mod adopt;
mod bundle;
mod doctor;
mod exec;
mod instance;
mod launch;
mod listening;
mod place;
mod stop;
mod supervise;
pub(crate) mod sweep;
mod usage;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::port::{Clock, ImageStore, InstanceEngine, LogReader, Progress, PullProgress};
use mirage_core::{
    Code, Error, ExecCommand, ExecOutcome, InstanceId, InstanceReport, InstanceSpec, InstanceUsage, Login,
    ResolvedImage, Result, ServiceId, Stock,
};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;

use crate::cgroup::Hierarchies;
use crate::finding::Finding;
use crate::logs::LogDirectory;
use crate::network::{Network, NetworkConfig, Subnet, require_root};
use instance::Instance;
use place::Places;

/// Containers that are on their way up at once: more of them only take turns on the processor and
/// on the kernel's locks, and make every single one late.
const STARTS_AT_ONCE: usize = 4;

/// How often the packet filter is looked at: reloading a firewall takes our rules away with its own.
const MEND_EVERY: Duration = Duration::from_secs(5);

/// What the local engine needs to know.
pub struct LocalConfig {
    /// Folder for what containers write (`writable/`) and for their logs (`logs/`), on an ordinary
    /// file system.
    pub data: PathBuf,
    /// Folder for what need not outlive a reboot: instances and network namespaces.
    pub run: PathBuf,
    /// Names this platform among others on the machine: 4 to 8 hexadecimal digits, unique per data
    /// folder.
    pub node: String,
    /// Addresses for all environments; `None` chooses a free block and remembers it.
    pub network: Option<Subnet>,
    /// How many network namespaces to keep ready.
    pub pool: usize,
    /// The images that are on this machine.
    pub images: Arc<dyn ImageStore>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How a shim is started: program and first arguments; the instance's folder is appended.
    pub shim: Vec<OsString>,
    /// How a runner of commands is started: program and arguments.
    pub exec: Vec<OsString>,
    /// An OCI runtime (`runc`, `crun`, `runsc`) to use instead of the built-in one.
    pub runtime: Option<PathBuf>,
}

/// The engine that runs containers on this machine.
pub struct LocalEngine {
    inner: Arc<Inner>,
    mending: AbortHandle,
}

/// What the engine's tasks share.
struct Inner {
    node: String,
    places: Places,
    network: Network,
    hierarchies: Hierarchies,
    images: Arc<dyn ImageStore>,
    clock: Arc<dyn Clock>,
    shim: Vec<OsString>,
    exec: Vec<OsString>,
    runtime: Option<PathBuf>,
    logs: LogDirectory,
    instances: Mutex<HashMap<InstanceId, Arc<Instance>>>,
    changed: Notify,
    starts: Semaphore,
}

impl LocalEngine {
    /// Opens the engine and takes up the instances of a previous life: those whose shims answer are
    /// connected to, of the others what is left is ended. To be called in a tokio runtime.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the machine lacks what containers need, `INTERNAL` where the
    /// folders cannot be used.
    pub async fn open(config: LocalConfig) -> Result<Self> {
        let opened = tokio::task::spawn_blocking(move || Inner::open(config)).await;
        let inner =
            Arc::new(opened.unwrap_or_else(|broken| Err(Error::internal("open the local engine", broken)))?);
        adopt::adopt(&inner).await?;
        let mending = tokio::spawn(mend(Arc::downgrade(&inner))).abort_handle();
        Ok(Self { inner, mending })
    }

    /// The networks of the environments.
    pub fn network(&self) -> &Network {
        &self.inner.network
    }

    /// What this machine means for containers, in the order in which a reader wants it. Blocks for a
    /// few milliseconds.
    pub fn doctor(&self) -> Vec<Finding> {
        doctor::findings(&self.inner)
    }

    /// Stops every instance and removes everything the engine made on this machine but the logs.
    ///
    /// # Errors
    /// The first thing that could not be removed; the others are.
    pub async fn teardown(&self, grace: Duration) -> Result<()> {
        self.mending.abort();
        stop::teardown(&self.inner, grace).await
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.mending.abort();
        for instance in self.inner.lock().values() {
            instance.let_go();
        }
    }
}

/// Looks after what other programs on the machine may take away.
async fn mend(engine: Weak<Inner>) {
    loop {
        tokio::time::sleep(MEND_EVERY).await;
        let Some(inner) = engine.upgrade() else { return };
        match blocking("look after the packet filter", move || inner.network.mend()).await.flatten() {
            Ok(false) => {}
            Ok(true) => tracing::warn!("somebody removed the rules that keep services apart; they are back"),
            Err(error) => tracing::error!(?error, "the packet filter could not be looked after"),
        }
    }
}

impl Inner {
    fn open(config: LocalConfig) -> Result<Self> {
        require_root()?;
        let places = Places::open(config.data, config.run)?;
        let network = Network::open(&NetworkConfig {
            node: config.node.clone(),
            run: places.run.clone(),
            subnet: config.network,
            pool: config.pool,
        })?;
        let hierarchies = Hierarchies::detect().map_err(|error| {
            Error::new(
                Code::TargetUnavailable,
                "this machine has no control groups mounted, which limit containers",
            )
            .hint("mount them: `mount -t cgroup2 none /sys/fs/cgroup`")
            .because(error)
        })?;
        Ok(Self {
            node: config.node,
            logs: LogDirectory::new(places.logs.clone()),
            places,
            network,
            hierarchies,
            images: config.images,
            clock: config.clock,
            shim: config.shim,
            exec: config.exec,
            runtime: config.runtime,
            instances: Mutex::default(),
            changed: Notify::new(),
            starts: Semaphore::new(STARTS_AT_ONCE),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: InstanceId) -> Option<Arc<Instance>> {
        self.lock().get(&id).cloned()
    }

    fn report(&self, instance: &Instance) -> InstanceReport {
        let view = instance.view();
        InstanceReport {
            id: instance.id,
            service: instance.service,
            deployment: instance.deployment,
            state: view.state,
            address: self.network.address(instance.id).map(IpAddr::V4),
            pid: view.pid,
        }
    }

    /// The name of an instance's control group.
    fn cgroup(&self, id: InstanceId) -> String {
        format!("/mirage-{}/{id}", self.node)
    }
}

#[async_trait]
impl InstanceEngine for LocalEngine {
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        self.inner.images.pull(image, login, progress).await
    }

    async fn is_present(&self, image: &ResolvedImage) -> bool {
        self.inner.images.is_present(image).await
    }

    async fn stock(&self, image: &ResolvedImage) -> Stock {
        self.inner.images.stock(image).await
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        launch::start(&self.inner, spec).await
    }

    async fn stop(&self, id: InstanceId, grace: Duration) -> Result<()> {
        stop::stop(&self.inner, id, grace).await
    }

    async fn list(&self) -> Result<Vec<InstanceReport>> {
        let instances: Vec<_> = self.inner.lock().values().cloned().collect();
        Ok(instances.iter().map(|instance| self.inner.report(instance)).collect())
    }

    async fn of_service(&self, service: ServiceId) -> Result<Vec<InstanceReport>> {
        let own: Vec<_> = self.inner.lock().values().filter(|it| it.service == service).cloned().collect();
        Ok(own.iter().map(|instance| self.inner.report(instance)).collect())
    }

    async fn get(&self, id: InstanceId) -> Result<Option<InstanceReport>> {
        Ok(self.inner.get(id).map(|instance| self.inner.report(&instance)))
    }

    async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    async fn listening(&self, id: InstanceId) -> Result<Vec<SocketAddr>> {
        match self.inner.get(id).and_then(|instance| instance.view().pid) {
            Some(pid) => listening::sockets(pid),
            None => Ok(Vec::new()),
        }
    }

    async fn exec(&self, id: InstanceId, command: &ExecCommand) -> Result<ExecOutcome> {
        exec::exec(&self.inner, id, command).await
    }

    async fn usage(&self, ids: &[InstanceId]) -> Result<Vec<InstanceUsage>> {
        let (inner, ids) = (self.inner.clone(), ids.to_vec());
        blocking("read what instances use", move || usage::of(&inner, &ids)).await?
    }

    fn resolver(&self, network: u16) -> Ipv4Addr {
        self.inner.network.resolver(network)
    }

    fn logs(&self) -> &dyn LogReader {
        &self.inner.logs
    }
}

/// An error of the system while doing something for an instance.
fn fault(doing: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::new(Code::DiskFull, format!("Mirage could not {doing}: the disk is full"))
                .hint("free some space, then deploy again: `df -h`")
                .because(error)
        }
        _ => Error::internal(doing, error),
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|broken| Error::internal(doing, broken))
}
