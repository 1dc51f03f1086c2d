//! Preflight: what an image is, and whether it can run here.

use std::time::{Duration, Instant};

use mirage_core::{CredentialChange, Name, Platform, Reference, ResolvedImage, Result};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, named};

/// What is to be judged.
pub struct InspectImage {
    /// The image.
    pub reference: Reference,
    /// What it has to be built for; by default what this machine is.
    pub platform: Option<Platform>,
    /// The login to ask with. Without one, what a new service of the place below would ask with.
    pub credentials: CredentialChange,
    /// The project; `default` by default.
    pub project: Option<Name>,
    /// The environment; `production` by default.
    pub environment: Option<Name>,
}

/// What preflight found out.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The image, pinned.
    pub image: ResolvedImage,
    /// Whether every layer is on this machine already.
    pub present: bool,
    /// How long the registry took.
    pub took: Duration,
}

impl Control {
    /// Asks the registry what a reference means right now. Writes nothing.
    pub async fn inspect(&self, actor: &Actor, wanted: InspectImage) -> Result<Inspection> {
        self.allow(actor, Action::Inspect)?;
        let start = Instant::now();
        let InspectImage { reference, platform, credentials, project, environment } = wanted;
        let credential = credentials.decide(None, reference.host())?;
        let (project, environment) =
            (named(project, DEFAULT_PROJECT)?, named(environment, DEFAULT_ENVIRONMENT)?);
        let puller = self.puller_at(&project, &environment).await?;
        let login = self.parts.login(puller, &credential, &reference).await?;
        let platform = platform.as_ref().unwrap_or(&self.parts.settings.platform);
        let image = self.parts.registry.resolve(&reference, platform, login.as_ref()).await?;
        let present = self.parts.engine.is_present(&image).await;
        Ok(Inspection { image, present, took: start.elapsed() })
    }
}
