//! Services.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_control::{InstanceView, ServiceListing, ServiceView};
use mirage_core::{InstanceState, RestartPolicy, Source, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deployment::DeploymentBody;

/// A service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBody {
    /// Identity.
    pub id: String,
    /// Name.
    pub name: String,
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// `docker_image` or `source_repo`.
    pub deployment_type: String,
    /// The canonical reference.
    pub docker_image: String,
    /// Registry.
    pub image_registry: String,
    /// Repository.
    pub image_name: String,
    /// Tag, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// The digest that runs, or is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Whether credentials are used.
    pub image_auth_required: bool,
    /// Ports in force.
    pub ports: Vec<u16>,
    /// Instances wanted.
    pub replicas: u32,
    /// Instances that run and are healthy.
    pub healthy_replicas: u32,
    /// `active`, `deploying`, `degraded`, `unhealthy`, `exited`, `failed`, `stopped`, `removing`.
    pub status: String,
    /// Where it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Number of the active revision, else of the one on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Names of its variables with their values.
    pub environment_variables: BTreeMap<String, String>,
    /// Restart policy.
    #[schema(value_type = String)]
    pub restart_policy: RestartPolicy,
    /// Replaced command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The deployment that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deployment: Option<String>,
    /// The newest deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_deployment: Option<String>,
    /// Its containers.
    pub instances: Vec<InstanceBody>,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// When its settings last changed.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

/// A container of a service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceBody {
    /// Identity.
    pub id: String,
    /// Its deployment.
    pub deployment: String,
    /// Place among the replicas.
    pub ordinal: u32,
    /// `starting`, `running`, `stopping`, `exited`.
    pub state: String,
    /// `healthy`, `unhealthy`, `unknown`.
    pub health: String,
    /// The last bad answer to a probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_reason: Option<String>,
    /// Its address on the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its first process, seen from the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Failures in a row before it.
    pub restarts: u32,
    /// Since when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub since: Option<Timestamp>,
}

/// A page of services.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceList {
    /// The services, by name.
    pub services: Vec<ServiceBody>,
    /// What to pass as `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A service that was just made, and its first deployment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedBody {
    /// The service.
    pub service: ServiceBody,
    /// The deployment.
    pub deployment: DeploymentBody,
}

impl ServiceBody {
    /// From the service as control sees it.
    pub fn new(view: ServiceView) -> Self {
        let Source::Image(reference) = &view.service.spec.source;
        let spec = &view.service.spec;
        let healthy = |i: &&InstanceView| {
            matches!(i.state, InstanceState::Running { .. })
                && i.verdict == Verdict::Healthy
                && view.active.as_ref().is_some_and(|active| active.id == i.instance.deployment)
        };
        Self {
            id: view.service.id.to_string(),
            name: view.service.name.to_string(),
            project: view.project.name.to_string(),
            environment: view.environment.name.to_string(),
            deployment_type: "docker_image".into(),
            docker_image: reference.to_string(),
            image_registry: reference.host().to_string(),
            image_name: reference.repository().to_string(),
            image_tag: reference.tag().map(ToString::to_string),
            image_digest: view.revision.as_ref().map(|revision| revision.image.digest.to_string()),
            image_auth_required: false,
            ports: view.revision.iter().flat_map(|revision| revision.ports()).map(|port| port.get()).collect(),
            replicas: view.service.replicas,
            healthy_replicas: u32::try_from(view.instances.iter().filter(healthy).count()).unwrap_or(u32::MAX),
            status: view.status.as_str().into(),
            url: view.url.clone(),
            revision: view.revision.as_ref().map(|revision| revision.number),
            environment_variables: spec
                .variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.reveal().to_owned()))
                .collect(),
            restart_policy: spec.restart,
            command: spec.command.clone(),
            active_deployment: view.active.as_ref().map(|deployment| deployment.id.to_string()),
            latest_deployment: view.newest.as_ref().map(|deployment| deployment.id.to_string()),
            instances: view.instances.iter().map(InstanceBody::new).collect(),
            created_at: view.service.created_at,
            updated_at: view.service.updated_at,
        }
    }
}

impl InstanceBody {
    fn new(view: &InstanceView) -> Self {
        let (state, since) = match &view.state {
            InstanceState::Starting => ("starting", None),
            InstanceState::Running { since } => ("running", Some(*since)),
            InstanceState::Stopping => ("stopping", None),
            InstanceState::Exited(_) => ("exited", None),
        };
        let (health, health_reason) = match &view.verdict {
            Verdict::Unknown => ("unknown", None),
            Verdict::Healthy => ("healthy", None),
            Verdict::Unhealthy(failure) => ("unhealthy", Some(failure.to_string())),
        };
        Self {
            id: view.instance.id.to_string(),
            deployment: view.instance.deployment.to_string(),
            ordinal: view.instance.ordinal,
            state: state.into(),
            health: health.into(),
            health_reason,
            address: view.address.map(|address| address.to_string()),
            pid: view.pid,
            restarts: view.instance.attempt,
            since,
        }
    }
}

impl ServiceList {
    /// From a page.
    pub fn new(listing: ServiceListing) -> Self {
        let last = listing.services.last().filter(|_| listing.more);
        let next = last.map(|view| format!("{}/{}", view.service.name, view.service.id));
        Self { next, services: listing.services.into_iter().map(ServiceBody::new).collect() }
    }
}
