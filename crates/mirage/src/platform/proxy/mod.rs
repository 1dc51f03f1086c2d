//! The proxy process: found running, or started.

mod process;
mod wanted;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mirage_control::Control;
use mirage_core::port::Router;
use mirage_core::{Code, Error, Result};
use mirage_proxy::{ProxyHandle, Status};
use tokio::sync::oneshot;

use super::node::{full_disk, is_full};
use process::{has_all, hold, is_this_binary, open, watch};
pub(crate) use wanted::Wanted;

/// How long a new proxy may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often it is begun anew where another proxy came into charge meanwhile.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(5);
/// How often it is looked whether the proxy answers.
const LOOK: Duration = Duration::from_secs(10);
/// After so many silences in a row, each as long as [`ProxyHandle::status`] waits, it is taken for stuck.
const SILENCES: u32 = 2;
/// How long a proxy has to finish what it has begun when the platform is stopped.
const GRACE: Duration = Duration::from_secs(5);

/// A proxy that answers, and where it listens.
pub(crate) struct Proxy {
    pub(crate) handle: Arc<dyn Router>,
    pub(crate) listen: SocketAddr,
    /// Where it speaks TLS, if it does.
    pub(crate) tls: Option<SocketAddr>,
    /// Heard of when its process has ended.
    ended: oneshot::Receiver<()>,
}

/// Starts another proxy whenever the one that runs has died, or does not answer any more. It serves from the table on
/// disk at once.
pub(crate) async fn keep(mut wanted: Wanted, mut proxy: Proxy, control: Control) {
    let handle = ProxyHandle::new(&wanted.run);
    loop {
        tokio::select! {
            _ = &mut proxy.ended => {}
            () = lost(&handle) => {}
        }
        tracing::error!("the proxy ended; another one is started");
        (wanted.listen, wanted.tls) = (proxy.listen, proxy.tls);
        proxy = loop {
            match start(&wanted).await {
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

/// Returns when no proxy answers any more.
async fn lost(handle: &ProxyHandle) {
    loop {
        tokio::time::sleep(LOOK).await;
        if answering(handle).await.is_none() {
            return;
        }
    }
}

/// How a proxy is; `None` where there is none. One that lives and is silent is killed: it can neither be told anything
/// nor hand over, and keeps its addresses from every other one.
async fn answering(handle: &ProxyHandle) -> Option<Status> {
    for _ in 0..SILENCES {
        match handle.status().await {
            Ok(status) => return Some(status),
            Err(error) if error.code() == Code::DeadlineExceeded => {}
            Err(_) => return None,
        }
    }
    tracing::error!("a proxy lives and does not answer; it is killed");
    if let Err(error) = process::kill(handle).await {
        tracing::error!(?error, "a proxy that does not answer could not be killed");
    }
    None
}

/// Takes up the proxy that runs, if it listens where it should, on the sockets that were handed over, and is of this
/// very binary; otherwise starts one, which takes over. Where that fails, the one that runs goes on, if it can.
pub(crate) async fn start(wanted: &Wanted) -> Result<Proxy> {
    let mut tries = 1;
    let started = loop {
        match try_to_start(wanted).await {
            // One that a control plane before this one had started has taken over meanwhile.
            Err(Failed { error, overtaken: true }) if tries < TRIES => {
                tracing::warn!(?error, "another proxy has come; it is looked at anew");
                tries += 1;
            }
            other => break other.map_err(|failed| failed.error),
        }
    };
    mirage_proxy::sweep(&wanted.run).await;
    started
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

async fn try_to_start(wanted: &Wanted) -> Result<Proxy, Failed> {
    let run = &wanted.run;
    let handle = ProxyHandle::new(run);
    let running = answering(&handle).await;
    let suits = running.as_ref().and_then(|status| Some((status.pid, wanted.met_by(status)?)));
    if let Some((pid, (listen, tls))) = suits
        && is_this_binary(pid)
        && running.as_ref().is_some_and(|status| wanted.has_its_sockets_served(status))
        && has_all(pid, &wanted.handed.of_proxy())
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
            || wanted.is_handed(*address)
    };
    for address in [Some(wanted.listen), wanted.tls].into_iter().flatten().filter(|address| !held(address)) {
        if mirage_proxy::check_address(address).is_err() {
            // One that is stuck may have it, and not be in charge.
            join_all(mirage_proxy::living(run).await.iter().map(answering)).await;
            mirage_proxy::check_address(address)?;
        }
    }
    let mut child = wanted.spawn()?;
    let error = match come_up(run, wanted.listen, &handle, &mut child).await {
        Ok((process, listen, tls)) => {
            return Ok(Proxy { listen, tls, ended: watch(process, Some(child)), handle: Arc::new(handle) });
        }
        Err(error) => error,
    };
    // Nobody would look after it.
    let _ = child.kill().and_then(|()| child.wait());
    let now = handle.status().await.ok().map(|status| status.pid);
    let overtaken = now.is_some() && now != running.map(|status| status.pid);
    let Some((pid, (listen, tls))) = suits.filter(|_| !overtaken) else {
        return Err(Failed { error, overtaken });
    };
    let process = hold(&handle, pid).await.map_err(|_| Failed { error: error.clone(), overtaken: true })?;
    tracing::error!(?error, "the proxy of another version goes on, as no new one could take over");
    Ok(Proxy { listen, tls, ended: watch(process, None), handle: Arc::new(handle) })
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

/// Ends every proxy of this folder: the one in charge, those that finish what they began before it, and whatever is
/// stuck.
pub(crate) async fn shut_down(run: &Path) -> Result<()> {
    let living = mirage_proxy::living(run).await;
    let ended = join_all(living.iter().map(end)).await;
    mirage_proxy::sweep(run).await;
    ended.into_iter().collect()
}

async fn end(handle: &ProxyHandle) -> Result<()> {
    match handle.shutdown(GRACE).await {
        Err(error) if error.code() == Code::DeadlineExceeded => process::kill(handle).await,
        // It has ended meanwhile.
        Err(error) if error.code() == Code::TargetUnavailable => Ok(()),
        ended => ended.map(drop),
    }
}

fn not_started(run: &Path, listen: SocketAddr, why: &str) -> Error {
    // Its log would say so, had it found room there.
    if is_full(run) {
        return full_disk(run);
    }
    Error::new(Code::Conflict, format!("the proxy on `{listen}` did not start: {why}"))
        .hint(format!("`{}` says more", run.join("proxy.log").display()))
}
