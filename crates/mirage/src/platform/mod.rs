//! The one place where the parts are joined into a platform.

mod backup;
mod gate;
mod images;
mod logins;
mod machine;
mod node;
mod options;
mod proxy;
mod token;
mod vault;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mirage_control::access::AdminToken;
use mirage_control::{Control, Pack, Ports, Settings};
use mirage_core::fault::pause;
use mirage_core::port::{Clock, ImageStore, InstanceEngine, Randomness, TraceSink};
use mirage_core::{Code, Error, Platform as ImagePlatform, RegistryHost, Result};
use mirage_engine::local::{LocalConfig, LocalEngine};
use mirage_engine::volume::LocalVolumes;
use mirage_oci::content::ContentStore;
use mirage_oci::registry::{
    OnPush, PullThrough, RegistryState, Repositories, UploadLimits, Uploads, drop_leftovers,
};
use mirage_store::{Store, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) use backup::{Key, RestoreOptions, Restored, restore};
pub(crate) use images::seed;
use machine::findings as machine_findings;
pub(crate) use node::{Node, lock_data_dir};
pub(crate) use options::{Acme, Authority, LETS_ENCRYPT, Mirror, PlatformOptions, Url, authority};
pub(crate) use token::admin_token;
use vault::vault_keys;

use crate::clock::{SystemClock, SystemRandomness};
use crate::otlp::Exporter;
use crate::systemd::Manager;

/// Network namespaces kept ready for the next starts.
const POOL: usize = 4;
/// How long services have to end by themselves when the whole platform stops.
const GRACE: Duration = Duration::from_secs(10);

/// A platform that runs: this process decides; the proxy and the shims are processes of their own.
pub(crate) struct Platform {
    control: Control,
    engine: Arc<LocalEngine>,
    store: mirage_oci::content::ContentStore,
    through: Option<PullThrough>,
    traces: Option<Arc<Exporter>>,
    run: PathBuf,
    api: JoinHandle<()>,
    housekeeping: Vec<JoinHandle<()>>,
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// Where services answer.
    pub(crate) proxy_listen: SocketAddr,
    /// Where they do over TLS, if they do.
    pub(crate) proxy_tls_listen: Option<SocketAddr>,
    _lock: nix::fcntl::Flock<std::fs::File>,
}

impl Platform {
    /// Opens the data folder, adopts what runs, and serves the API.
    pub(crate) async fn start(options: PlatformOptions) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Randomness> = Arc::new(SystemRandomness);
        // Each instance costs the control plane two, each request one.
        mirage_proxy::raise_file_limit();
        let node = Node::open(&options.data)?;
        let token = admin_token(&options.data, &*random)?;
        let listener = match &options.handed.api {
            Some(handed) => listener(handed)?,
            None => bind_patiently(options.listen).await?,
        };
        let listen =
            listener.local_addr().map_err(|error| Error::internal("read the address of the API", error))?;
        let store = Store::open(&options.data.join("mirage.db"), SystemClock.now()).await?;

        backup::forget_drafts(&options.data);
        let joined = images::join(&options, listen, &*random, restored_hosts(&store).await?)?;
        let packing = backup::Packing {
            data: options.data.clone(),
            store: store.clone(),
            content: joined.store.clone(),
            repositories: joined.repositories.clone(),
            images: joined.images.clone(),
            registry_hosts: joined.hosts.iter().cloned().collect(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let images: Arc<dyn ImageStore> = Arc::new(joined.images);
        let through = joined.client.pull_through();
        let engine = LocalEngine::open(LocalConfig {
            data: options.data.clone(),
            run: node.run.clone(),
            node: node.id(&store, &*random).await?,
            network: options.network,
            pool: POOL,
            images: Arc::clone(&images),
            clock: Arc::clone(&clock),
            shim: vec![PROGRAM.into(), "shim".into()],
            exec: vec![PROGRAM.into(), "exec".into()],
            runtime: options.runtime.clone(),
        });
        let engine = Arc::new(engine.await?);
        let wanted = proxy::Wanted {
            run: node.run.clone(),
            listen: options.proxy_listen,
            tls: options.proxy_tls_listen,
            handed: options.handed.clone(),
        };
        let router = proxy::start(&wanted).await?;
        let (proxy_listen, proxy_tls_listen) = (router.listen, router.tls);
        let machine = machine_findings(Arc::clone(&engine), joined.store.clone());
        let settings = Settings {
            platform: ImagePlatform::linux(std::env::consts::ARCH),
            base_domain: options.base_domain.clone(),
            proxy_port: proxy_listen.port(),
            proxy_tls_port: proxy_tls_listen.map(|address| address.port()),
            admin_token: AdminToken::new(&token),
            registry_hosts: joined.hosts,
            trusted_proxies: options.trusted_proxies.clone(),
            setup: options.setup(),
        };
        let traces = match &options.otlp_endpoint {
            Some(endpoint) => Some(Arc::new(Exporter::start(endpoint).await?)),
            None => None,
        };
        let ports = Ports {
            registry: Arc::new(joined.client),
            images,
            engine: Arc::clone(&engine) as Arc<dyn InstanceEngine>,
            volumes: Arc::new(LocalVolumes::open(&options.data)?),
            router: Arc::clone(&router.handle),
            authority: Arc::new(options.acme.clone()),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            machine,
            pack: Pack::new(move |wish, alone| Box::pin(backup::pack(packing.clone(), wish, alone))),
            traces: traces.clone().map(|traces| traces as Arc<dyn TraceSink>),
        };
        let vault = Vault::open(&store, vault_keys(&options.data), Arc::clone(&random)).await?;
        let control = Control::start(store, vault, ports, settings).await?;
        let repositories = joined.repositories.clone();
        if let Some(through) = &through {
            let actor = control.authenticate(&token)?;
            through.set_logins(Some(Arc::new(logins::SharedLogins::new(control.clone(), actor))));
        }
        let uploads = Uploads::new(UploadLimits::default(), clock, random);
        let registry = mirage_oci::registry::router(RegistryState {
            store: joined.store.clone(),
            repositories: joined.repositories.clone(),
            gate: Arc::new(gate::ControlGate::new(control.clone())),
            uploads: uploads.clone(),
            on_push: Some(follow_pushes(control.clone())),
            through: through.clone(),
        });
        let faces = mirage_api::router(control.clone()).merge(mirage_ui::router(control.clone()));
        let app = mirage_api::guarded_with_pages(faces.merge(registry), mirage_ui::refusal);
        let api = tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the API stopped");
            }
        });
        let catching_up = control.clone();
        let housekeeping = vec![
            tokio::spawn(async move { catching_up.catch_up().await }),
            tokio::spawn(expire_uploads(uploads)),
            tokio::spawn(forget_leftovers(control.clone(), joined.store.clone(), repositories)),
            tokio::spawn(proxy::keep(wanted, router, control.clone())),
        ];
        Ok(Self {
            control,
            engine,
            store: joined.store,
            through,
            traces,
            run: node.run,
            api,
            housekeeping,
            listen,
            proxy_listen,
            proxy_tls_listen,
            _lock: node.lock,
        })
    }

    /// Tells a service manager that this process is well, for as long as it is: its database answers. A proxy that does
    /// not is started again by this process, and ending it would help nobody. Never returns.
    pub(crate) async fn while_well(&self, manager: &Manager) {
        manager.while_well(async || self.control.alive().await).await;
    }

    /// Stops deciding. Containers and the proxy go on, and the next start adopts them.
    pub(crate) async fn stop(self) {
        self.api.abort();
        self.housekeeping.iter().for_each(JoinHandle::abort);
        forget_logins(self.through.as_ref());
        self.control.stop().await;
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
    }

    /// Stops everything a data folder's platform runs, without deciding anything.
    pub(crate) async fn tear_down(options: PlatformOptions) -> Result<()> {
        let random = SystemRandomness;
        let node = Node::open(&options.data)?;
        let store = Store::open(&options.data.join("mirage.db"), SystemClock.now()).await?;
        let joined = images::join(&options, options.listen, &random, Vec::new())?;
        proxy::shut_down(&node.run).await?;
        let engine = LocalEngine::open(LocalConfig {
            data: options.data.clone(),
            run: node.run.clone(),
            node: node.id(&store, &random).await?,
            network: None,
            pool: 0,
            images: Arc::new(joined.images),
            clock: Arc::new(SystemClock),
            shim: vec![PROGRAM.into(), "shim".into()],
            exec: vec![PROGRAM.into(), "exec".into()],
            runtime: options.runtime,
        });
        engine.await?.teardown(GRACE).await?;
        store.close().await;
        unmount(joined.store).await
    }

    /// Stops everything: services, proxy, networks, mounts. What is on disk stays.
    pub(crate) async fn down(self) -> Result<()> {
        let Self { control, engine, store, through, run, api, housekeeping, .. } = self;
        api.abort();
        housekeeping.iter().for_each(JoinHandle::abort);
        forget_logins(through.as_ref());
        control.stop().await;
        proxy::shut_down(&run).await?;
        engine.teardown(GRACE).await?;
        unmount(store).await
    }
}

/// The names that the built-in registry had where the backup was made that this database comes from.
async fn restored_hosts(store: &Store) -> Result<Vec<RegistryHost>> {
    let text = store.setting(backup::REGISTRY_HOSTS).await?;
    let hosts = text.map(|text| serde_json::from_str(&text)).transpose();
    hosts.map(Option::unwrap_or_default).map_err(|error| Error::internal("read a setting", error))
}

/// What pushes left behind that never finished is looked for this often.
const LEFTOVERS_EVERY: Duration = Duration::from_secs(3600);

async fn forget_leftovers(control: Control, store: ContentStore, repositories: Repositories) {
    loop {
        tokio::time::sleep(pause(LEFTOVERS_EVERY)).await;
        let (store, repositories) = (store.clone(), repositories.clone());
        let done = async move {
            let now = SystemClock.now();
            tokio::task::spawn_blocking(move || drop_leftovers(&store, &repositories, now)).await
        };
        // A pull reads what such a link leads to.
        match control.while_images_rest(done).await {
            None | Some(Ok(Ok(0)) | Err(_)) => {}
            Some(Ok(Ok(blobs))) => tracing::info!(blobs, "registry: leftovers of pushes were removed"),
            Some(Ok(Err(error))) => {
                tracing::error!(?error, "registry: leftovers of pushes could not be removed")
            }
        }
    }
}

/// Hands each push to control, which the client does not wait for.
fn follow_pushes(control: Control) -> OnPush {
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |repository, tag, _| {
        let (control, repository, tag) = (control.clone(), repository.clone(), tag.clone());
        runtime.spawn(async move { control.pushed(&repository, &tag).await });
    })
}

/// Control has the client, which has this: whoever does not let go keeps all of it.
fn forget_logins(through: Option<&PullThrough>) {
    if let Some(through) = through {
        through.set_logins(None);
    }
}

async fn unmount(store: mirage_oci::content::ContentStore) -> Result<()> {
    tokio::task::spawn_blocking(move || store.unmount_all())
        .await
        .map_err(|error| Error::internal("unmount the layers", error))?
}

/// Uploads that nobody goes on with are looked for this often.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

async fn expire_uploads(uploads: Uploads) {
    loop {
        tokio::time::sleep(pause(EXPIRE_EVERY)).await;
        uploads.expire();
    }
}

/// This binary, for the processes that are roles of it. It is the very file that runs, also where an
/// upgrade has put another one in its place or taken it away.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// The address of a control plane that was killed a moment ago is free a moment later.
async fn bind_patiently(address: SocketAddr) -> Result<TcpListener> {
    let start = std::time::Instant::now();
    while let Err(error) = TcpListener::bind(address).await
        && error.kind() == std::io::ErrorKind::AddrInUse
        && start.elapsed() < node::PATIENCE
    {
        tokio::time::sleep(node::PAUSE).await;
    }
    bind(address, "listen", "the API").await
}

/// A socket that somebody else goes on to hold.
fn listener(handed: &std::net::TcpListener) -> Result<TcpListener> {
    let copy = handed.try_clone().and_then(TcpListener::from_std);
    copy.map_err(|error| Error::internal("use the socket that was handed over", error))
}

pub(crate) async fn bind(address: SocketAddr, option: &str, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::new(Code::Conflict, format!("{what} cannot listen on `{address}`: {}", plain(&error)))
            .hint(format!("choose another address with `--{option}`"))
    })
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "the address is in use".into(),
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have the address".into(),
        std::io::ErrorKind::PermissionDenied => "ports below 1024 need more rights".into(),
        _ => error.to_string(),
    }
}
