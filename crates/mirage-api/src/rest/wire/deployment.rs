//! Deployments.

use jiff::Timestamp;
use mirage_control::DeploymentView;
use mirage_core::port::PullProgress;
use mirage_core::{Code, Deployment, Failure, Phase, StepKind, StepRecord, Trigger};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One attempt to make a revision live.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentBody {
    /// Identity.
    pub id: String,
    /// The service's identity.
    pub service: String,
    /// Number of the revision.
    pub revision: u32,
    /// `queued`, `building`, `preparing`, `starting`, `probing`, `switching`, `active`,
    /// `superseded`, `failed`, `cancelled`.
    #[schema(value_type = String)]
    pub phase: Phase,
    /// `deploy`, `redeploy`, `rollback`.
    #[schema(value_type = String)]
    pub trigger: Trigger,
    /// The canonical reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest it makes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    /// The steps taken, oldest first.
    pub steps: Vec<StepBody>,
    /// How far the pull is, while it pulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressBody>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<FailureBody>,
    /// When it was asked for.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When it became active, failed or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub finished_at: Option<Timestamp>,
}

/// A step of a deployment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepBody {
    /// `resolve`, `pull`, `start`, `probe`, `route`, `drain`.
    #[schema(value_type = String)]
    pub kind: StepKind,
    /// What came out.
    pub summary: String,
    /// `running`, `done`, `failed`.
    pub state: String,
    /// When it began.
    #[schema(value_type = String)]
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
}

/// How far a pull is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressBody {
    /// Bytes that have to be moved.
    pub bytes_total: u64,
    /// Bytes that have arrived.
    pub bytes_done: u64,
    /// Layers of the image.
    pub layers_total: u32,
    /// The layers that have to be moved.
    pub layers: Vec<LayerProgress>,
}

/// How far a layer is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerProgress {
    /// Its digest.
    pub digest: String,
    /// Its size in bytes.
    pub bytes_total: u64,
    /// Bytes that have arrived.
    pub bytes_done: u64,
}

/// Why a deployment failed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureBody {
    /// Stable, for programs.
    #[schema(value_type = String)]
    pub code: Code,
    /// The sentence.
    pub detail: String,
    /// The next thing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The last lines that the instance wrote.
    pub log_tail: Vec<String>,
}

/// Deployments, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentList {
    /// The deployments.
    pub deployments: Vec<DeploymentBody>,
}

impl DeploymentBody {
    /// From a deployment with its revision.
    pub fn new(view: DeploymentView) -> Self {
        let DeploymentView { deployment, revision, previous, progress } = view;
        Self {
            image: Some(revision.image.reference.to_string()),
            digest: Some(revision.image.digest.to_string()),
            previous_digest: previous.map(|revision| revision.image.digest.to_string()),
            progress: progress.as_ref().map(ProgressBody::new),
            ..Self::bare(deployment)
        }
    }

    /// From a deployment alone.
    pub fn bare(deployment: Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            service: deployment.service.to_string(),
            revision: deployment.revision,
            phase: deployment.phase,
            trigger: deployment.trigger,
            image: None,
            digest: None,
            previous_digest: None,
            steps: deployment.steps.iter().map(StepBody::new).collect(),
            progress: None,
            error: deployment.failure.map(FailureBody::new),
            created_at: deployment.created_at,
            finished_at: deployment.finished_at,
        }
    }
}

impl StepBody {
    fn new(step: &StepRecord) -> Self {
        let took = step.finished_at.map(|end| end.duration_since(step.started_at).as_millis());
        Self {
            kind: step.kind,
            summary: step.summary.clone(),
            state: match (step.finished_at, step.failed) {
                (None, _) => "running",
                (Some(_), false) => "done",
                (Some(_), true) => "failed",
            }
            .into(),
            started_at: step.started_at,
            millis: took.map(|millis| u64::try_from(millis).unwrap_or(0)),
        }
    }
}

impl ProgressBody {
    fn new(progress: &PullProgress) -> Self {
        let layer = |(digest, total, done): &(mirage_core::Digest, u64, u64)| LayerProgress {
            digest: digest.to_string(),
            bytes_total: *total,
            bytes_done: *done,
        };
        Self {
            bytes_total: progress.bytes_total,
            bytes_done: progress.bytes_done,
            layers_total: progress.layers_total,
            layers: progress.layers.iter().map(layer).collect(),
        }
    }
}

impl FailureBody {
    fn new(failure: Failure) -> Self {
        Self { code: failure.code, detail: failure.message, hint: failure.hint, log_tail: failure.log_tail }
    }
}
