//! How an instance comes to run.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::fault::{point, variables};
use mirage_core::{Code, Error, InstanceReport, InstanceSpec, Result, ServiceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::bundle;
use super::instance::{Care, Instance, View};
use super::{Inner, blocking, fault, stop, supervise};

/// How much longer than its own deadline a shim may take to say how a start went.
const MARGIN: Duration = Duration::from_secs(10);
/// How long a shim may take to be there at all, on a machine that is busy.
const SHIM_START: Duration = Duration::from_secs(20);
/// Where a shim writes what went wrong with itself, in the instance's folder.
const SHIM_LOG: &str = "shim.log";

/// See `InstanceEngine::start`. The work is a task of its own: whoever waits for it may lose
/// patience without leaving something half-made.
pub(super) async fn start(inner: &Arc<Inner>, spec: &InstanceSpec) -> Result<InstanceReport> {
    let (instance, care) = {
        let mut instances = inner.lock();
        match instances.get(&spec.id) {
            Some(instance) => (instance.clone(), None),
            None => {
                let (instance, care) =
                    Instance::new(spec.id, spec.service, spec.deployment, View::starting());
                instances.insert(spec.id, instance.clone());
                (instance, Some(care))
            }
        }
    };
    if let Some(care) = care {
        let work = bring_up(inner.clone(), instance.clone(), care, spec.clone());
        tokio::spawn(work)
            .await
            .unwrap_or_else(|broken| Err(Error::internal("start an instance", broken)))?;
    } else if !instance.settled().await {
        return Err(Error::new(
            Code::StartFailed,
            format!("`{}` is being started elsewhere, without success", spec.id),
        )
        .hint("try again"));
    }
    Ok(inner.report(&instance))
}

async fn bring_up(inner: Arc<Inner>, instance: Arc<Instance>, care: Care, spec: InstanceSpec) -> Result<()> {
    let permit = inner.starts.acquire().await;
    let done = try_bring_up(&inner, &instance, care, spec).await;
    drop(permit);
    if done.is_err() {
        stop::dismantle(&inner, instance.id).await?;
    }
    inner.changed.notify_one();
    done
}

async fn try_bring_up(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    care: Care,
    spec: InstanceSpec,
) -> Result<()> {
    if !care.requests.is_empty() {
        return Err(Error::new(Code::Conflict, format!("`{}` was stopped before it was started", spec.id)));
    }
    let layers = inner.images.layers(&spec.image).await?;
    // What runs may come to write the other half.
    let (owned, service, keep) = (inner.clone(), spec.service, spec.log.service_bytes / 2);
    let variables =
        bundle::variables(&spec).map_err(|error| fault("write down what a process needs", error))?;
    let limit = Duration::from_secs(bundle::start_seconds(inner, &spec).into()) + MARGIN;
    let preparing = owned.clone();
    let folder = blocking("prepare an instance", move || bundle::write(&preparing, &spec, layers)).await??;
    let mut child = spawn(&inner.shim, &folder).map_err(|error| fault("start a shim", error))?;
    point("instance/spawned")?;
    await_socket(&mut child, &folder, &variables).await?;
    drop(variables);
    point("instance/connect")?;
    let stream = supervise::connect(&folder).await.map_err(|error| fault("reach a shim", error))?;
    let task = tokio::spawn(supervise::supervise(inner.clone(), instance.clone(), care, stream, Some(child)));
    instance.looked_after_by(task.abort_handle());
    match timeout(limit, instance.settled()).await {
        Ok(true) => {
            // What ended earlier makes room for the new instance's log; nobody has to wait for it.
            tokio::task::spawn_blocking(move || trim(&owned, service, keep));
            Ok(())
        }
        Ok(false) => Err(broken(&folder)),
        Err(_) => Err(Error::new(
            Code::DeadlineExceeded,
            format!("the instance did not start within {} seconds", limit.as_secs()),
        )
        .hint("`mirage doctor` shows what this machine lacks; a very busy disk can be the reason too")),
    }
}

fn trim(inner: &Inner, service: ServiceId, max_bytes: u64) {
    if let Err(error) = inner.logs.trim(service, max_bytes) {
        tracing::warn!(?error, %service, "old logs stay longer than they should");
    }
}

/// Starts a shim. It inherits nothing: no descriptor, no variable (ours may be secret), no terminal.
fn spawn(program: &[std::ffi::OsString], folder: &Path) -> io::Result<Child> {
    let (program, arguments) = program.split_first().ok_or(io::ErrorKind::NotFound)?;
    let log = File::options().append(true).create(true).open(folder.join(SHIM_LOG))?;
    Command::new(program)
        .arg0("mirage")
        .args(arguments)
        .arg(folder)
        .env_clear()
        .envs(variables().iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
}

/// Gives a shim the variables, and waits for the line that it writes as soon as its socket is there.
async fn await_socket(child: &mut Child, folder: &Path, variables: &[u8]) -> Result<()> {
    let mut byte = [0];
    let given = child.stdin.take();
    let mut written = match child.stdout.take() {
        Some(stdout) => stdout,
        None => return Err(broken(folder)),
    };
    let exchange = async {
        if let Some(mut given) = given {
            // A shim that did not read on says why in its log.
            let _ = given.write_all(variables).await;
        }
        written.read(&mut byte).await
    };
    match timeout(SHIM_START, exchange).await {
        Ok(Ok(1)) => Ok(()),
        Ok(_) => Err(broken(folder)),
        Err(_) => Err(Error::new(Code::DeadlineExceeded, "a shim did not come up in time")
            .hint("the machine seems to be overloaded; try again later")),
    }
}

/// A shim that ended without a word about its container.
fn broken(folder: &Path) -> Error {
    let said = std::fs::read(folder.join(SHIM_LOG)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[..said.len().min(4096)]).trim().to_owned();
    Error::internal("run the process that looks after an instance", anyhow::anyhow!("the shim said: {said}"))
}
