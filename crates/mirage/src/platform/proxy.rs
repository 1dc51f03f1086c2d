//! The proxy process: found running, or started.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mirage_cli::config::env;
use mirage_control::Control;
use mirage_core::port::Router;
use mirage_core::{Code, Error, Result};
use mirage_proxy::ProxyHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

/// How long a new proxy may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// A proxy that answers, and where it listens.
pub(crate) struct Proxy {
    pub(crate) handle: Arc<dyn Router>,
    pub(crate) listen: SocketAddr,
    /// Where it speaks TLS, if it does.
    pub(crate) tls: Option<SocketAddr>,
    /// Heard of when its process has ended.
    ended: oneshot::Receiver<()>,
}

/// Starts another proxy whenever the one that runs has died. It serves from the table on disk at once.
pub(crate) async fn keep(run: PathBuf, mut proxy: Proxy, control: Control) {
    loop {
        let _ = proxy.ended.await;
        tracing::error!("the proxy ended; another one is started");
        proxy = loop {
            match start(&run, proxy.listen, proxy.tls).await {
                Ok(next) => break next,
                Err(error) => tracing::error!(?error, "the proxy could not be started again"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        if let Err(error) = control.introduce_proxy().await {
            tracing::error!(?error, "the new proxy does not take the routes; it has those of its folder");
        }
    }
}

/// Takes hold of the process that answers: its number may be another one's by the time it has ended.
async fn hold(handle: &ProxyHandle, pid: u32) -> Result<OwnedFd> {
    let process = open(pid)?;
    // Had it ended in between and its number gone to another process, it would not answer now.
    match handle.status().await {
        Ok(status) if status.pid == pid => Ok(process),
        _ => Err(Error::internal("watch the proxy", std::io::Error::from(ErrorKind::NotFound))),
    }
}

fn open(pid: u32) -> Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let opened =
        pid.ok_or(ErrorKind::InvalidInput.into()).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    opened.map_err(|error: std::io::Error| Error::internal("watch the proxy", error))
}

/// Waits for the end of a process in a thread of its own, and collects it if it is ours: it is not to
/// stay a zombie.
fn watch(process: OwnedFd, child: Option<Child>) -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // A process becomes readable when it ends.
        let mut ends = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
        if let Some(mut child) = child {
            let _ = child.wait();
        }
        let _ = sender.send(());
    });
    ended
}

/// Takes up the proxy that runs, if it listens where it should; otherwise starts one, which takes over.
pub(crate) async fn start(run: &Path, listen: SocketAddr, tls: Option<SocketAddr>) -> Result<Proxy> {
    let handle = ProxyHandle::new(run);
    if let Ok(status) = handle.status().await
        && let Some(found) = status.listen.iter().find(|found| listen.port() == 0 || **found == listen)
        && let Some(tls) = same_tls(&status.listen_tls, tls)
        && let Ok(process) = hold(&handle, status.pid).await
    {
        return Ok(Proxy { listen: *found, tls, ended: watch(process, None), handle: Arc::new(handle) });
    }
    // What the proxy that runs has, it hands over.
    let running = handle.status().await.ok();
    let held = |address: &SocketAddr| {
        running.iter().any(|it| it.listen.contains(address) || it.listen_tls.contains(address))
    };
    for address in [Some(listen), tls].into_iter().flatten().filter(|address| !held(address)) {
        mirage_proxy::check_address(address)?;
    }
    let mut child = spawn(run, listen, tls)?;
    match come_up(run, listen, &handle, &mut child).await {
        Ok((process, listen, tls)) => {
            Ok(Proxy { listen, tls, ended: watch(process, Some(child)), handle: Arc::new(handle) })
        }
        Err(error) => {
            // Nobody would look after it.
            let _ = child.kill().and_then(|()| child.wait());
            Err(error)
        }
    }
}

/// The address at which a proxy speaks TLS, where that is what is wanted; `None` where it is not.
fn same_tls(found: &[SocketAddr], wanted: Option<SocketAddr>) -> Option<Option<SocketAddr>> {
    match (found, wanted) {
        ([], None) => Some(None),
        ([found, ..], Some(wanted)) if wanted.port() == 0 || *found == wanted => Some(Some(*found)),
        _ => None,
    }
}

/// Waits until a proxy answers that was just started.
async fn come_up(
    run: &Path,
    listen: SocketAddr,
    handle: &ProxyHandle,
    child: &mut Child,
) -> Result<(OwnedFd, SocketAddr, Option<SocketAddr>)> {
    let process = open(child.id())?;
    let start = std::time::Instant::now();
    loop {
        if let Some(status) =
            child.try_wait().map_err(|error| Error::internal("look after the proxy", error))?
        {
            return Err(not_started(run, listen, &format!("it ended with {status}")));
        }
        if let Ok(status) = handle.status().await
            && status.pid == child.id()
            && let Some(found) = status.listen.first()
        {
            return Ok((process, *found, status.listen_tls.first().copied()));
        }
        if start.elapsed() > START_LIMIT {
            return Err(not_started(run, listen, "it does not answer"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ends the proxy of this folder, if one runs.
pub(crate) async fn shut_down(run: &Path) -> Result<()> {
    let handle = ProxyHandle::new(run);
    match handle.status().await {
        Ok(_) => handle.shutdown(Duration::from_secs(5)).await.map(drop),
        Err(_) => Ok(()),
    }
}

fn spawn(run: &Path, listen: SocketAddr, tls: Option<SocketAddr>) -> Result<std::process::Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(run.join("proxy.log"))
        .map_err(|error| Error::internal("open the log of the proxy", error))?;
    let mut command = Command::new(super::PROGRAM);
    // No variable but the one that says what to log: others may be secret, and strangers talk to it.
    command.env_clear().envs(env::read(env::LOG).map(|levels| (env::LOG, levels)));
    command.arg0("mirage").arg("proxy").arg("--run").arg(run).arg("--listen").arg(listen.to_string());
    if let Some(tls) = tls {
        command.arg("--listen-tls").arg(tls.to_string());
    }
    // A group of its own: Ctrl-C on the control plane's terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(|error| Error::internal("start the proxy", error))
}

fn not_started(run: &Path, listen: SocketAddr, why: &str) -> Error {
    Error::new(Code::Conflict, format!("the proxy on `{listen}` did not start: {why}"))
        .hint(format!("`{}` says more", run.join("proxy.log").display()))
}
