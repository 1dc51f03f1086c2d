//! The proxy process: found running, or started.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::node::{full_disk, is_full};
use mirage_cli::config::env;
use mirage_control::Control;
use mirage_core::port::Router;
use mirage_core::{Code, Error, Result, fault};
use mirage_proxy::ProxyHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::oneshot;

/// How long a new proxy may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often it is begun anew where another proxy came into charge meanwhile.
const TRIES: u32 = 3;
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
pub(crate) async fn keep(run: PathBuf, mut proxy: Proxy, handed: Vec<Arc<TcpListener>>, control: Control) {
    loop {
        let _ = proxy.ended.await;
        tracing::error!("the proxy ended; another one is started");
        proxy = loop {
            match start(&run, proxy.listen, proxy.tls, &handed).await {
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

/// Takes up the proxy that runs, if it listens where it should, on the sockets that were handed over, and is of this
/// very binary; otherwise starts one, which takes over. Where that fails, the one that runs goes on, if it can.
pub(crate) async fn start(
    run: &Path,
    listen: SocketAddr,
    tls: Option<SocketAddr>,
    handed: &[Arc<TcpListener>],
) -> Result<Proxy> {
    let mut tries = 1;
    loop {
        match try_to_start(run, listen, tls, handed).await {
            // One that a control plane before this one had started has taken over meanwhile.
            Err(Failed { error, overtaken: true }) if tries < TRIES => {
                tracing::warn!(?error, "another proxy has come; it is looked at anew");
                tries += 1;
            }
            other => return other.map_err(|failed| failed.error),
        }
    }
}

/// Why there is no proxy.
struct Failed {
    error: Error,
    /// Whether another one runs now than when it was looked for.
    overtaken: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, overtaken: false }
    }
}

async fn try_to_start(
    run: &Path,
    listen: SocketAddr,
    tls: Option<SocketAddr>,
    handed: &[Arc<TcpListener>],
) -> Result<Proxy, Failed> {
    let handle = ProxyHandle::new(run);
    let running = handle.status().await.ok();
    let suits = running.as_ref().and_then(|status| {
        let found = status.listen.iter().find(|found| listen.port() == 0 || **found == listen)?;
        Some((status.pid, *found, same_tls(&status.listen_tls, tls)?))
    });
    if let Some((pid, listen, tls)) = suits
        && is_this_binary(pid)
        && has_all(pid, handed)
        && let Ok(process) = hold(&handle, pid).await
    {
        return Ok(Proxy { listen, tls, ended: watch(process, None), handle: Arc::new(handle) });
    }
    // What the proxy that runs has, it hands over, also one whose successor was killed before it was in charge; what was
    // handed to this process is open already.
    let hidden = running.is_none() && mirage_proxy::is_inhabited(run).await;
    let held = |address: &SocketAddr| {
        hidden
            || running.iter().any(|it| it.listen.contains(address) || it.listen_tls.contains(address))
            || handed.iter().any(|socket| socket.local_addr().is_ok_and(|bound| bound == *address))
    };
    for address in [Some(listen), tls].into_iter().flatten().filter(|address| !held(address)) {
        mirage_proxy::check_address(address)?;
    }
    let mut child = spawn(run, listen, tls, handed)?;
    let error = match come_up(run, listen, &handle, &mut child).await {
        Ok((process, listen, tls)) => {
            return Ok(Proxy { listen, tls, ended: watch(process, Some(child)), handle: Arc::new(handle) });
        }
        Err(error) => error,
    };
    // Nobody would look after it.
    let _ = child.kill().and_then(|()| child.wait());
    let now = handle.status().await.ok().map(|status| status.pid);
    let overtaken = now.is_some() && now != running.map(|status| status.pid);
    let Some((pid, listen, tls)) = suits.filter(|_| !overtaken) else {
        return Err(Failed { error, overtaken });
    };
    let process = hold(&handle, pid).await.map_err(|_| Failed { error: error.clone(), overtaken: true })?;
    tracing::error!(?error, "the proxy of another version goes on, as no new one could take over");
    Ok(Proxy { listen, tls, ended: watch(process, None), handle: Arc::new(handle) })
}

/// Whether a process executes the very file that this one does. A file that was replaced is another one, whatever its
/// name and version; one that runs keeps its number until it ends.
fn is_this_binary(pid: u32) -> bool {
    let file = |process: &str| {
        let found = std::fs::metadata(format!("/proc/{process}/exe"))?;
        std::io::Result::Ok((found.dev(), found.ino()))
    };
    match (file(&pid.to_string()), file("self")) {
        (Ok(its), Ok(own)) => its == own,
        // Nothing is known against it.
        _ => true,
    }
}

/// Whether a process has all of these sockets open.
fn has_all(pid: u32, sockets: &[Arc<TcpListener>]) -> bool {
    if sockets.is_empty() {
        return true;
    }
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let open: HashSet<PathBuf> =
        entries.flatten().filter_map(|entry| entry.path().read_link().ok()).collect();
    sockets.iter().all(|socket| {
        nix::sys::stat::fstat(socket.as_fd())
            .is_ok_and(|found| open.contains(Path::new(&format!("socket:[{}]", found.st_ino))))
    })
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

fn spawn(
    run: &Path,
    listen: SocketAddr,
    tls: Option<SocketAddr>,
    handed: &[Arc<TcpListener>],
) -> Result<std::process::Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(run.join("proxy.log")).map_err(
        |error| match is_full(run) {
            true => full_disk(run),
            false => Error::internal("open the log of the proxy", error),
        },
    )?;
    let mut command = Command::new(super::PROGRAM);
    // No variable but the one that says what to log: others may be secret, and strangers talk to it.
    command.env_clear().envs(env::read(env::LOG).map(|levels| (env::LOG, levels)));
    command.envs(fault::variables().iter().map(|(name, value)| (name, value)));
    command.arg0("mirage").arg("proxy").arg("--run").arg(run);
    for address in addresses(listen, tls, handed) {
        command.arg("--listen").arg(address.to_string());
    }
    if let Some(tls) = tls {
        command.arg("--listen-tls").arg(tls.to_string());
    }
    // A group of its own: Ctrl-C on the control plane's terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let cannot = |error| Error::internal("start the proxy", error);
    if handed.is_empty() {
        return command.spawn().map_err(cannot);
    }
    // Its standard input is a socket by which those to listen on come.
    let (own, its) = UnixStream::pair().map_err(cannot)?;
    let sockets: Vec<BorrowedFd<'_>> = handed.iter().map(|socket| socket.as_fd()).collect();
    mirage_proxy::send_sockets(own.as_fd(), &sockets).map_err(cannot)?;
    command.arg("--sockets-on-stdin").stdin(OwnedFd::from(its)).spawn().map_err(cannot)
}

/// Where services are to answer without TLS: here, and wherever else a socket for that was handed over.
fn addresses(listen: SocketAddr, tls: Option<SocketAddr>, handed: &[Arc<TcpListener>]) -> Vec<SocketAddr> {
    let mut addresses = vec![listen];
    for address in handed.iter().filter_map(|socket| socket.local_addr().ok()) {
        if tls != Some(address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn not_started(run: &Path, listen: SocketAddr, why: &str) -> Error {
    // Its log would say so, had it found room there.
    if is_full(run) {
        return full_disk(run);
    }
    Error::new(Code::Conflict, format!("the proxy on `{listen}` did not start: {why}"))
        .hint(format!("`{}` says more", run.join("proxy.log").display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_answer_on_every_socket_that_was_handed_over_for_them() {
        let handed = [(); 3].map(|()| Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()));
        let [first, second, tls] = handed.each_ref().map(|socket| socket.local_addr().unwrap());
        assert_eq!(addresses(first, Some(tls), &handed), [first, second]);
        assert_eq!(addresses(first, None, &[]), [first]);
    }
}
