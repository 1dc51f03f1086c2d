//! Services in answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_control::{InstanceView, ServiceStatus, ServiceView};
use mirage_core as core;
use mirage_core::{Reference, Source, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::deployment::Deployment;
use super::settings::{Healthcheck, Resources, RestartPolicy, Rollout};
use super::volume::Mount;

/// Something that runs in an environment and answers at an address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service {
    /// Identity.
    id: String,
    /// Unique in its environment.
    name: String,
    /// The project's name.
    project: String,
    /// The environment's name.
    environment: String,
    /// Where the software comes from.
    deployment_type: DeploymentType,
    /// The image as it was asked for.
    docker_image: String,
    /// Its registry.
    image_registry: String,
    /// Its repository.
    image_name: String,
    /// Its tag, where one was asked for.
    image_tag: Option<String>,
    /// The image of the revision below: another one than is set after a failed deploy, and where a change waits.
    revision_image: Option<String>,
    /// What that image turned out to be.
    image_digest: Option<String>,
    /// Whether the registry is asked with a credential of this service.
    image_auth_required: bool,
    /// The user name of that credential.
    registry_username: Option<String>,
    /// Ports the process listens on, the routed one first.
    ports: Vec<u16>,
    /// Instances wanted.
    replicas: u32,
    /// How it is.
    status: Status,
    /// Where it answers; null for a worker.
    url: Option<String>,
    /// Domains at which it answers beside that.
    domains: Vec<String>,
    /// Number of the revision that serves, else of the one on its way, else of the newest.
    revision: Option<u32>,
    /// Variables that were set for the service.
    #[schema(value_type = BTreeMap<String, String>)]
    environment_variables: BTreeMap<String, String>,
    /// The names of variables whose values are sealed.
    sealed_variables: Vec<String>,
    /// Replaces the image's command.
    command: Option<Vec<String>>,
    /// How health is judged.
    healthcheck: Healthcheck,
    /// Limits of each instance.
    resources: Resources,
    /// What happens when the process exits.
    restart_policy: RestartPolicy,
    /// Whether programs may gain privileges.
    allow_new_privileges: bool,
    /// Whether it is deployed by itself when its tag is pushed to the built-in registry.
    auto_deploy: bool,
    /// Whether pushes set nothing off, because it was rolled back since its last deploy.
    auto_deploy_paused: bool,
    /// How it changes from one deployment to the next.
    rollout: Rollout,
    /// Its volumes.
    volumes: Vec<Mount>,
    /// Seconds between the stop signal and the kill.
    stop_grace_seconds: u32,
    /// The containers that are not gone.
    instances: Vec<Instance>,
    /// What serves.
    active_deployment: Option<Deployment>,
    /// What is on its way.
    candidate_deployment: Option<Deployment>,
    /// The newest deployment, whatever became of it.
    latest_deployment: Option<Deployment>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Where the software of a service comes from.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeploymentType {
    /// A container image.
    DockerImage,
}

/// How a service is, in one word.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Everything that should run runs and is healthy.
    Active,
    /// A deployment is on its way.
    Deploying,
    /// It serves, but not every instance is healthy.
    Degraded,
    /// Nothing of it is healthy.
    Unhealthy,
    /// Its processes ended and are not started again.
    Exited,
    /// No deployment ever became active.
    Failed,
    /// No instance is wanted.
    Stopped,
    /// It is on its way out.
    Removing,
}

/// A container of a service.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Instance {
    /// Identity.
    id: String,
    /// The deployment it belongs to.
    deployment: String,
    /// Its place among the replicas, from 0.
    ordinal: u32,
    /// How its process is.
    state: InstanceState,
    /// Since when it runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    running_since: Option<Timestamp>,
    /// How it ended: `exit code 1`, `out of memory`, …
    exit: Option<String>,
    /// What the health check says.
    health: Health,
    /// The last bad answer to the health check.
    health_failure: Option<String>,
    /// Its address on this machine.
    address: Option<String>,
    /// Its first process, seen from the host.
    pid: Option<u32>,
}

/// How the process of an instance is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum InstanceState {
    /// On its way up.
    Starting,
    /// Runs.
    Running,
    /// Asked to stop, not yet gone.
    Stopping,
    /// Gone.
    Exited,
}

/// What the health check says.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Health {
    /// Nothing yet.
    Unknown,
    /// The last answer was good.
    Healthy,
    /// The last answers were bad.
    Unhealthy,
}

impl From<ServiceView> for Service {
    fn from(view: ServiceView) -> Self {
        let ServiceView {
            service,
            project,
            environment,
            status,
            active,
            candidate,
            newest,
            revision,
            instances,
            url,
            domains,
            credential,
        } = view;
        let Source::Image(reference) = &service.spec.source;
        let healthcheck = healthcheck(&service.spec, revision.as_ref());
        let ports = match &revision {
            Some(revision) => revision.ports(),
            None => service.spec.ports.clone().unwrap_or_default(),
        };
        Self {
            id: service.id.to_string(),
            name: service.name.to_string(),
            project: project.name.to_string(),
            environment: environment.name.to_string(),
            deployment_type: DeploymentType::DockerImage,
            docker_image: reference.to_string(),
            image_registry: reference.host().to_string(),
            image_name: reference.repository().to_string(),
            image_tag: reference.tag().map(ToString::to_string),
            revision_image: revision.as_ref().map(|revision| revision.image.reference.to_string()),
            image_digest: digest(reference, revision.as_ref()),
            image_auth_required: credential.is_some(),
            registry_username: credential.map(|owner| owner.username),
            ports: ports.into_iter().map(core::Port::get).collect(),
            replicas: service.replicas,
            status: status.into(),
            url,
            domains: domains.iter().map(ToString::to_string).collect(),
            revision: revision.map(|revision| revision.number),
            environment_variables: shown(&service.spec),
            sealed_variables: sealed(&service.spec),
            command: service.spec.command.clone(),
            healthcheck,
            resources: Resources::from(&service.spec.resources),
            restart_policy: service.spec.restart.into(),
            allow_new_privileges: service.spec.allow_new_privileges,
            auto_deploy: service.spec.auto_deploy,
            auto_deploy_paused: service.auto_deploy_paused,
            rollout: Rollout::from(&service.spec.rollout),
            volumes: service.spec.volumes.iter().map(Mount::from).collect(),
            stop_grace_seconds: service.spec.stop_grace_seconds,
            instances: instances.into_iter().map(Instance::from).collect(),
            active_deployment: active.as_ref().map(Deployment::from),
            candidate_deployment: candidate.as_ref().map(Deployment::from),
            latest_deployment: newest.as_ref().map(Deployment::from),
            created_at: service.created_at,
            updated_at: service.updated_at,
        }
    }
}

/// The digest that the revision runs, else the one that was asked for.
fn digest(asked: &Reference, revision: Option<&core::Revision>) -> Option<String> {
    revision.map(|revision| &revision.image.digest).or(asked.digest()).map(ToString::to_string)
}

/// How health is judged by what was asked for last, of the image that is known.
fn healthcheck(spec: &core::ServiceSpec, revision: Option<&core::Revision>) -> Healthcheck {
    let asked = revision.map(|revision| core::Revision { spec: spec.clone(), ..revision.clone() });
    let (check, timing) = match &asked {
        Some(revision) => (revision.check(), revision.timing()),
        None => {
            let (nothing, port) = (core::ImageConfig::default(), spec.ports.iter().flatten().next().copied());
            let check = core::Check::of(&spec.probe, &nothing, port);
            let timing = core::Timing::of(&spec.probe, &nothing.health_timing, &check);
            (check, timing)
        }
    };
    Healthcheck::new(&spec.probe, &check, timing)
}

/// Plain variables: whoever may read the service may read them.
fn shown(spec: &core::ServiceSpec) -> BTreeMap<String, String> {
    let plain = spec.variables.iter().filter_map(|(name, value)| Some((name, value.plain()?)));
    plain.map(|(name, value)| (name.to_string(), value.to_owned())).collect()
}

fn sealed(spec: &core::ServiceSpec) -> Vec<String> {
    let sealed = spec.variables.iter().filter(|(_, value)| value.plain().is_none());
    sealed.map(|(name, _)| name.to_string()).collect()
}

impl From<ServiceStatus> for Status {
    fn from(status: ServiceStatus) -> Self {
        match status {
            ServiceStatus::Active => Self::Active,
            ServiceStatus::Deploying => Self::Deploying,
            ServiceStatus::Degraded => Self::Degraded,
            ServiceStatus::Unhealthy => Self::Unhealthy,
            ServiceStatus::Exited => Self::Exited,
            ServiceStatus::Failed => Self::Failed,
            ServiceStatus::Stopped => Self::Stopped,
            ServiceStatus::Removing => Self::Removing,
        }
    }
}

impl From<InstanceView> for Instance {
    fn from(view: InstanceView) -> Self {
        let (state, running_since, exit) = match view.state {
            core::InstanceState::Starting => (InstanceState::Starting, None, None),
            core::InstanceState::Running { since } => (InstanceState::Running, Some(since), None),
            core::InstanceState::Stopping => (InstanceState::Stopping, None, None),
            core::InstanceState::Exited(exit) => (InstanceState::Exited, None, Some(exit.to_string())),
        };
        let (health, health_failure) = match view.verdict {
            Verdict::Unknown => (Health::Unknown, None),
            Verdict::Healthy => (Health::Healthy, None),
            Verdict::Unhealthy(failure) => (Health::Unhealthy, Some(failure.to_string())),
        };
        Self {
            id: view.instance.id.to_string(),
            deployment: view.instance.deployment.to_string(),
            ordinal: view.instance.ordinal,
            state,
            running_since,
            exit,
            health,
            health_failure,
            address: view.address.map(|address| address.to_string()),
            pid: view.pid,
        }
    }
}
