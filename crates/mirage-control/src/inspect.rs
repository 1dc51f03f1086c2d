//! Preflight: what an image is, and whether it can run here.

use std::time::{Duration, Instant};

use mirage_core::{Platform, Reference, ResolvedImage, Result};

use crate::Control;
use crate::access::{Action, Actor};

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
    pub async fn inspect(
        &self,
        actor: &Actor,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Inspection> {
        self.allow(actor, Action::Inspect)?;
        let start = Instant::now();
        let platform = platform.unwrap_or(&self.parts.settings.platform);
        let image = self.parts.registry.resolve(reference, platform).await?;
        let present = self.parts.engine.is_present(&image).await;
        Ok(Inspection { image, present, took: start.elapsed() })
    }
}
