//! Revisions: immutable, numbered snapshots of what would run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{Check, Timing};
use crate::credential::CredentialOwner;
use crate::error::Result;
use crate::id::ServiceId;
use crate::image::resolved::ResolvedImage;
use crate::service::{Port, ServiceSpec};
use crate::variable::{VariableName, VariableText, VariableValue};

/// The port a process is told to use where its image exposes none.
pub const DEFAULT_PORT: Port = Port::new(8080).expect("not zero");

/// What would run, down to the digest. Never changed once written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The service it belongs to.
    pub service: ServiceId,
    /// Counted from 1 within the service.
    pub number: u32,
    /// The settings.
    pub spec: ServiceSpec,
    /// The image.
    pub image: ResolvedImage,
    /// Whose credential the service had for the image's registry. The password is none of it: a rotated one
    /// is used for older revisions too.
    #[serde(default)]
    pub credential: Option<CredentialOwner>,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Revision {
    /// The ports of the process: the spec's, else the image's, else `PORT` if that is set, else 8080.
    pub fn ports(&self) -> Vec<Port> {
        match &self.spec.ports {
            Some(ports) => ports.clone(),
            None if !self.image.config.ports.is_empty() => self.image.config.ports.clone(),
            None => vec![self.variable("PORT").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_PORT)],
        }
    }

    /// The port that gets the traffic; `None` for a worker.
    pub fn routed_port(&self) -> Option<Port> {
        self.ports().first().copied()
    }

    /// The port that is probed; `None` for a worker.
    pub fn probed_port(&self) -> Option<Port> {
        self.spec.probe.port.and_then(Port::new).or_else(|| self.routed_port())
    }

    /// How an instance is asked whether it is well: by the path that the spec names, else by the image's
    /// HEALTHCHECK, else by a connection to the probed port. A worker without either only has to run.
    pub fn check(&self) -> Check {
        Check::of(&self.spec.probe, &self.image.config, self.probed_port())
    }

    /// When it is asked: by the spec, else by the image, else by default.
    pub fn timing(&self) -> Timing {
        Timing::of(&self.spec.probe, &self.image.config.health_timing, &self.check())
    }

    /// The whole environment of the process: the image's, `PORT` where the image exposes no port, then the
    /// service's own, later ones winning. `open` opens what is sealed.
    ///
    /// # Errors
    /// That of `open`.
    pub fn environment(
        &self,
        open: impl Fn(&VariableName, &VariableValue) -> Result<VariableText>,
    ) -> Result<Vec<(String, VariableText)>> {
        let mut all: Vec<(String, VariableText)> = Vec::new();
        let mut set = |name: &str, value: VariableText| match all.iter_mut().find(|(known, _)| known == name)
        {
            Some((_, old)) => *old = value,
            None => all.push((name.to_owned(), value)),
        };
        set("PATH", VariableText::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        for pair in &self.image.config.environment {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            set(name, value.into());
        }
        if self.image.config.ports.is_empty()
            && let Some(port) = self.routed_port()
        {
            set("PORT", port.to_string().as_str().into());
        }
        for (name, value) in &self.spec.variables {
            set(name.as_str(), open(name, value)?);
        }
        Ok(all)
    }

    /// Whether one instance must have ended before another one begins: a volume has one writer.
    pub fn is_exclusive(&self) -> bool {
        self.spec.is_exclusive()
    }

    /// The words that are executed: the image's entrypoint, then the spec's command or the image's.
    pub fn arguments(&self) -> Vec<String> {
        let command = self.spec.command.as_ref().unwrap_or(&self.image.config.command);
        self.image.config.entrypoint.iter().chain(command).cloned().collect()
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.spec
            .variables
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .and_then(|(_, value)| value.plain())
    }
}
