//! Deployments in answers.

use jiff::Timestamp;
use mirage_control::DeploymentView;
use mirage_core as core;
use mirage_core::port::PullProgress;
use serde::Serialize;
use utoipa::ToSchema;

/// One attempt to make a revision live.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    /// Identity.
    id: String,
    /// The service's identity.
    service: String,
    /// Number of the revision it makes live.
    revision: u32,
    /// How far it is.
    phase: Phase,
    /// Why it was started.
    trigger: Trigger,
    /// Who asked for it; absent where that is not remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<String>,
    /// What it replaces when it becomes active.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    /// The steps taken, oldest first.
    steps: Vec<Step>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it became active, failed or cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

/// A deployment with its images, and with how far its pull is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentDetail {
    #[serde(flatten)]
    deployment: Deployment,
    /// The image it runs, with its digest.
    image: String,
    /// What the image's tag pointed to.
    image_digest: String,
    /// The same of what it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_image_digest: Option<String>,
    /// How far the pull is, while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
}

/// The deployments of a service, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deployments {
    /// The deployments.
    pub(crate) deployments: Vec<DeploymentDetail>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How far a deployment is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Waits for its turn.
    Queued,
    /// An image is made from source.
    Building,
    /// The image is brought to the target.
    Preparing,
    /// Processes are started.
    Starting,
    /// Processes are asked whether they are well.
    Probing,
    /// Traffic moves over.
    Switching,
    /// The wanted digest runs, was seen healthy, and has the traffic.
    Active,
    /// A newer deployment took over.
    Superseded,
    /// It did not become active, and is gone.
    Failed,
    /// A user stopped it, and it is gone.
    Cancelled,
}

/// Why a deployment was started.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Trigger {
    /// The source was resolved anew.
    Deploy,
    /// The same revision again.
    Redeploy,
    /// An older revision again.
    Rollback,
    /// The tag was pushed to the built-in registry, and the source resolved anew.
    Push,
}

/// What a step did.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepKind {
    /// Tag to digest.
    Resolve,
    /// Bytes to the target.
    Pull,
    /// Processes started.
    Start,
    /// Processes found healthy.
    Probe,
    /// Traffic moved.
    Route,
    /// Old requests finished, old processes stopped.
    Drain,
}

/// A step that was taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Step {
    /// What was done.
    kind: StepKind,
    /// What came out, in half a sentence.
    summary: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended; null while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How long it took; null while it lasts.
    duration_millis: Option<u64>,
    /// Whether it ended badly.
    failed: bool,
}

/// Why a deployment failed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Failure {
    /// The code, as in errors of the API.
    code: String,
    /// The sentence.
    message: String,
    /// The next thing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The last lines the instance wrote.
    log_tail: Vec<String>,
}

/// How far a pull is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Progress {
    /// Layers of the image.
    layers_total: u32,
    /// Layers that have to be moved; the others were here.
    layers_moved: u32,
    /// Bytes that have to be moved.
    bytes_total: u64,
    /// Bytes that have arrived.
    bytes_done: u64,
    /// Each layer that has to be moved.
    layers: Vec<LayerProgress>,
}

/// How far a layer is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LayerProgress {
    /// The layer.
    digest: String,
    /// Its size in bytes, compressed.
    bytes_total: u64,
    /// How much of it has arrived.
    bytes_done: u64,
}

impl From<&core::Deployment> for Deployment {
    fn from(deployment: &core::Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            service: deployment.service.to_string(),
            revision: deployment.revision,
            phase: deployment.phase.into(),
            trigger: deployment.trigger.into(),
            requested_by: Some(deployment.requested_by.clone()).filter(|name| !name.is_empty()),
            replaces: deployment.replaces.map(|id| id.to_string()),
            steps: deployment.steps.iter().map(Step::from).collect(),
            error: deployment.failure.as_ref().map(Failure::from),
            created_at: deployment.created_at,
            finished_at: deployment.finished_at,
        }
    }
}

impl From<DeploymentView> for DeploymentDetail {
    fn from(view: DeploymentView) -> Self {
        let image = &view.revision.image;
        Self {
            deployment: Deployment::from(&view.deployment),
            image: image.reference.pinned(image.digest.clone()).to_string(),
            image_digest: image.digest.to_string(),
            previous_image_digest: view.previous.map(|revision| revision.image.digest.to_string()),
            progress: view.progress.map(Progress::from),
        }
    }
}

impl From<core::Phase> for Phase {
    fn from(phase: core::Phase) -> Self {
        match phase {
            core::Phase::Queued => Self::Queued,
            core::Phase::Building => Self::Building,
            core::Phase::Preparing => Self::Preparing,
            core::Phase::Starting => Self::Starting,
            core::Phase::Probing => Self::Probing,
            core::Phase::Switching => Self::Switching,
            core::Phase::Active => Self::Active,
            core::Phase::Superseded => Self::Superseded,
            core::Phase::Failed => Self::Failed,
            core::Phase::Cancelled => Self::Cancelled,
        }
    }
}

impl From<core::Trigger> for Trigger {
    fn from(trigger: core::Trigger) -> Self {
        match trigger {
            core::Trigger::Deploy => Self::Deploy,
            core::Trigger::Redeploy => Self::Redeploy,
            core::Trigger::Rollback => Self::Rollback,
            core::Trigger::Push => Self::Push,
        }
    }
}

impl From<core::StepKind> for StepKind {
    fn from(kind: core::StepKind) -> Self {
        match kind {
            core::StepKind::Resolve => Self::Resolve,
            core::StepKind::Pull => Self::Pull,
            core::StepKind::Start => Self::Start,
            core::StepKind::Probe => Self::Probe,
            core::StepKind::Route => Self::Route,
            core::StepKind::Drain => Self::Drain,
        }
    }
}

impl From<&core::StepRecord> for Step {
    fn from(step: &core::StepRecord) -> Self {
        let millis =
            |end: Timestamp| u64::try_from(end.duration_since(step.started_at).as_millis()).unwrap_or(0);
        Self {
            kind: step.kind.into(),
            summary: step.summary.clone(),
            started_at: step.started_at,
            finished_at: step.finished_at,
            duration_millis: step.finished_at.map(millis),
            failed: step.failed,
        }
    }
}

impl From<&core::Failure> for Failure {
    fn from(failure: &core::Failure) -> Self {
        Self {
            code: failure.code.to_string(),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
            log_tail: failure.log_tail.clone(),
        }
    }
}

impl From<PullProgress> for Progress {
    fn from(progress: PullProgress) -> Self {
        let layer = |(digest, bytes_total, bytes_done): (core::Digest, u64, u64)| LayerProgress {
            digest: digest.to_string(),
            bytes_total,
            bytes_done,
        };
        Self {
            layers_total: progress.layers_total,
            layers_moved: progress.layers_moved,
            bytes_total: progress.bytes_total,
            bytes_done: progress.bytes_done,
            layers: progress.layers.into_iter().map(layer).collect(),
        }
    }
}
