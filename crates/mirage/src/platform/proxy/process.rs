//! The processes of proxies, held so that nobody is taken for one whose number it has got.

use std::collections::HashSet;
use std::io::{Error as IoError, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::{Error, Result};
use mirage_proxy::ProxyHandle;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a process may take to end that was killed. One that is in the midst of a call to a disk waits for it.
const END: Duration = Duration::from_secs(10);

/// Takes hold of the process that answers: its number may be another one's by the time it has ended.
pub(super) async fn hold(handle: &ProxyHandle, pid: u32) -> Result<OwnedFd> {
    let process = open(pid)?;
    // Had it ended in between and its number gone to another process, it would not answer now.
    match handle.status().await {
        Ok(status) if status.pid == pid => Ok(process),
        _ => Err(Error::internal("watch the proxy", IoError::from(ErrorKind::NotFound))),
    }
}

/// Kills the process behind a proxy's socket, whether it answers or not, and waits until it has ended.
///
/// # Errors
/// Where it cannot be killed, or does not end.
pub(super) async fn kill(handle: &ProxyHandle) -> Result<()> {
    let Some(pid) = handle.process().await else { return Ok(()) };
    let process = open(pid)?;
    // Had it ended in between and its number gone to another process, somebody else would be there now, or nobody.
    if handle.process().await != Some(pid) {
        return Ok(());
    }
    let failed = |error: IoError| Error::internal("end a proxy that is silent", error);
    pidfd_send_signal(&process, Signal::KILL).map_err(|error| failed(error.into()))?;
    timeout(END, watch(process, None))
        .await
        .map_err(|_| failed(ErrorKind::TimedOut.into()))?
        .map_err(|error| Error::internal("watch the proxy", error))
}

/// Waits for the end of a process in a thread of its own, and collects it if it is ours: it is not to
/// stay a zombie.
pub(super) fn watch(process: OwnedFd, child: Option<Child>) -> oneshot::Receiver<()> {
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

/// Whether a process executes the very file that this one does. A file that was replaced is another one, whatever its
/// name and version; one that runs keeps its number until it ends.
pub(super) fn is_this_binary(pid: u32) -> bool {
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
pub(super) fn has_all(pid: u32, sockets: &[Arc<TcpListener>]) -> bool {
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

/// Takes hold of a process by its number.
pub(super) fn open(pid: u32) -> Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let opened =
        pid.ok_or(ErrorKind::InvalidInput.into()).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    opened.map_err(|error: IoError| Error::internal("watch the proxy", error))
}
