//! What the API answers, as far as it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_core::{Code, Error, EventKind, Phase, Secret, StepKind, Trigger};
use serde::Deserialize;

/// An error.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    hint: Option<String>,
}

impl Problem {
    /// The error as it was before it went over the wire.
    pub(crate) fn into_error(self) -> Error {
        let error = Error::new(self.code, self.detail);
        self.hint.into_iter().fold(error, Error::hint)
    }
}

/// A service.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) image_registry: String,
    pub(crate) image_name: String,
    pub(crate) image_tag: Option<String>,
    #[serde(default)]
    pub(crate) revision_image: Option<String>,
    pub(crate) image_digest: Option<String>,
    pub(crate) registry_username: Option<String>,
    pub(crate) environment_variables: BTreeMap<String, String>,
    pub(crate) sealed_variables: Vec<String>,
    pub(crate) ports: Vec<u16>,
    #[serde(default)]
    pub(crate) volumes: Vec<super::Mount>,
    pub(crate) replicas: u32,
    pub(crate) status: String,
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) domains: Vec<String>,
    pub(crate) revision: Option<u32>,
    #[serde(default)]
    pub(crate) healthcheck: Healthcheck,
    #[serde(default)]
    pub(crate) auto_deploy: bool,
    #[serde(default)]
    pub(crate) auto_deploy_paused: bool,
    #[serde(default)]
    pub(crate) rollout: Rollout,
    #[serde(default)]
    pub(crate) stop_grace_seconds: u32,
    pub(crate) instances: Vec<Instance>,
    pub(crate) active_deployment: Option<Deployment>,
    pub(crate) candidate_deployment: Option<Deployment>,
    pub(crate) latest_deployment: Option<Deployment>,
    pub(crate) updated_at: Timestamp,
}

/// How health is judged.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Healthcheck {
    #[serde(default)]
    pub(crate) check: String,
    #[serde(default)]
    pub(crate) start_timeout_seconds: f64,
}

/// How a service changes from one deployment to the next.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    pub(crate) surge: Option<u32>,
    #[serde(default)]
    pub(crate) overlap_seconds: u32,
    #[serde(default)]
    pub(crate) drain_seconds: u32,
}

impl Service {
    /// Instances of what serves that run and are healthy.
    pub(crate) fn healthy(&self) -> u32 {
        let Some(active) = &self.active_deployment else { return 0 };
        let good = |i: &&Instance| i.state == "running" && i.health == "healthy" && i.deployment == active.id;
        u32::try_from(self.instances.iter().filter(good).count()).unwrap_or(u32::MAX)
    }

    /// The name, with project and environment before it where those are not the usual ones.
    pub(crate) fn shown(&self) -> String {
        match (self.project.as_str(), self.environment.as_str()) {
            ("default", "production") => self.name.clone(),
            (project, environment) => format!("{project}/{environment}/{}", self.name),
        }
    }

    /// The image that runs, or that was asked for where none does: `ghcr.io/acme/web:2`.
    pub(crate) fn image(&self) -> String {
        self.revision_image.clone().unwrap_or_else(|| self.asked())
    }

    /// The image that was asked for last.
    pub(crate) fn asked(&self) -> String {
        let tag = self.image_tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("{}/{}{tag}", self.image_registry, self.image_name)
    }
}

/// A credential, without its password.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) registry: String,
    pub(crate) repository: Option<String>,
    pub(crate) username: String,
    pub(crate) project: String,
    pub(crate) environment: Option<String>,
    pub(crate) service: Option<String>,
}

/// A token that was made, in the one answer that has it.
#[derive(Clone, Deserialize)]
pub(crate) struct CreatedToken {
    pub(crate) token: Secret,
}

/// A container of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) deployment: String,
    pub(crate) state: String,
    pub(crate) running_since: Option<Timestamp>,
    pub(crate) health: String,
    pub(crate) health_failure: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) pid: Option<u32>,
}

/// A page of services.
#[derive(Deserialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<super::Told<Service>>,
    pub(crate) next: Option<String>,
}

/// A service that was just made.
#[derive(Deserialize)]
pub(crate) struct Created {
    pub(crate) service: Service,
    pub(crate) deployment: super::Told<Deployment>,
}

/// One attempt to make a revision live.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) revision: u32,
    pub(crate) phase: Phase,
    pub(crate) trigger: Trigger,
    pub(crate) requested_by: Option<String>,
    pub(crate) image_digest: Option<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) progress: Option<Progress>,
    pub(crate) error: Option<Failure>,
    pub(crate) created_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
}

/// Deployments, newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployments {
    pub(crate) deployments: Vec<Deployment>,
}

/// A step of a deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) summary: String,
    pub(crate) duration_millis: Option<u64>,
    pub(crate) failed: bool,
}

/// How far a pull is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) layers: Vec<Layer>,
}

/// How far a layer is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) bytes_total: u64,
    pub(crate) bytes_done: u64,
}

/// Why a deployment failed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) log_tail: Vec<String>,
}

/// What an image is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspection {
    pub(crate) docker_image: String,
    pub(crate) image_digest: String,
    pub(crate) platform: String,
    pub(crate) platforms: Vec<String>,
    pub(crate) size_bytes: u64,
    pub(crate) layers: u32,
    pub(crate) verdict: String,
    pub(crate) runs: bool,
    pub(crate) findings: Vec<ImageFinding>,
    pub(crate) present: bool,
    pub(crate) missing_bytes: Option<u64>,
    pub(crate) unpacked_bytes: Option<u64>,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) attachments: Attachments,
    pub(crate) quota: Option<Quota>,
    pub(crate) config: ImageConfig,
}

/// One thing that was found about an image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageFinding {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) refusal: Option<Code>,
}

/// What hangs on an image: `present`, `absent` or `unknown`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attachments {
    pub(crate) signature: String,
    pub(crate) sbom: String,
    pub(crate) provenance: String,
}

/// How many pulls a registry still lets through.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quota {
    pub(crate) limit: Option<u64>,
    pub(crate) remaining: u64,
    pub(crate) window_seconds: Option<u64>,
}

/// What an image says about how it wants to run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageConfig {
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) working_directory: String,
    pub(crate) user: String,
    pub(crate) exposed_ports: Vec<u16>,
    pub(crate) volumes: Vec<String>,
    pub(crate) stop_signal: Option<String>,
    #[serde(default)]
    pub(crate) health_check: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) created: Option<Timestamp>,
}

/// One line that an instance wrote.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLine {
    pub(crate) time: Timestamp,
    pub(crate) text: String,
    pub(crate) instance: String,
    pub(crate) next: String,
    pub(crate) service: String,
    #[serde(default)]
    pub(crate) lost_before: bool,
}

/// What was looked at on the platform's machine.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Diagnosis {
    pub(crate) findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) subject: String,
    pub(crate) seen: String,
    pub(crate) hint: Option<String>,
}

/// What a service did and used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metrics {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) points: Vec<MetricPoint>,
}

/// The same in a stretch of time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricPoint {
    pub(crate) time: Timestamp,
    pub(crate) seconds: u32,
    pub(crate) cpu: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) requests: u64,
    pub(crate) request_rate: f64,
    pub(crate) status: StatusClasses,
    pub(crate) latency: Option<Latency>,
}

/// Responses by class of status, as far as they are shown.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusClasses {
    #[serde(rename = "5xx")]
    pub(crate) server_error: u64,
}

/// How long requests took.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Latency {
    pub(crate) p95_millis: f64,
}

/// The event log, or a part of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) number: i64,
    pub(crate) time: Timestamp,
    pub(crate) actor: String,
    pub(crate) service: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    /// What there is to say about it beside that, by kind.
    #[serde(flatten)]
    details: BTreeMap<String, serde_json::Value>,
}

impl Event {
    /// What happened, in half a sentence; of a kind that a newer platform knows, kind and details as they came.
    pub(crate) fn told(&self) -> String {
        let details = self.details.iter().map(|(name, value)| (name.clone(), value.clone()));
        let whole = details.chain([("type".to_owned(), self.kind.clone().into())]);
        if let Ok(kind) = EventKind::deserialize(serde_json::Value::from_iter(whole)) {
            return kind.told();
        }
        let mut told = self.kind.clone();
        for (name, value) in &self.details {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::Array(all) if all.is_empty() => {}
                serde_json::Value::String(text) if text.contains(' ') => told += &format!(" {name}={text:?}"),
                serde_json::Value::String(text) => told += &format!(" {name}={text}"),
                _ if name == "deployment" => {}
                value => told += &format!(" {name}={value}"),
            }
        }
        told
    }
}
