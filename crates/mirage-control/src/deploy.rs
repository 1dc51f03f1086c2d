//! Deploy, redeploy, roll back.

use jiff::Timestamp;
use mirage_core::{
    Code, CredentialChange, CredentialOutcome, CredentialOwner, Deployment, DeploymentId, Error, EventKind,
    Login, Reference, ResolvedImage, Result, Revision, Service, Source, Trigger, check_rollback, human_bytes,
};
use mirage_store::Tx;

use crate::access::{Action, Actor};
use crate::find::ServiceRef;
use crate::login::Puller;
use crate::patch::ServicePatch;
use crate::{Control, changes};

/// How credentials are named among the settings that changed.
const CREDENTIALS: &str = "registryCredentials";

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
        let credential = self.own_credential(&patch, stored.as_ref(), image)?;
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

    /// Deploys an older revision's exact content; without a number, the one before the active one. It runs
    /// with the credential that is stored, which has to be of the user it was made with.
    pub async fn rollback(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        revision: Option<u32>,
        credentials: CredentialChange,
    ) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        let service = self.find(wanted).await?;
        let old = self.good_revision(&service, revision).await?;
        let revision = old.number;
        let stored = self.parts.store.own_credential(service.id).await?.map(|own| own.owner);
        let image = &old.image.reference;
        // A revision that needed no login needs none now, whatever is stored for another registry.
        let credential = match credentials.is_empty() && old.credential.is_none() {
            true => CredentialOutcome::Keep,
            false => credentials.decide(stored.as_ref(), image.host())?,
        };
        let current = match &credential {
            CredentialOutcome::Keep => stored.as_ref(),
            CredentialOutcome::Replace(login) => Some(&login.owner),
            CredentialOutcome::Remove => None,
        };
        check_rollback(current, old.credential.as_ref())?;
        self.try_login(&credential, image).await?;
        let mut tx = self.parts.store.begin().await?;
        let mut service =
            tx.service(service.id).await?.filter(|s| !s.removed).ok_or_else(|| gone(&service))?;
        if self.keep_credential(&mut tx, actor, service.id, stored.as_ref(), credential).await? {
            service.updated_at = self.parts.clock.now();
            tx.update_service(&service).await?;
            self.tell_changes(&mut tx, actor, (&service, &service), vec![CREDENTIALS.to_owned()]).await?;
        }
        self.pause_auto_deploy(&mut tx, actor, &mut service, revision).await?;
        self.queue_again(tx, actor, &service, revision, Trigger::Rollback).await
    }

    /// The revision that [`Self::rollback`] would deploy, with the credential that is stored.
    ///
    /// # Errors
    /// Why it would be refused now.
    pub async fn rollback_target(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        revision: Option<u32>,
    ) -> Result<u32> {
        self.allow(actor, Action::Deploy)?;
        let service = self.find(wanted).await?;
        let old = self.good_revision(&service, revision).await?;
        let stored = self.parts.store.own_credential(service.id).await?.map(|own| own.owner);
        check_rollback(stored.as_ref(), old.credential.as_ref())?;
        Ok(old.number)
    }

    /// Deploys the revision that an earlier deployment had.
    pub async fn rollback_to(
        &self,
        actor: &Actor,
        wanted: &ServiceRef,
        id: DeploymentId,
        credentials: CredentialChange,
    ) -> Result<Deployment> {
        self.allow(actor, Action::Deploy)?;
        let service = self.find(wanted).await?;
        let deployment = self.deployment_of(&service, id).await?;
        self.rollback(actor, wanted, Some(deployment.revision), credentials).await
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

    async fn queue_again(
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

    async fn deployment_of(&self, service: &Service, id: DeploymentId) -> Result<Deployment> {
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

    /// What becomes of the service's own credential. A change that is about neither the image nor the
    /// credential leaves it alone, also where a rollback brought one of another registry: it is not shown there.
    fn own_credential(
        &self,
        patch: &ServicePatch,
        stored: Option<&CredentialOwner>,
        image: &Reference,
    ) -> Result<CredentialOutcome> {
        match patch.image.is_none() && patch.credentials.is_empty() {
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
    async fn try_login(&self, credential: &CredentialOutcome, image: &Reference) -> Result<()> {
        let CredentialOutcome::Replace(login) = credential else { return Ok(()) };
        match self.parts.registry.resolve(image, &self.parts.settings.platform, Some(login)).await {
            Err(error) if error.code() == Code::RegistryAuthError => Err(error),
            _ => Ok(()),
        }
    }

    /// A revision that was active; without a number, the one before the active one.
    async fn good_revision(&self, service: &Service, revision: Option<u32>) -> Result<Revision> {
        let revision = match revision {
            Some(number) => number,
            None => self.previous_revision(service).await?,
        };
        let Some(old) = self.parts.store.revision(service.id, revision).await? else {
            return Err(Error::new(Code::NotFound, format!("`{}` has no revision {revision}", service.name))
                .field("revision")
                .hint(format!("`mirage deployments {}` lists them", service.name)));
        };
        if !self.parts.store.was_active(service.id, revision).await? {
            let message = format!("revision {revision} of `{}` has never been active", service.name);
            return Err(Error::new(Code::Conflict, message).field("revision").hint(format!(
                "roll back to one that was, `mirage deployments {}` lists them; `mirage deploy` tries an image again",
                service.name
            )));
        }
        Ok(old)
    }

    /// The revision of the newest deployment that was active before the one that is.
    async fn previous_revision(&self, service: &Service) -> Result<u32> {
        use mirage_core::Phase;
        let all = self.parts.store.deployments(service.id, 100).await?;
        let current = all.iter().find(|d| d.phase == Phase::Active).map(|d| d.revision);
        let previous = all
            .iter()
            .filter(|d| {
                d.phase == Phase::Superseded && d.steps.iter().any(|s| s.kind == mirage_core::StepKind::Route)
            })
            .find(|d| Some(d.revision) != current);
        previous.map(|d| d.revision).ok_or_else(|| {
            Error::new(Code::Conflict, format!("`{}` has nothing to roll back to", service.name))
                .hint("only one revision of it has ever been active")
        })
    }

    async fn tell_changes(
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
        let credential = self.own_credential(&patch, stored.as_ref(), image)?;
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
