//! Deploy, redeploy, change settings.

use jiff::Timestamp;
use mirage_core::{
    Code, CredentialOutcome, CredentialOwner, Deployment, DeploymentId, Error, EventKind, Login, Reference,
    ResolvedImage, Result, Service, Source, Trigger, human_bytes,
};
use mirage_store::Tx;

use crate::access::{Action, Actor};
use crate::find::ServiceRef;
use crate::login::Puller;
use crate::patch::ServicePatch;
use crate::{Control, changes};

/// How credentials are named among the settings that changed.
pub(crate) const CREDENTIALS: &str = "registryCredentials";

/// An image that was judged, and when judging began.
pub(crate) struct Resolution {
    pub(crate) image: ResolvedImage,
    pub(crate) started_at: Timestamp,
    pub(crate) summary: String,
}

impl Control {
    /// Changes settings, resolves the source again, and deploys what comes out as a new revision.
    pub async fn deploy(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        patch: ServicePatch,
    ) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        self.deploy_because(actor, wanted, patch, Trigger::Deploy).await
    }

    /// The same, for whoever may do it.
    pub(crate) async fn deploy_because(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        patch: ServicePatch,
        trigger: Trigger,
    ) -> Result<Deployment> {
        let mut service = self.find(wanted).await?;
        let stored = self.parts.store.own_credential(service.id).await?.map(|own| own.owner);
        let mut preview = service.clone();
        self.apply(patch.clone(), &mut preview)?;
        let Source::Image(image) = &preview.spec.source;
        let credential = self.own_credential(&patch, &service, stored.as_ref(), image)?;
        let puller = Puller::Service(service.id, service.environment);
        let login = self.parts.login(puller, &credential, image).await?;
        let resolution = self.resolve(&preview.spec.source, login.as_ref()).await?;
        let resolution = self.judged(resolution, &preview.spec).await?;

        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin().await?;
        service = tx.service(service.id).await?.filter(|s| !s.removed).ok_or_else(|| gone(&service))?;
        if trigger == Trigger::Push && service.auto_deploy_paused {
            return Err(Error::new(Code::Conflict, format!("`{}` was rolled back meanwhile", service.name)));
        }
        let before = service.clone();
        patch.check_seen(&service)?;
        let mut fields = self.apply(patch, &mut service)?;
        self.claim_volumes(&mut tx, actor, &service).await?;
        if service.spec.source != preview.spec.source {
            return Err(Error::new(
                Code::Conflict,
                format!("the image of `{}` was changed meanwhile", service.name),
            )
            .hint("look at it with `mirage status`, then deploy again"));
        }
        if self.keep_credential(&mut tx, actor, service.id, stored.as_ref(), credential).await? {
            fields.push(CREDENTIALS.to_owned());
        }
        if !fields.is_empty() {
            service.updated_at = now;
            tx.update_service(&service).await?;
            self.tell_changes(&mut tx, actor, (&before, &service), fields).await?;
        }
        self.resume_auto_deploy(&mut tx, actor, &mut service).await?;
        let id = self.begin_deployment(&mut tx, actor, &service, resolution, trigger).await?;
        self.parts.announce(tx.commit().await?);
        self.ring(service.id);
        self.read_deployment(id).await
    }

    /// Deploys the service's current revision once more: the same digest, the same settings.
    pub async fn redeploy(&self, actor: &Actor, wanted: &ServiceRef) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        let service = self.find(wanted).await?;
        let revision = self.current_revision(&service).await?;
        self.again(actor, &service, revision, Trigger::Redeploy).await
    }

    /// The same, only where that is the revision that this deployment had.
    ///
    /// # Errors
    /// `CONFLICT` where it is another one.
    pub async fn redeploy_of(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        id: DeploymentId,
    ) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        let service = self.find(wanted).await?;
        let asked = self.deployment_of(&service, id).await?.revision;
        let current = self.current_revision(&service).await?;
        if asked != current {
            let name = &service.name;
            let message =
                format!("a redeploy of `{name}` takes revision {current}, and this one had {asked}");
            return Err(Error::new(Code::Conflict, message).hint(format!(
                "roll back to revision {asked}, or redeploy `{name}` itself, which takes {current}"
            )));
        }
        self.again(actor, &service, current, Trigger::Redeploy).await
    }

    /// Asks the registry what a source means now, and pins it.
    pub(crate) async fn resolve(&self, source: &Source, login: Option<&Login>) -> Result<Resolution> {
        let started_at = self.parts.clock.now();
        let Source::Image(reference) = source;
        let image = self.parts.registry.resolve(reference, &self.parts.settings.platform, login).await?;
        let summary = format!(
            "{} → {}  {}, {}",
            image.reference.familiar(),
            image.digest.short(),
            image.platform,
            human_bytes(image.size_bytes)
        );
        Ok(Resolution { image, started_at, summary })
    }

    async fn again(
        &self,
        actor: &Actor,
        service: &Service,
        revision: u32,
        trigger: Trigger,
    ) -> Result<Deployment> {
        let mut tx = self.parts.store.begin().await?;
        let service = tx.service(service.id).await?.filter(|s| !s.removed).ok_or_else(|| gone(service))?;
        self.queue_again(tx, actor, &service, revision, trigger).await
    }

    pub(crate) async fn queue_again(
        &self,
        mut tx: Tx,
        actor: &Actor,
        service: &Service,
        revision: u32,
        trigger: Trigger,
    ) -> Result<Deployment> {
        if let Some(revision) = tx.revision(service.id, revision).await? {
            self.reclaim_volumes(&mut tx, service, &revision).await?;
        }
        let id = self.queue(&mut tx, actor, service.id, revision, trigger).await?;
        self.parts.announce(tx.commit().await?);
        self.ring(service.id);
        self.read_deployment(id).await
    }

    pub(crate) async fn deployment_of(&self, service: &Service, id: DeploymentId) -> Result<Deployment> {
        let deployment = self.parts.store.deployment(id).await?;
        deployment.filter(|deployment| deployment.service == service.id).ok_or_else(|| {
            Error::new(Code::NotFound, format!("`{}` has no deployment `{id}`", service.name))
                .field("deploymentId")
                .hint(format!("`mirage deployments {}` lists them", service.name))
        })
    }

    /// The revision of what serves, else of what is on its way, else of the newest.
    async fn current_revision(&self, service: &Service) -> Result<u32> {
        let (active, candidate) = self.parts.store.current_deployments(service.id).await?;
        match active.or(candidate) {
            Some(deployment) => Ok(deployment.revision),
            None => {
                let newest = self.parts.store.deployments(service.id, 1).await?;
                newest.first().map(|d| d.revision).ok_or_else(|| gone(service))
            }
        }
    }

    /// What becomes of the service's own credential where the image becomes `image`. A change that is about neither
    /// the image nor the credential leaves it alone, also where a rollback brought an image of another registry: it is
    /// not shown there.
    fn own_credential(
        &self,
        patch: &ServicePatch,
        service: &Service,
        stored: Option<&CredentialOwner>,
        image: &Reference,
    ) -> Result<CredentialOutcome> {
        let Source::Image(known) = &service.spec.source;
        match known == image && patch.credentials.is_empty() {
            true => Ok(CredentialOutcome::Keep),
            false => patch.credentials.clone().decide(stored, image.host()),
        }
    }

    fn apply(&self, patch: ServicePatch, service: &mut Service) -> Result<Vec<String>> {
        let concerns_pushes = patch.image.is_some() || patch.auto_deploy.is_some();
        let fields = patch.apply(&self.parts.vault, service.id, &mut service.spec, &mut service.replicas)?;
        if concerns_pushes {
            self.check_auto_deploy(&service.spec)?;
        }
        Ok(fields)
    }

    /// Refuses a new login that its registry refuses. One that cannot be tried now is taken: a registry
    /// that is down must not keep anybody from writing down its password.
    pub(crate) async fn try_login(&self, credential: &CredentialOutcome, image: &Reference) -> Result<()> {
        let CredentialOutcome::Replace(login) = credential else { return Ok(()) };
        match self.parts.registry.resolve(image, &self.parts.settings.platform, Some(login)).await {
            Err(error) if error.code() == Code::RegistryAuthError => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn tell_changes(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        (before, service): (&Service, &Service),
        fields: Vec<String>,
    ) -> Result<()> {
        let event = |kind| actor.event(service.updated_at, Some(service.id), kind);
        if service.replicas != before.replicas {
            let kind = EventKind::ServiceScaled { from: before.replicas, to: service.replicas };
            tx.append(event(kind)).await?;
        }
        let fields: Vec<String> = fields.into_iter().filter(|field| field != "replicas").collect();
        if !fields.is_empty() {
            let (changes, variable_names) = changes::between(&before.spec, &service.spec)?;
            tx.append(event(EventKind::ServiceChanged { fields, changes, variable_names })).await?;
        }
        Ok(())
    }

    /// Changes settings. They take effect with the next deployment; the number of instances at once.
    pub async fn update(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        patch: ServicePatch,
    ) -> Result<crate::ServiceView> {
        self.allow(actor, Action::Deploy)?;
        let found = self.find(wanted).await?;
        let stored = self.parts.store.own_credential(found.id).await?.map(|own| own.owner);
        let mut preview = found.clone();
        self.apply(patch.clone(), &mut preview)?;
        let Source::Image(image) = &preview.spec.source;
        let credential = self.own_credential(&patch, &found, stored.as_ref(), image)?;
        self.try_login(&credential, image).await?;
        let mut tx = self.parts.store.begin().await?;
        let mut service = tx.service(found.id).await?.filter(|s| !s.removed).ok_or_else(|| gone(&found))?;
        let before = service.clone();
        patch.check_seen(&service)?;
        let resumes = patch.auto_deploy.is_some() && service.auto_deploy_paused;
        let mut fields = self.apply(patch, &mut service)?;
        self.claim_volumes(&mut tx, actor, &service).await?;
        if self.keep_credential(&mut tx, actor, service.id, stored.as_ref(), credential).await? {
            fields.push(CREDENTIALS.to_owned());
        }
        if !fields.is_empty() {
            service.updated_at = self.parts.clock.now();
            tx.update_service(&service).await?;
            self.tell_changes(&mut tx, actor, (&before, &service), fields.clone()).await?;
        }
        if resumes {
            self.resume_auto_deploy(&mut tx, actor, &mut service).await?;
        }
        match resumes || !fields.is_empty() {
            true => {
                self.parts.announce(tx.commit().await?);
                self.ring(service.id);
            }
            // Nobody else may have to wait until the answer is read.
            false => drop(tx),
        }
        self.view(service).await
    }
}

pub(crate) fn gone(service: &Service) -> Error {
    Error::new(Code::NotFound, format!("`{}` is being removed", service.name))
        .hint("wait until it is gone, then make it anew")
}
