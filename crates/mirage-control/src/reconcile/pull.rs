//! Bringing images: progress while it lasts, and what came of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mirage_core::port::{Progress, PullProgress};
use mirage_core::{DeploymentId, Failure};

/// Pulls of this life of the control plane.
#[derive(Default)]
pub(super) struct Pulls {
    all: Mutex<HashMap<DeploymentId, Pull>>,
}

#[derive(Default)]
struct Pull {
    progress: Option<PullProgress>,
    failure: Option<Failure>,
}

impl Pulls {
    pub(super) fn progress(&self, deployment: DeploymentId) -> Option<PullProgress> {
        self.lock().get(&deployment)?.progress.clone()
    }

    pub(super) fn failure(&self, deployment: DeploymentId) -> Option<Failure> {
        self.lock().get(&deployment)?.failure.clone()
    }

    /// Where the progress of this deployment's pull goes.
    pub(super) fn listener(self: &Arc<Self>, deployment: DeploymentId) -> Arc<dyn Progress> {
        Arc::new(Listener { pulls: Arc::clone(self), deployment })
    }

    pub(super) fn fail(&self, deployment: DeploymentId, failure: Failure) {
        self.lock().insert(deployment, Pull { progress: None, failure: Some(failure) });
    }

    pub(super) fn forget(&self, deployment: DeploymentId) {
        self.lock().remove(&deployment);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Pull>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    pulls: Arc<Pulls>,
    deployment: DeploymentId,
}

impl Progress for Listener {
    fn report(&self, progress: &PullProgress) {
        self.pulls.lock().entry(self.deployment).or_default().progress = Some(progress.clone());
    }
}
