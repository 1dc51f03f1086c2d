//! What there is, and how it is.

use std::net::IpAddr;

use mirage_core::port::PullProgress;
use mirage_core::{
    Code, CredentialOwner, Deployment, DeploymentId, Domain, Environment, Error, Instance, InstanceState,
    Project, Result, Revision, Service, Verdict,
};
use mirage_store::{Page, ServiceFacts, ServiceFilter};

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;

/// A service with everything a face shows of it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// The service.
    pub service: Service,
    /// Its project.
    pub project: Project,
    /// Its environment.
    pub environment: Environment,
    /// How it is.
    pub status: ServiceStatus,
    /// What serves.
    pub active: Option<Deployment>,
    /// What is on its way.
    pub candidate: Option<Deployment>,
    /// The newest deployment, whatever became of it.
    pub newest: Option<Deployment>,
    /// The revision of what serves, else of what is on its way, else of the newest.
    pub revision: Option<Revision>,
    /// The containers that are not gone.
    pub instances: Vec<InstanceView>,
    /// Where it answers; `None` for a worker.
    pub url: Option<String>,
    /// Domains of its own.
    pub domains: Vec<Domain>,
    /// Whose credential of its own it pulls with.
    pub credential: Option<CredentialOwner>,
}

/// How a service is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceStatus {
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

impl ServiceStatus {
    /// The word, lower-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deploying => "deploying",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Removing => "removing",
        }
    }
}

/// A container with what is known of it right now.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// What is remembered.
    pub instance: Instance,
    /// How it is.
    pub state: InstanceState,
    /// What probing says.
    pub verdict: Verdict,
    /// Its address on this machine.
    pub address: Option<IpAddr>,
    /// Its first process, seen from the host.
    pub pid: Option<u32>,
}

/// A deployment with what is known of it right now.
#[derive(Clone, Debug)]
pub struct DeploymentView {
    /// The deployment.
    pub deployment: Deployment,
    /// Its revision.
    pub revision: Revision,
    /// The revision of what it replaces.
    pub previous: Option<Revision>,
    /// How far its pull is, while it pulls.
    pub progress: Option<PullProgress>,
}

impl Control {
    /// A page of services, by name.
    pub async fn services(
        &self,
        actor: &Actor,
        filter: &ServiceFilter,
        page: &Page,
    ) -> Result<Listing<ServiceView>> {
        self.allow(actor, Action::Read)?;
        let wanted = Page { limit: page.limit.saturating_add(1), ..page.clone() };
        let Listing { items, more } =
            Listing::of(self.parts.store.services(filter, &wanted).await?, page.limit);
        Ok(Listing { items: self.views(items).await?, more })
    }

    /// One service.
    pub async fn service(&self, actor: &Actor, wanted: &ServiceRef) -> Result<ServiceView> {
        self.allow(actor, Action::Read)?;
        let service = self.find(wanted).await?;
        self.view(service).await
    }

    /// A page of the deployments of a service, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the service has no deployment `after`.
    pub async fn deployments(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        after: Option<DeploymentId>,
        limit: u32,
    ) -> Result<Listing<DeploymentView>> {
        self.allow(actor, Action::Read)?;
        let service = self.find(wanted).await?;
        let (store, most) = (&self.parts.store, limit.saturating_add(1));
        let found = match after {
            None => store.deployments(service.id, most).await?,
            Some(after) => store.deployments_after(service.id, after, most).await?.ok_or_else(|| {
                let what = format!("`{}` has no deployment `{after}`", service.name);
                Error::new(Code::InvalidRequest, what)
                    .field("after")
                    .hint("send the `next` of the page before")
            })?,
        };
        let page = Listing::of(found, limit);
        let mut items = Vec::with_capacity(page.items.len());
        for deployment in page.items {
            items.push(self.deployment_view(deployment).await?);
        }
        Ok(Listing { items, more: page.more })
    }

    /// One deployment.
    pub async fn deployment(&self, actor: &Actor, id: DeploymentId) -> Result<DeploymentView> {
        self.allow(actor, Action::Read)?;
        let deployment = self.read_deployment(id).await?;
        self.deployment_view(deployment).await
    }

    /// Whether the database and the proxy answer.
    pub async fn ready(&self) -> Result<()> {
        self.alive().await?;
        self.parts.router.table().await?;
        Ok(())
    }

    /// Whether the database answers.
    pub async fn alive(&self) -> Result<()> {
        self.parts.store.newest_event().await.map(drop)
    }

    pub(crate) async fn read_deployment(&self, id: DeploymentId) -> Result<Deployment> {
        let found = self.parts.store.deployment(id).await?;
        found.ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no deployment `{id}`"))
                .hint("`mirage deployments NAME` lists those of a service")
        })
    }

    pub(crate) async fn view(&self, service: Service) -> Result<ServiceView> {
        let name = service.name.clone();
        let view = self.views(vec![service]).await?.pop();
        view.ok_or_else(|| Error::new(Code::NotFound, format!("the environment of `{name}` is gone")))
    }

    /// The services with what is shown of them; one whose environment has just gone is left out.
    async fn views(&self, services: Vec<Service>) -> Result<Vec<ServiceView>> {
        let mut facts = self.parts.store.facts(&services).await?;
        let mut views = Vec::with_capacity(services.len());
        for service in services {
            let Some((project, environment)) = facts.places.get(&service.environment).cloned() else {
                continue;
            };
            let own = facts.services.remove(&service.id).unwrap_or_default();
            let ServiceFacts { active, candidate, newest, revision, instances, credential, domains } = own;
            let instances = self.reconciler.views_of(instances).await?;
            let routed = revision.as_ref().is_none_or(|revision| revision.routed_port().is_some());
            let url = routed.then(|| self.parts.settings.url_of(&service));
            let status = status(&service, active.as_ref(), candidate.is_some(), &instances);
            views.push(ServiceView {
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
            });
        }
        Ok(views)
    }

    async fn deployment_view(&self, deployment: Deployment) -> Result<DeploymentView> {
        let revision = self.parts.store.revision(deployment.service, deployment.revision).await?;
        let revision = revision
            .ok_or_else(|| Error::new(Code::NotFound, format!("revision {} is gone", deployment.revision)))?;
        let previous = match deployment.replaces {
            Some(id) => match self.parts.store.deployment(id).await? {
                Some(old) => self.parts.store.revision(old.service, old.revision).await?,
                None => None,
            },
            None => None,
        };
        let progress = self.reconciler.progress(deployment.id);
        Ok(DeploymentView { deployment, revision, previous, progress })
    }
}

fn status(
    service: &Service,
    active: Option<&Deployment>,
    deploying: bool,
    instances: &[InstanceView],
) -> ServiceStatus {
    if service.removed {
        return ServiceStatus::Removing;
    }
    if deploying {
        return ServiceStatus::Deploying;
    }
    let Some(active) = active else { return ServiceStatus::Failed };
    if service.replicas == 0 {
        return ServiceStatus::Stopped;
    }
    let own = instances.iter().filter(|i| i.instance.deployment == active.id);
    let (mut up, mut healthy) = (0, 0);
    for instance in own {
        match instance.state {
            InstanceState::Running { .. } if instance.verdict == Verdict::Healthy => healthy += 1,
            InstanceState::Starting | InstanceState::Running { .. } => up += 1,
            _ => {}
        }
    }
    match (healthy, up) {
        (healthy, _) if healthy >= service.replicas => ServiceStatus::Active,
        (0, 0) => ServiceStatus::Exited,
        (0, _) => ServiceStatus::Unhealthy,
        _ => ServiceStatus::Degraded,
    }
}
