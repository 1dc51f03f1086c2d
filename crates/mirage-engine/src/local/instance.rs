//! What the engine remembers of an instance while it is there.

use std::sync::{Arc, Mutex, PoisonError};

use mirage_core::{DeploymentId, Exit, InstanceId, InstanceState, ServiceId};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::shim::Request;
use crate::shim::state::Phase;

/// Requests to a shim that wait at most; a stop is one.
const MAX_REQUESTS: usize = 16;

/// How an instance is, as its shim said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// How it is.
    pub(super) state: InstanceState,
    /// Its first process, seen from the host.
    pub(super) pid: Option<u32>,
}

impl View {
    /// Before a shim has said anything.
    pub(super) fn starting() -> Self {
        Self { state: InstanceState::Starting, pid: None }
    }

    /// When it has ended.
    pub(super) fn exited(exit: Exit) -> Self {
        Self { state: InstanceState::Exited(exit), pid: None }
    }

    /// Whether nothing will change any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, InstanceState::Exited(_))
    }
}

impl From<Phase> for View {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => Self::starting(),
            Phase::Running { process, since } => {
                Self { state: InstanceState::Running { since }, pid: u32::try_from(process.pid).ok() }
            }
            Phase::Stopping { process, .. } => {
                Self { state: InstanceState::Stopping, pid: u32::try_from(process.pid).ok() }
            }
            Phase::Exited { exit } => Self::exited(exit),
        }
    }
}

/// An instance, seen by whoever asks for it.
#[derive(Debug)]
pub(super) struct Instance {
    /// Identity.
    pub(super) id: InstanceId,
    /// The service.
    pub(super) service: ServiceId,
    /// The deployment.
    pub(super) deployment: DeploymentId,
    view: watch::Receiver<View>,
    requests: mpsc::Sender<Request>,
    task: Mutex<Option<AbortHandle>>,
    /// Held while it is removed: a start that failed and a stop may both want to.
    pub(super) removal: tokio::sync::Mutex<()>,
    /// Held while a command runs in it.
    pub(super) command: tokio::sync::Mutex<()>,
}

/// The same, seen by the one task that looks after it. When this is dropped, the shim is gone.
#[derive(Debug)]
pub(super) struct Care {
    /// To be kept up to date.
    pub(super) view: watch::Sender<View>,
    /// To be handed to the shim.
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Instance {
    /// An instance that is looked after by whoever gets the second half.
    pub(super) fn new(
        id: InstanceId,
        service: ServiceId,
        deployment: DeploymentId,
        view: View,
    ) -> (Arc<Self>, Care) {
        let (sender, view) = watch::channel(view);
        let (requests, receiver) = mpsc::channel(MAX_REQUESTS);
        let instance = Self {
            id,
            service,
            deployment,
            view,
            requests,
            task: Mutex::default(),
            removal: tokio::sync::Mutex::default(),
            command: tokio::sync::Mutex::default(),
        };
        (Arc::new(instance), Care { view: sender, requests: receiver })
    }

    /// How it is.
    pub(super) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Hands a request to the shim, now or when it can be reached. Where more wait than any caller
    /// sends, or the shim is gone, this one has no effect.
    pub(super) fn request(&self, request: Request) {
        // Nothing is lost: the caller waits for the state, not for an answer.
        let _ = self.requests.try_send(request);
    }

    /// Waits until it is on its way up no longer; answers whether it has arrived somewhere.
    pub(super) async fn settled(&self) -> bool {
        let mut view = self.view.clone();
        view.wait_for(|view| view.state != InstanceState::Starting).await.is_ok()
    }

    /// Waits until it does not run, be it that it does not yet or no longer.
    ///
    /// # Errors
    /// Where nobody looks after it any more.
    pub(super) async fn left_running(&self) -> Result<(), watch::error::RecvError> {
        let mut view = self.view.clone();
        view.wait_for(|view| !matches!(view.state, InstanceState::Running { .. })).await.map(drop)
    }

    /// Waits until nobody looks after it any more, because its shim is gone.
    pub(super) async fn gone(&self) {
        let mut view = self.view.clone();
        while view.changed().await.is_ok() {}
    }

    /// Remembers the task that looks after it.
    pub(super) fn looked_after_by(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ends the task that looks after it; instance and shim go on.
    pub(super) fn let_go(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}
