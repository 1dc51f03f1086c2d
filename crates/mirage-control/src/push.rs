//! Deploying by itself: a push to the built-in registry is enough.

use mirage_core::{Code, Error, Reference, Repository, Result, Service, ServiceSpec, Source, Tag, Trigger};
use tracing::{error, info};

use crate::Control;
use crate::access::Actor;
use crate::find::ServiceRef;
use crate::patch::ServicePatch;

/// The tag that is meant where none is written.
const LATEST: &str = "latest";

impl Control {
    /// Deploys every service that waits for this tag. What cannot be deployed is told in the log; the push
    /// itself is done.
    pub async fn pushed(&self, repository: &Repository, tag: &Tag) {
        let services = match self.parts.store.auto_deployed().await {
            Ok(services) => services,
            Err(error) => {
                return error!(%repository, %tag, ?error, "a push could not be followed by a deploy");
            }
        };
        for service in services.into_iter().filter(|service| self.waits_for(service, repository, tag)) {
            self.deploy_pushed(&service).await;
        }
    }

    /// Deploys what was pushed while nobody was there to see it: a tag that means something else than the
    /// newest revision of a service that waits for it.
    pub(crate) async fn catch_up_with_pushes(&self) {
        let services = self.parts.store.auto_deployed().await.unwrap_or_default();
        for service in services {
            let Source::Image(reference) = &service.spec.source;
            let newest = self.parts.store.newest_revision_of(service.id).await;
            let platform = &self.parts.settings.platform;
            let now = self.parts.registry.resolve(reference, platform, None).await;
            if let (Ok(Some(newest)), Ok(now)) = (newest, now)
                && newest.image.digest != now.digest
            {
                self.deploy_pushed(&service).await;
            }
        }
    }

    /// Refuses to wait for pushes that nobody will hear of.
    pub(crate) fn check_auto_deploy(&self, spec: &ServiceSpec) -> Result<()> {
        let Source::Image(reference) = &spec.source;
        if !spec.auto_deploy || (self.is_own(reference) && reference.digest().is_none()) {
            return Ok(());
        }
        let why = match reference.digest() {
            Some(_) => "is pinned to a digest, which no push changes",
            None => "is not in the built-in registry, so Mirage hears of no push",
        };
        Err(Error::new(Code::InvalidRequest, format!("`{}` {why}", reference.familiar()))
            .field("autoDeploy")
            .hint("push the image to Mirage itself, and deploy it by its tag there"))
    }

    async fn deploy_pushed(&self, service: &Service) {
        let wanted = ServiceRef::Id(service.id);
        let actor = Actor::platform();
        match self.deploy_because(&actor, &wanted, ServicePatch::default(), Trigger::Push).await {
            Ok(deployment) => {
                info!(service = %service.name, deployment = %deployment.id, "deployed after a push")
            }
            Err(error) => error!(service = %service.name, ?error, "a push could not be followed by a deploy"),
        }
    }

    fn waits_for(&self, service: &Service, repository: &Repository, tag: &Tag) -> bool {
        let Source::Image(reference) = &service.spec.source;
        let wanted = reference.tag().map_or(LATEST, Tag::as_str);
        self.is_own(reference) && reference.repository() == repository && wanted == tag.as_str()
    }

    fn is_own(&self, reference: &Reference) -> bool {
        self.parts.settings.registry_hosts.contains(reference.host())
    }
}
