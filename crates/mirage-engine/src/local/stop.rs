//! How an instance comes to an end.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mirage_core::fault::point;
use mirage_core::{Error, InstanceId, Result};
use nix::poll::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::timeout;

use super::instance::Instance;
use super::{Inner, blocking, fault, supervise};
use crate::shim::state::{Phase, ProcessMark};
use crate::shim::{Request, state};

/// How much longer than the grace period a shim may take to end its container.
const MARGIN: Duration = Duration::from_secs(15);
/// Milliseconds until a process that was killed is gone.
const KILLED: u16 = 5_000;

/// See `InstanceEngine::stop`. A task of its own, as starting is.
pub(super) async fn stop(inner: &Arc<Inner>, id: InstanceId, grace: Duration) -> Result<()> {
    let Some(instance) = inner.get(id) else { return Ok(()) };
    let inner = inner.clone();
    let work = async move {
        point("instance/wind-down")?;
        wind_down(&instance, grace).await;
        dismantle(&inner, id).await
    };
    tokio::spawn(work).await.unwrap_or_else(|broken| Err(Error::internal("stop an instance", broken)))
}

/// See `LocalEngine::teardown`.
pub(super) async fn teardown(inner: &Arc<Inner>, grace: Duration) -> Result<()> {
    let all: Vec<InstanceId> = inner.lock().keys().copied().collect();
    let stopped = join_all(all.into_iter().map(|id| stop(inner, id, grace))).await;
    let owned = inner.clone();
    let removed = blocking("remove the local engine", move || {
        let network = owned.network.teardown();
        let group =
            owned.hierarchies.group(&format!("/mirage-{}", owned.node)).and_then(|group| group.remove());
        let folders = owned.places.close();
        network.and(group.and(folders).map_err(|error| fault("remove the local engine", error)))
    });
    stopped.into_iter().collect::<Result<()>>().and(removed.await?)
}

/// Asks the shim to end its container, and waits until both are gone or the time is over.
async fn wind_down(instance: &Instance, grace: Duration) {
    let grace_millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    instance.request(Request::Stop { signal: None, grace_millis });
    if timeout(grace.saturating_add(MARGIN), instance.gone()).await.is_err() {
        tracing::warn!(instance = %instance.id, "a shim does not end its container; it is ended without it");
        instance.let_go();
    }
}

/// Removes everything of an instance but its log. What is left of it by now gets no grace.
pub(super) async fn dismantle(inner: &Arc<Inner>, id: InstanceId) -> Result<()> {
    let instance = inner.get(id);
    let _alone = match &instance {
        Some(instance) => Some(instance.removal.lock().await),
        None => None,
    };
    let owned = inner.clone();
    blocking("remove an instance", move || remove(&owned, id)).await??;
    inner.lock().remove(&id);
    inner.changed.notify_one();
    Ok(())
}

fn remove(inner: &Inner, id: InstanceId) -> Result<()> {
    point("instance/dismantle")?;
    kill_shim(inner, id);
    supervise::end(inner, id).map_err(|error| fault("end the processes of an instance", error))?;
    point("instance/ended")?;
    inner.network.release(id)?;
    point("instance/released")?;
    inner.places.remove(id).map_err(|error| fault("remove the files of an instance", error))
}

/// Kills the shim, if it still lives, and what it forked to start its container. Waits until they are gone: a
/// launcher may be about to make a control group, which nobody would remove.
fn kill_shim(inner: &Inner, id: InstanceId) {
    let Ok(state) = state::read(&inner.places.instance(id)) else { return };
    if !state::boot().is_ok_and(|boot| boot == state.boot) {
        return;
    }
    let killed = kill(&state.shim);
    if killed {
        tracing::debug!(instance = %id, "killed a shim");
    }
    // The kernel gives the number of a session to nobody else: where another process has it, the session is over.
    let is_anothers = ProcessMark::of(state.shim.pid).is_ok_and(|now| now != state.shim);
    if (killed || state.phase == Phase::Starting) && !is_anothers && !end_session(state.shim.pid) {
        tracing::warn!(instance = %id, "what a shim forked withstands");
    }
}

/// Kills a process and waits for its end; answers whether it was there. The number may belong to another one by
/// now: it is only trusted where the start time is right while we hold the process by its descriptor.
fn kill(shim: &ProcessMark) -> bool {
    let process = Pid::from_raw(shim.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let Some(process) = process else { return false };
    if !shim.exists() || pidfd_send_signal(&process, Signal::KILL).is_err() {
        return false;
    }
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    // One that withstands is not waited for any longer.
    let _ = poll(&mut ended, KILLED);
    true
}

/// Kills what is in the session that a shim leads, until nothing is; answers whether that came true. A
/// container's processes have left it, and are in a control group.
fn end_session(shim: i32) -> bool {
    let since = Instant::now();
    loop {
        let left = crate::process::of_session(shim);
        if left.is_empty() {
            return true;
        }
        for pid in left {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        if since.elapsed() > Duration::from_millis(KILLED.into()) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
