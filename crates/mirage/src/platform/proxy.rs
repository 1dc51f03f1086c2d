//! The proxy process: found running, or started.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mirage_core::port::Router;
use mirage_core::{Code, Error, Result};
use mirage_proxy::ProxyHandle;

/// How long a new proxy may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// A proxy that answers, and where it listens.
pub(crate) struct Proxy {
    pub(crate) handle: Arc<dyn Router>,
    pub(crate) listen: SocketAddr,
    pid: u32,
}

/// How often a proxy is looked after. A look is one system call.
const LOOK: Duration = Duration::from_millis(100);

/// Starts another proxy whenever the one that runs has died. It serves from the table on disk at once.
pub(crate) async fn keep(run: PathBuf, mut proxy: Proxy) {
    loop {
        tokio::time::sleep(LOOK).await;
        if is_alive(proxy.pid) {
            continue;
        }
        tracing::error!(pid = proxy.pid, "the proxy died; another one is started");
        match start(&run, proxy.listen).await {
            Ok(next) => proxy = next,
            Err(error) => {
                tracing::error!(?error, "the proxy could not be started again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_alive(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
}

/// Takes up the proxy that runs, if it listens where it should; otherwise starts one, which takes over.
pub(crate) async fn start(run: &Path, listen: SocketAddr) -> Result<Proxy> {
    let handle = ProxyHandle::new(run);
    if let Ok(status) = handle.status().await
        && let Some(found) = status.listen.iter().find(|found| listen.port() == 0 || **found == listen)
    {
        return Ok(Proxy { listen: *found, pid: status.pid, handle: Arc::new(handle) });
    }
    let mut child = spawn(run, listen)?;
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
            // Its end is none of this process's business any more, but it must not stay a zombie.
            std::thread::spawn(move || child.wait());
            return Ok(Proxy { listen: *found, pid: status.pid, handle: Arc::new(handle) });
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

fn spawn(run: &Path, listen: SocketAddr) -> Result<std::process::Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(run.join("proxy.log"))
        .map_err(|error| Error::internal("open the log of the proxy", error))?;
    let mut command = Command::new(super::program()?);
    command.arg("proxy").arg("--run").arg(run).arg("--listen").arg(listen.to_string());
    // A group of its own: Ctrl-C on the control plane's terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(|error| Error::internal("start the proxy", error))
}

fn not_started(run: &Path, listen: SocketAddr, why: &str) -> Error {
    Error::new(Code::Conflict, format!("the proxy on `{listen}` did not start: {why}"))
        .hint(format!("`{}` says more; is the address in use?", run.join("proxy.log").display()))
}
