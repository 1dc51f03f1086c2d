//! Takes up the instances of a previous life.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use futures_util::future::join_all;
use mirage_core::{DeploymentId, InstanceId, Result, ServiceId};
use tokio::net::UnixStream;

use super::instance::{Instance, View};
use super::{Inner, blocking, fault, supervise};
use crate::shim::{ShimSpec, state};

/// The largest `spec.json` that is read, in bytes.
const MAX_SPEC: u64 = 8 << 20;

/// Connects to every shim there is. What has no shim any more is ended and stays in the list as
/// exited, so that whoever knows of it learns how it went and can have it removed.
pub(super) async fn adopt(inner: &Arc<Inner>) -> Result<()> {
    let owned = inner.clone();
    let known = blocking("find the instances of a previous life", move || tidy(&owned)).await??;
    join_all(known.iter().map(|id| adopt_one(inner, *id))).await;
    let owners: HashSet<InstanceId> = inner.lock().keys().copied().collect();
    let owned = inner.clone();
    blocking("release the networks of instances that are gone", move || owned.network.adopt(&owners)).await?
}

/// Removes what never became, or is no longer, an instance; answers with those that are. Blocks.
fn tidy(inner: &Inner) -> Result<Vec<InstanceId>> {
    let tidy = || {
        let known = inner.places.known()?;
        inner.places.forget_others(&known)?;
        Ok(known)
    };
    tidy().map_err(|error| fault("clear up after instances of a previous life", error))
}

async fn adopt_one(inner: &Arc<Inner>, id: InstanceId) {
    let owned = inner.clone();
    let origin = blocking("read what an instance is", move || origin(&owned, id)).await.ok().flatten();
    let Some((service, deployment, view)) = origin else {
        // Its folder got whole, so this is damage from outside.
        tracing::warn!(instance = %id, "the folder of an instance cannot be read; it is removed");
        if let Err(error) = super::stop::dismantle(inner, id).await {
            tracing::warn!(?error, instance = %id, "it stays until the next start");
        }
        return;
    };
    let stream = connect(inner, id).await;
    let (instance, care) = Instance::new(id, service, deployment, view);
    inner.lock().insert(id, instance.clone());
    match stream {
        Some(stream) => {
            let work = supervise::supervise(inner.clone(), instance.clone(), care, stream, None);
            instance.looked_after_by(tokio::spawn(work).abort_handle());
        }
        None => {
            let exit = supervise::conclude(inner, id).await;
            care.view.send_modify(|view| *view = View::exited(exit));
        }
    }
}

/// A connection to the shim, if it lives. State files outlive a reboot; shims do not.
async fn connect(inner: &Inner, id: InstanceId) -> Option<UnixStream> {
    let folder = inner.places.instance(id);
    let of_this_boot = match (state::read(&folder), state::boot()) {
        (Ok(state), Ok(boot)) => state.boot == boot,
        _ => true,
    };
    if of_this_boot { supervise::connect(&folder).await.ok() } else { None }
}

/// The service and deployment that an instance was started for, and how it was when its shim last
/// wrote that down.
fn origin(inner: &Inner, id: InstanceId) -> Option<(ServiceId, DeploymentId, View)> {
    let folder = inner.places.instance(id);
    if let Ok(state) = state::read(&folder) {
        return Some((state.service, state.deployment, state.phase.into()));
    }
    let mut bytes = Vec::new();
    File::open(ShimSpec::path(&folder)).ok()?.take(MAX_SPEC).read_to_end(&mut bytes).ok()?;
    let spec: ShimSpec = serde_json::from_slice(&bytes).ok()?;
    Some((spec.service, spec.deployment, View::starting()))
}
