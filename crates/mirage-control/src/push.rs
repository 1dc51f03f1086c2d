//! Deploying by itself: a push to the built-in registry is enough.

use mirage_core::{
    Code, Error, EventKind, Reference, Repository, Result, Service, ServiceSpec, Source, Tag, Trigger,
};
use mirage_store::Tx;
use tracing::{error, info};

use crate::Control;
use crate::access::Actor;
use crate::find::ServiceRef;
use crate::patch::ServicePatch;

/// The tag that is meant where none is written.
const LATEST: &str = "latest";

/// How often a deploy is tried that somebody else's change got in the way of.
const TRIES: u32 = 5;

impl Control {
    /// Deploys every service that waits for this tag.
    pub async fn pushed(&self, repository: &Repository, tag: &Tag) {
        for service in self.waiting().await {
            if self.waits_for(&service, repository, tag) {
                match service.auto_deploy_paused {
                    true => self.tell_pause(&service).await,
                    false => self.follow(&service).await,
                }
            }
        }
    }

    /// Deploys what was pushed while nobody was there to see it. A service that was set to another image since
    /// its newest deployment is left alone: that change waits for whoever made it.
    pub(crate) async fn catch_up_with_pushes(&self) {
        for service in self.waiting().await {
            if !service.auto_deploy_paused {
                self.follow(&service).await;
            }
        }
    }

    /// Has pushes set nothing off from now on: what a user went back from is not to come again by itself.
    pub(crate) async fn pause_auto_deploy(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &mut Service,
        revision: u32,
    ) -> Result<()> {
        match service.spec.auto_deploy && !service.auto_deploy_paused {
            true => {
                let kind = EventKind::AutoDeployPaused { revision };
                self.turn_auto_deploy(tx, actor, service, true, Some(kind)).await
            }
            false => Ok(()),
        }
    }

    /// Has pushes set deploys off again.
    pub(crate) async fn resume_auto_deploy(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &mut Service,
    ) -> Result<()> {
        match service.auto_deploy_paused {
            true => {
                // Where it was switched off meanwhile, nothing is resumed.
                let kind = service.spec.auto_deploy.then_some(EventKind::AutoDeployResumed);
                self.turn_auto_deploy(tx, actor, service, false, kind).await
            }
            false => Ok(()),
        }
    }

    async fn turn_auto_deploy(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        service: &mut Service,
        paused: bool,
        kind: Option<EventKind>,
    ) -> Result<()> {
        service.auto_deploy_paused = paused;
        service.updated_at = self.parts.clock.now();
        tx.update_service(service).await?;
        match kind {
            Some(kind) => tx.append(actor.event(service.updated_at, Some(service.id), kind)).await,
            None => Ok(()),
        }
    }

    /// Whether a service of this image could follow pushes of its tag.
    ///
    /// # Errors
    /// Why it could not.
    pub fn hears_of_pushes(&self, reference: &Reference) -> Result<()> {
        let spec = ServiceSpec { auto_deploy: true, ..ServiceSpec::image(reference.clone()) };
        self.check_auto_deploy(&spec)
    }

    /// Refuses to wait for pushes that nobody will hear of.
    pub(crate) fn check_auto_deploy(&self, spec: &ServiceSpec) -> Result<()> {
        let Source::Image(reference) = &spec.source;
        if !spec.auto_deploy {
            return Ok(());
        }
        let why = if reference.digest().is_some() {
            "is pinned to a digest, which no push changes"
        } else if !self.is_own(reference) {
            "is not in the built-in registry, so Mirage hears of no push"
        } else if self.is_read_through(reference.repository()) {
            "is another registry's, read through the built-in one, and nobody pushes it here"
        } else {
            return Ok(());
        };
        Err(Error::new(Code::InvalidRequest, format!("`{}` {why}", reference.familiar()))
            .field("autoDeploy")
            .hint("push the image to Mirage itself and deploy it by its tag there (`mirage serve --registry-name` tells further names of the registry), or deploy it with `--no-auto-deploy`"))
    }

    async fn waiting(&self) -> Vec<Service> {
        self.parts.store.auto_deployed().await.unwrap_or_else(|error| {
            error!(?error, "the services that wait for pushes could not be read");
            Vec::new()
        })
    }

    /// Deploys a service if its tag means something else than its newest revision. One at a time: of two pushes
    /// the second one is looked up last, and so it is what runs in the end.
    async fn follow(&self, service: &Service) {
        let _alone = self.parts.following.lock().await;
        for _ in 0..TRIES {
            let outcome = match self.is_behind(service).await {
                Ok(false) => return,
                Ok(true) => {
                    let (actor, wanted) = (Actor::platform(), ServiceRef::Id(service.id));
                    self.deploy_because(&actor, &wanted, ServicePatch::default(), Trigger::Push)
                        .await
                        .map(drop)
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => return info!(service = %service.name, "deployed after a push"),
                Err(error) if error.code() == Code::Conflict => {}
                Err(error) => return self.tell_refusal(service, &error).await,
            }
        }
    }

    async fn is_behind(&self, service: &Service) -> Result<bool> {
        let (store, Source::Image(reference)) = (&self.parts.store, &service.spec.source);
        let newest = store.deployments(service.id, 1).await?.pop();
        let last = match newest {
            Some(newest) => store.revision(service.id, newest.revision).await?,
            None => None,
        };
        // A rollback sets the image that it deploys; whoever set another one has not deployed it yet.
        if last.is_none_or(|last| last.image.reference != *reference) {
            return Ok(false);
        }
        let Some(newest) = store.newest_revision_with(service.id, reference).await? else { return Ok(false) };
        let now = self.parts.registry.resolve(reference, &self.parts.settings.platform, None).await?;
        Ok(now.digest != newest.image.digest)
    }

    async fn tell_refusal(&self, service: &Service, refusal: &Error) {
        error!(service = %service.name, error = ?refusal, "a push could not be followed by a deploy");
        self.tell_not_deployed(service, format!("{}: {}", refusal.code(), refusal.message())).await;
    }

    async fn tell_pause(&self, service: &Service) {
        info!(service = %service.name, "a push is not followed: the service was rolled back");
        let reason = format!(
            "deploying by itself pauses since the rollback; `mirage deploy --name {}` resumes it",
            service.name
        );
        self.tell_not_deployed(service, reason).await;
    }

    async fn tell_not_deployed(&self, service: &Service, reason: String) {
        let Source::Image(reference) = &service.spec.source;
        let kind = EventKind::PushNotDeployed { image: reference.to_string(), reason };
        let event = Actor::platform().event(self.parts.clock.now(), Some(service.id), kind);
        let told = async {
            let mut tx = self.parts.store.begin().await?;
            tx.append(event).await?;
            self.parts.announce(tx.commit().await?);
            Ok::<_, Error>(())
        };
        if let Err(error) = told.await {
            error!(?error, "the refusal of a push could not be recorded");
        }
    }

    fn waits_for(&self, service: &Service, repository: &Repository, tag: &Tag) -> bool {
        let Source::Image(reference) = &service.spec.source;
        let wanted = reference.tag().map_or(LATEST, Tag::as_str);
        self.is_own(reference) && reference.repository() == repository && wanted == tag.as_str()
    }

    /// Whether an image is in the built-in registry, by the name of its host.
    pub fn is_own(&self, reference: &Reference) -> bool {
        self.parts.settings.registry_hosts.contains(reference.host())
    }

    fn is_read_through(&self, repository: &Repository) -> bool {
        let origin = repository.elsewhere();
        origin.is_some_and(|(host, _)| !self.parts.settings.registry_hosts.contains(&host))
    }
}
