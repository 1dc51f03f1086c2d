//! Roll back: an older revision runs again, and its image is the one that is wanted.

use mirage_core::{
    Code, CredentialChange, CredentialOutcome, Deployment, DeploymentId, Error, Phase, Result, Revision,
    Service, StepKind, Trigger, check_rollback,
};

use crate::Control;
use crate::access::{Action, Actor};
use crate::deploy::{CREDENTIALS, gone};
use crate::find::ServiceRef;

/// How settings that a rollback changes are named among those that changed.
const IMAGE: &str = "image";
const AUTO_DEPLOY: &str = "autoDeploy";

impl Control {
    /// Deploys an older revision's exact content; without a number, that of the newest deployment before the one that
    /// serves whose revision is older. It runs with the credential that is stored, which has to be of the user it was
    /// made with. From now on its image is the one that is set, so that a deploy with another setting stays on it;
    /// everything else stays as it is set.
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
        let before = service.clone();
        let mut fields = self.adopt_image(&mut service, &old);
        if self.keep_credential(&mut tx, actor, service.id, stored.as_ref(), credential).await? {
            fields.push(CREDENTIALS.to_owned());
        }
        if !fields.is_empty() {
            service.updated_at = self.parts.clock.now();
            tx.update_service(&service).await?;
            self.tell_changes(&mut tx, actor, (&before, &service), fields).await?;
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
        self.allow(actor, Action::Read)?;
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

    /// Sets the image of a revision; answers with the names of the settings that are different now.
    fn adopt_image(&self, service: &mut Service, old: &Revision) -> Vec<String> {
        if service.spec.source == old.spec.source {
            return Vec::new();
        }
        service.spec.source = old.spec.source.clone();
        let mut fields = vec![IMAGE.to_owned()];
        // A rollback is not refused for what only a push would set off.
        if self.check_auto_deploy(&service.spec).is_err() {
            service.spec.auto_deploy = false;
            fields.push(AUTO_DEPLOY.to_owned());
        }
        fields
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

    /// The revision of the newest deployment that was active before the one that is. A newer revision is nothing to
    /// go back to: after a rollback it is what was gone back from.
    async fn previous_revision(&self, service: &Service) -> Result<u32> {
        let all = self.parts.store.deployments(service.id, 100).await?;
        let current = all.iter().find(|d| d.phase == Phase::Active).map(|d| d.revision);
        let mut served = all
            .iter()
            .filter(|d| d.phase == Phase::Superseded && d.steps.iter().any(|s| s.kind == StepKind::Route))
            .map(|d| d.revision);
        let newer = served.clone().any(|revision| current.is_some_and(|current| revision > current));
        let previous = served.find(|revision| current.is_none_or(|current| *revision < current));
        previous.ok_or_else(|| {
            Error::new(Code::Conflict, format!("`{}` has nothing to roll back to", service.name)).hint(match newer {
                true => "no revision before the one that runs has ever been active; a newer one is deployed again by its number",
                false => "only one revision of it has ever been active",
            })
        })
    }
}
