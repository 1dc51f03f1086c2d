//! Making a service from an image.

use std::collections::BTreeMap;

use mirage_core::{
    Code, CredentialChange, Deployment, DeploymentId, DraftId, Environment, EnvironmentId, Error, EventKind,
    Name, Phase, Project, ProjectId, Result, Revision, Service, ServiceId, ServiceSpec, Source, Trigger,
    VariableInput, VariableName, host_label,
};
use mirage_store::{NewDeployment, Tx};

use crate::Control;
use crate::access::{Action, Actor};
use crate::deploy::Resolution;
use crate::domain::NewDomain;
use crate::login::Puller;
use crate::patch::{kept, objections};
use crate::read::ServiceView;

/// The project and environment that exist without being made.
pub(crate) const DEFAULT_PROJECT: &str = "default";
pub(crate) const DEFAULT_ENVIRONMENT: &str = "production";

/// A service that is to be made.
#[derive(Clone)]
pub struct CreateService {
    /// Its name; by default the last part of the image's repository.
    pub name: Option<Name>,
    /// Its project; `default` by default.
    pub project: Option<Name>,
    /// Its environment; `production` by default.
    pub environment: Option<Name>,
    /// What it consists of, but for its variables.
    pub spec: ServiceSpec,
    /// Its variables.
    pub variables: BTreeMap<VariableName, VariableInput>,
    /// The credential for its image's registry.
    pub credentials: CredentialChange,
    /// How many instances are wanted.
    pub replicas: u32,
    /// Domains of its own.
    pub domains: Vec<NewDomain>,
}

impl CreateService {
    /// One instance of this, everything else by default.
    pub fn new(spec: ServiceSpec) -> Self {
        Self {
            name: None,
            project: None,
            environment: None,
            spec,
            variables: BTreeMap::new(),
            credentials: CredentialChange::default(),
            replicas: 1,
            domains: Vec::new(),
        }
    }
}

/// What came of a request.
enum Created {
    /// A service, and its first deployment.
    Now(Box<Service>, DeploymentId),
    /// The deployment that its draft became earlier.
    Before(DeploymentId),
}

impl Control {
    /// Makes a service and its first deployment. The image is judged first; if it cannot run here,
    /// nothing is written.
    pub async fn create_service(
        &self,
        actor: &Actor,
        request: CreateService,
    ) -> Result<(ServiceView, Deployment)> {
        match self.create(actor, request, None).await? {
            Created::Now(service, deployment) => {
                let deployment = self.read_deployment(deployment).await?;
                Ok((self.view(*service).await?, deployment))
            }
            Created::Before(_) => Err(Error::internal("make a service", anyhow::anyhow!("of no draft"))),
        }
    }

    /// The same of what a draft says, once: the draft becomes the deployment, and asked again for it, be it at the same
    /// time, this answers with that one.
    ///
    /// # Errors
    /// What [`Self::create_service`] refuses, and `NOT_FOUND` where there is no such draft of this name.
    pub async fn deploy_draft(
        &self,
        actor: &Actor,
        draft: DraftId,
        request: CreateService,
    ) -> Result<DeploymentId> {
        match self.create(actor, request, Some(draft)).await {
            Ok(Created::Now(_, deployment) | Created::Before(deployment)) => Ok(deployment),
            // Whoever was faster has the name now.
            Err(error) => self.became(actor, draft).await?.ok_or(error),
        }
    }

    async fn create(&self, actor: &Actor, request: CreateService, draft: Option<DraftId>) -> Result<Created> {
        self.allow(actor, Action::Deploy)?;
        let (project, environment, name) = self.checked(&request).await?;
        let Source::Image(image) = &request.spec.source;
        let credential = request.credentials.decide(None, image.host())?;
        let there = self.puller_at(&project, &environment).await?;
        let login = self.parts.login(there, &credential, image).await?;
        let resolution = self.resolve(&request.spec.source, login.as_ref()).await?;
        let resolution = self.judged(resolution, &request.spec).await?;

        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        if let Some(draft) = draft
            && let Some(before) = self.parts.turned(&mut tx, actor, draft).await?
        {
            return Ok(Created::Before(before));
        }
        let (project, environment) = self.place(&mut tx, project, environment).await?;
        if tx.service_by_name(environment.id, &name).await?.is_some() {
            return Err(taken(&name, &environment.name));
        }
        let id = ServiceId::from_random(self.parts.random.bytes16());
        let mut spec = request.spec;
        for (name, input) in request.variables {
            let value = kept(&self.parts.vault, &name.binding(id), input, false)?;
            spec.variables.insert(name, value);
        }
        let service = Service {
            id,
            environment: environment.id,
            host: free_host(&mut tx, &name, &environment.name, &project.name).await?,
            name,
            spec,
            replicas: request.replicas,
            generation: 0,
            auto_deploy_paused: false,
            removed: false,
            created_at: now,
            updated_at: now,
        };
        tx.insert_service(&service).await?;
        tx.append(actor.event(now, Some(service.id), EventKind::ServiceCreated)).await?;
        self.claim_volumes(&mut tx, actor, &service).await?;
        self.keep_credential(&mut tx, actor, service.id, None, credential).await?;
        for new in &request.domains {
            self.keep_domain(&mut tx, actor, &service, new).await?;
        }
        let deployment = self.begin_deployment(&mut tx, actor, &service, resolution, Trigger::Deploy).await?;
        if let Some(draft) = draft {
            self.parts.turn(&mut tx, actor, draft, deployment).await?;
        }
        self.parts.announce(tx.commit().await?);
        self.ring(service.id);
        if !request.domains.is_empty() {
            self.domains_changed().await;
        }
        Ok(Created::Now(Box::new(service), deployment))
    }

    /// The project, environment and name of a service that is to be made, where nothing is wrong with it that can be
    /// said without its registry.
    pub(crate) async fn checked(&self, request: &CreateService) -> Result<(Name, Name, Name)> {
        let mut against = Vec::new();
        let place = self.weighed(request, &mut against).await?;
        match against.into_iter().next() {
            Some(error) => Err(error),
            None => {
                place.ok_or_else(|| Error::internal("place a service", anyhow::anyhow!("it has no name")))
            }
        }
    }

    /// All that speaks against making this service, each at its field, as far as it can be said without its registry.
    pub async fn objections(&self, actor: &Actor, request: &CreateService) -> Result<Vec<Error>> {
        self.allow(actor, Action::Read)?;
        let mut against = Vec::new();
        self.weighed(request, &mut against).await?;
        Ok(against)
    }

    /// Where the service would be, unless its name is among what speaks against it. A cheap look before the registry is
    /// asked; what is decided for good is decided in the transaction.
    async fn weighed(
        &self,
        request: &CreateService,
        against: &mut Vec<Error>,
    ) -> Result<Option<(Name, Name, Name)>> {
        against.extend(objections(&request.spec, request.replicas));
        against.extend(self.check_auto_deploy(&request.spec).err());
        let name = match &request.name {
            Some(name) => Ok(name.clone()),
            None => default_name(&request.spec.source),
        };
        against.extend(self.domain_objections(&request.domains).await?);
        let project = named(request.project.clone(), DEFAULT_PROJECT)?;
        let environment = named(request.environment.clone(), DEFAULT_ENVIRONMENT)?;
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                against.push(error);
                return Ok(None);
            }
        };
        if self.parts.store.service_at(&project, &environment, &name).await?.is_some() {
            against.push(taken(&name, &environment));
        }
        Ok(Some((project, environment, name)))
    }

    /// Who pulls for a service that is to be made there.
    pub(crate) async fn puller_at(&self, project: &Name, environment: &Name) -> Result<Puller> {
        let store = &self.parts.store;
        Ok(match store.environment_at(project, environment).await? {
            Some((project, environment)) => Puller::Place(Some(project.id), Some(environment.id)),
            None => Puller::Place(store.project_by_name(project).await?.map(|project| project.id), None),
        })
    }

    /// The project and environment of these names, made if they are not there.
    pub(crate) async fn place(
        &self,
        tx: &mut Tx,
        project: Name,
        environment: Name,
    ) -> Result<(Project, Environment)> {
        let now = self.parts.clock.now();
        let project = self.project(tx, project).await?;
        let environment = match tx.environment_by_name(project.id, &environment).await? {
            Some(environment) => environment,
            None => {
                let environment = Environment {
                    id: EnvironmentId::from_random(self.parts.random.bytes16()),
                    project: project.id,
                    name: environment,
                    network: tx.free_network().await?,
                    created_at: now,
                };
                tx.insert_environment(&environment).await?;
                environment
            }
        };
        Ok((project, environment))
    }

    /// The project of this name, made if it is not there.
    pub(crate) async fn project(&self, tx: &mut Tx, name: Name) -> Result<Project> {
        if let Some(project) = tx.project_by_name(&name).await? {
            return Ok(project);
        }
        let id = ProjectId::from_random(self.parts.random.bytes16());
        let project = Project { id, name, created_at: self.parts.clock.now() };
        tx.insert_project(&project).await?;
        Ok(project)
    }

    /// Writes the next revision of a service and a deployment of it.
    pub(crate) async fn begin_deployment(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &Service,
        resolution: Resolution,
        trigger: Trigger,
    ) -> Result<DeploymentId> {
        let now = self.parts.clock.now();
        let number = tx.newest_revision(service.id).await? + 1;
        let spec = service.spec.clone();
        let Resolution { image, started_at, summary } = resolution;
        let own = tx.own_credential(service.id).await?.map(|own| own.owner);
        let credential = own.filter(|own| own.host == *image.reference.host());
        let revision = Revision { service: service.id, number, spec, image, credential, created_at: now };
        tx.insert_revision(&revision).await?;
        let id = self.queue(tx, actor, service.id, number, trigger).await?;
        tx.begin_step(id, mirage_core::StepKind::Resolve, started_at).await?;
        tx.end_step(id, mirage_core::StepKind::Resolve, &summary, true, now).await?;
        Ok(id)
    }

    /// Queues a deployment of a revision that exists.
    pub(crate) async fn queue(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: ServiceId,
        revision: u32,
        trigger: Trigger,
    ) -> Result<DeploymentId> {
        let id = DeploymentId::from_random(self.parts.random.bytes16());
        let replaces = tx.active_deployment(service).await?;
        let created_at = self.parts.clock.now();
        let requested_by = actor.name().to_owned();
        let new = NewDeployment { id, service, revision, trigger, requested_by, replaces, created_at };
        for superseded in tx.insert_deployment(&new).await? {
            let kind = EventKind::PhaseChanged { phase: Phase::Superseded };
            tx.append(Actor::platform().event_of(created_at, (service, superseded), kind)).await?;
        }
        let previous = match replaces {
            Some(active) => tx.image_of_deployment(active).await?.map(|image| image.digest.to_string()),
            None => None,
        };
        if let Some(image) = tx.image_of_deployment(id).await? {
            let kind = EventKind::DeploymentRequested {
                reason: trigger,
                revision,
                image: image.reference.to_string(),
                digest: image.digest.to_string(),
                previous,
            };
            tx.append(actor.event_of(created_at, (service, id), kind)).await?;
        }
        Ok(id)
    }
}

pub(crate) fn named(name: Option<Name>, default: &str) -> Result<Name> {
    name.map_or_else(|| default.parse(), Ok)
}

fn default_name(source: &Source) -> Result<Name> {
    let Source::Image(reference) = source;
    let last = reference.repository().last();
    Name::suggest(last).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("`{last}` cannot be made into a name"))
            .field("name")
            .hint("give the service a name")
    })
}

fn taken(name: &Name, environment: &Name) -> Error {
    Error::new(Code::NameTaken, format!("`{environment}` has a service `{name}` already"))
        .field("name")
        .hint(format!("choose another name, or deploy to it: `mirage deploy --name {name}`"))
}

/// The first label of the service's address, with the project in it where it is taken without.
async fn free_host(tx: &mut Tx, name: &Name, environment: &Name, project: &Name) -> Result<String> {
    let mut tried = String::new();
    for project in [None, Some(project)] {
        let Some(host) = host_label(name, environment, project) else { continue };
        if !tx.host_is_taken(&host).await? {
            return Ok(host);
        }
        tried = host;
    }
    Err(Error::new(Code::RouteConflict, format!("another service answers at `{tried}`"))
        .field("name")
        .hint("choose another name; the address is made from service, environment and project"))
}
