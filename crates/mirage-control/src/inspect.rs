//! Preflight: what an image is, and whether it can run here.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirage_core::port::Sighting;
use mirage_core::{
    Attachments, Circumstances, CredentialChange, ImageVerdict, Name, Platform, Quota, Reference,
    ResolvedImage, Result, ServiceSpec, Stock, judge,
};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, named};
use crate::deploy::Resolution;

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

impl InspectImage {
    /// This image, for this machine, as a service of the default place would see it.
    pub fn new(reference: Reference) -> Self {
        let credentials = CredentialChange::default();
        Self { reference, platform: None, credentials, project: None, environment: None }
    }
}

/// What preflight found out.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The image, pinned.
    pub image: ResolvedImage,
    /// What of it is on this machine, and the room for the rest.
    pub stock: Stock,
    /// What hangs on it.
    pub attachments: Attachments,
    /// What its registry said about how much may be pulled from it, if anything.
    pub quota: Option<Quota>,
    /// Whether it can run, and what should be known before it does.
    pub verdict: ImageVerdict,
    /// How long that took.
    pub took: Duration,
}

impl Inspection {
    /// Judges an image that was seen, for a place that runs `target`.
    pub fn new(seen: Sighting, stock: Stock, target: &Platform, now: Timestamp, took: Duration) -> Self {
        let Sighting { image, attachments, quota } = seen;
        let at_target = image.platform.satisfies(target);
        let about = Circumstances { now, at_target, stock, spec: None, attachments, quota: quota.as_ref() };
        let verdict = judge(&image, &about);
        Self { image, stock, attachments, quota, verdict, took }
    }
}

impl Control {
    /// Asks the registry what a reference means right now, and judges that. Writes nothing.
    pub async fn inspect(&self, actor: &Actor, wanted: InspectImage) -> Result<Inspection> {
        self.allow(actor, Action::Inspect)?;
        let start = Instant::now();
        let InspectImage { reference, platform, credentials, project, environment } = wanted;
        let credential = credentials.decide(None, reference.host())?;
        let (project, environment) =
            (named(project, DEFAULT_PROJECT)?, named(environment, DEFAULT_ENVIRONMENT)?);
        let puller = self.puller_at(&project, &environment).await?;
        let login = self.parts.login(puller, &credential, &reference).await?;
        let target = &self.parts.settings.platform;
        let platform = platform.as_ref().unwrap_or(target);
        let seen = self.parts.registry.inspect(&reference, platform, login.as_ref()).await?;
        let stock = self.parts.engine.stock(&seen.image).await;
        Ok(Inspection::new(seen, stock, target, self.parts.clock.now(), start.elapsed()))
    }

    /// Judges what is to be deployed as this; the revision then has the digest that was judged.
    /// Warnings are kept with the step.
    ///
    /// # Errors
    /// What keeps it from running, as [`ImageVerdict::refusal`] says it.
    pub(crate) async fn judged(&self, resolution: Resolution, spec: &ServiceSpec) -> Result<Resolution> {
        let Resolution { image, started_at, mut summary } = resolution;
        let about = Circumstances {
            now: self.parts.clock.now(),
            at_target: true,
            stock: self.parts.engine.stock(&image).await,
            spec: Some(spec),
            attachments: Attachments::default(),
            quota: None,
        };
        let verdict = judge(&image, &about);
        if let Some(refusal) = verdict.refusal(&image.reference) {
            return Err(refusal);
        }
        let warnings: Vec<&str> = verdict.warnings().map(|finding| finding.code.as_str()).collect();
        match warnings.len() {
            0 => {}
            1 => summary += &format!("; 1 warning: {}", warnings[0]),
            many => summary += &format!("; {many} warnings: {}", warnings.join(", ")),
        }
        Ok(Resolution { image, started_at, summary })
    }
}
