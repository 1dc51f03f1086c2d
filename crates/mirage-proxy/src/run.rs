//! The proxy process from its start to its end.

use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{MOST_WORKERS, ProxyConfig};
use crate::control::{self, ControlSocket, InheritedSocket, Predecessor, SocketUse, Succession};
use crate::names::Names;
use crate::proxy::{Parts, Proxy};
use crate::record::{self, ProxyRecord};
use crate::sockets::{self, Door};
use crate::tls::Tls;
use crate::worker::{Settings, WorkerThread};

/// Open files that are not connections.
const OTHER_FILES: u64 = 256;

/// Runs the proxy until it is told to end, by its control socket or by `SIGTERM`.
///
/// Where a proxy already runs in the same folder, this one takes over from it: no connection is
/// refused or reset in between, and the old process ends when its requests have.
///
/// # Errors
///
/// `TARGET_UNAVAILABLE` where an address cannot be listened on or the folder cannot be used;
/// `CONFLICT` where a running proxy does not hand over.
pub fn run(config: ProxyConfig) -> Result<()> {
    // It was executed by a path that names it something else.
    let _ = nix::sys::prctl::set_name(c"mirage");
    stay_small();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|error| Error::internal("start the proxy", error))?;
    runtime.block_on(async {
        let signals = Signals::watch()?;
        let (proxy, _socket) = start(config).await?;
        tokio::select! {
            () = proxy.until_ended() => Ok(()),
            () = terminated(&proxy, signals) => Ok(()),
            () = proxy.a_worker_died() => {
                Err(Error::internal("keep the proxy running", anyhow::anyhow!("a worker thread has ended")))
            }
        }
    })
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> Result<Self> {
        let watch = |kind| signal(kind).map_err(|error| Error::internal("watch for signals", error));
        Ok(Self { terminate: watch(SignalKind::terminate())?, interrupt: watch(SignalKind::interrupt())? })
    }
}

/// Waits for a signal to end, and then for what has begun.
async fn terminated(proxy: &Proxy, mut signals: Signals) {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    proxy.stop(std::time::Duration::from_secs(10), false).await;
}

/// Whether a proxy could listen at this address, for whoever is about to start one: a sentence now
/// is better than a process that ends.
///
/// # Errors
///
/// `TARGET_UNAVAILABLE` where the address is taken, is none of this machine, or needs more rights.
pub fn check_address(address: SocketAddr) -> Result<()> {
    sockets::claim(address).map_err(|error| cannot_listen(address, error))
}

async fn start(config: ProxyConfig) -> Result<(Rc<Proxy>, ControlSocket)> {
    let folder = |error| unusable(&config, error);
    DirBuilder::new().recursive(true).mode(0o700).create(&config.run).map_err(folder)?;
    let files = raise_file_limit();
    let (mut succession, others) = control::take_over(&config.run).await?;
    let inherited = succession.as_mut().map(|it| std::mem::take(&mut it.sockets)).unwrap_or_default();
    let table = succession.as_ref().map_or_else(|| record::read_routes(&config.run), |it| it.table.clone());

    let count = worker_count(&config);
    let (services, names): (Vec<_>, Vec<_>) = inherited
        .into_iter()
        .partition(|socket| matches!(socket.purpose, SocketUse::Services(_) | SocketUse::ServicesTls(_)));
    let listeners = listeners(&config, services, count)?;
    let tls = Arc::new(Tls::new()?);
    if let Some(succession) = &succession {
        tls.install(succession.certificates.clone());
    }
    let tls_port = listeners.iter().find(|door| door.tls).map(|door| door.address.port());
    let [a, b, c, d, e, f, g, h, name @ ..] = config.randomness.bytes16();
    let socket_name = format!("proxy-{}.sock", hex(&name[..6]));
    let (socket, inbox) = ControlSocket::bind(&config.run, socket_name.clone()).map_err(folder)?;
    let proxy = Proxy::new(Parts {
        run: config.run.clone(),
        socket: socket_name,
        nonce: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        linger: config.limits.linger,
        workers: workers(&config, count, files, &tls, tls_port)?,
        names: Names::new(config.names.clone(), config.randomness.clone(), names),
        tls,
        listeners: copies(&listeners)?,
    });
    proxy.follow(table).await?;
    let record = ProxyRecord::of_this_process(proxy.addresses(false), proxy.addresses(true));
    let record = record.draft(&config.run).map_err(folder)?;
    let before = succession.as_ref().map(|it| Predecessor::new(&config.run, &it.socket));
    before.iter().for_each(|before| proxy.succeed(before.clone()));
    for other in others {
        let lingers = Predecessor::new(&config.run, &other.name);
        proxy.succeed(lingers.clone());
        proxy.outlive(lingers, other.line);
    }
    point_io("proxy/charge").and_then(|()| socket.take_charge()).map_err(folder)?;
    // Nothing fails from here on: whoever is accepted has to be answered, and the process before is about to end.
    if let Err(error) = point_io("proxy/record").and_then(|()| record.put_in_place()) {
        tracing::warn!(%error, "the record of the process stays that of another one");
    }
    tokio::task::spawn_local(control::serve(proxy.clone(), inbox));
    proxy.listen(shares(listeners, count));
    if let (Some(succession), Some(before)) = (succession, before) {
        relieve(&proxy, succession, before).await;
    }
    control::sweep(&config.run).await;
    tracing::info!(listen = ?proxy.addresses(false), tls = ?proxy.addresses(true), run = %config.run.display(), "the proxy serves");
    Ok((proxy, socket))
}

/// Tells the process before to accept nothing more. One that does not answer in time has not ended: what it was told
/// waits for it, and it follows the tables of this one as soon as it moves again.
async fn relieve(proxy: &Rc<Proxy>, succession: Succession, before: Rc<Predecessor>) {
    let this = proxy.clone();
    let mut retiring = tokio::task::spawn_local(async move {
        let line = succession.retire_predecessor().await;
        if let Err(error) = &line {
            tracing::warn!(?error, "the proxy before this one does not say that it retires");
        }
        this.outlive(before, line.ok());
    });
    if tokio::time::timeout(control::STEP, &mut retiring).await.is_err() {
        tracing::warn!("the proxy before this one is silent; it is told to retire when it moves again");
    }
}

/// Deals the listeners out to the workers.
fn shares(listeners: Vec<Door>, count: usize) -> Vec<Vec<Door>> {
    let mut shares: Vec<Vec<Door>> = (0..count).map(|_| Vec::new()).collect();
    for (turn, listener) in listeners.into_iter().enumerate() {
        shares[turn % count].push(listener);
    }
    shares
}

/// One listener per worker and address: those of the process before and those that were handed over, and as many new
/// ones as lack.
fn listeners(config: &ProxyConfig, inherited: Vec<InheritedSocket>, count: usize) -> Result<Vec<Door>> {
    let mut inherited: Vec<Door> = inherited
        .into_iter()
        .filter_map(|socket| {
            let (address, tls) = match socket.purpose {
                SocketUse::Services(address) => (address, false),
                SocketUse::ServicesTls(address) => (address, true),
                _ => return None,
            };
            Some(Door { address, tls, listener: TcpListener::from(socket.descriptor) })
        })
        .collect();
    let mut listeners = Vec::new();
    let plain = config.listen.iter().map(|address| (*address, false));
    for (address, tls) in plain.chain(config.listen_tls.iter().map(|address| (*address, true))) {
        let (mut of_address, rest): (Vec<_>, Vec<_>) =
            inherited.into_iter().partition(|door| door.address == address && door.tls == tls);
        inherited = rest;
        let cannot = |error| cannot_listen(address, error);
        for handed in &config.handed {
            let is_here = handed.local_addr().is_ok_and(|bound| bound == address);
            if is_here && !of_address.iter().any(|door| sockets::are_one(&door.listener, handed)) {
                handed.set_nonblocking(true).map_err(cannot)?;
                let listener = handed.try_clone().map_err(cannot)?;
                of_address.push(Door { address, tls, listener });
            }
        }
        if of_address.is_empty() {
            for listener in sockets::listeners(address, count).map_err(cannot)? {
                let address = listener.local_addr().map_err(cannot)?;
                listeners.push(Door { address, tls, listener });
            }
            continue;
        }
        for turn in of_address.len()..count {
            let beside = &of_address[turn % of_address.len()].listener;
            let listener = sockets::another(beside).map_err(cannot)?;
            of_address.push(Door { address, tls, listener });
        }
        listeners.extend(of_address);
    }
    Ok(listeners)
}

fn copies(listeners: &[Door]) -> Result<Vec<Door>> {
    listeners
        .iter()
        .map(Door::try_clone)
        .collect::<io::Result<_>>()
        .map_err(|error| Error::internal("copy a listener", error))
}

fn workers(
    config: &ProxyConfig,
    count: usize,
    files: u64,
    tls: &Arc<Tls>,
    tls_port: Option<u16>,
) -> Result<Vec<WorkerThread>> {
    // A request holds two connections, the client's and the backend's.
    let most = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX);
    let seats = (config.limits.connections.min(most) / count).max(1);
    let settings = Arc::new(Settings {
        limits: config.limits.clone(),
        trusted: config.trusted.clone(),
        seats,
        tls: tls.clone(),
        tls_port,
    });
    (0..count)
        .map(|index| WorkerThread::start(index, settings.clone()))
        .collect::<io::Result<_>>()
        .map_err(|error| Error::internal("start the proxy's threads", error))
}

fn worker_count(config: &ProxyConfig) -> usize {
    let cores = available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    config.workers.unwrap_or(cores).max(1)
}

/// Keeps the kernel from rounding each small piece of memory up to 2 MiB: where huge pages are
/// always on, an idle proxy would hold ten of them.
fn stay_small() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

/// Lets the process have as many open files as it may, and says how many: few are allowed at first, for
/// the sake of programs that still use `select`.
pub fn raise_file_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("`ss -ltnp 'sport = :{}'` names the program that has it", address.port())
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need root".to_owned(),
        _ => "`--proxy-listen` and `--proxy-tls-listen` take another address".to_owned(),
    };
    Error::new(Code::TargetUnavailable, format!("the proxy cannot listen on `{address}`"))
        .hint(hint)
        .because(error)
}

fn unusable(config: &ProxyConfig, error: io::Error) -> Error {
    Error::new(Code::TargetUnavailable, format!("the folder `{}` cannot be used", config.run.display()))
        .hint("its path may have at most 80 bytes, and its owner must be the user of this process")
        .because(error)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
