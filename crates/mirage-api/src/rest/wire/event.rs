//! Events in answers.

use jiff::Timestamp;
use mirage_core as core;
use mirage_core::EventKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::deployment::{Phase, StepKind};

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Counted over the whole platform; later events have higher numbers.
    number: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Who asked for it; `mirage` where nobody did.
    actor: String,
    /// The service it is about.
    service: Option<String>,
    /// The deployment it is about.
    deployment: Option<String>,
    /// What happened.
    #[serde(flatten)]
    kind: Kind,
    #[serde(skip)]
    name: &'static str,
}

/// What happened.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Kind {
    /// A service was made.
    ServiceCreated,
    /// Settings of a service were changed.
    ServiceChanged {
        /// Names of settings.
        fields: Vec<String>,
        /// What they were and are, of those that cannot hold a secret.
        changes: Vec<SettingChange>,
        /// Names of the variables among them, never their values.
        variable_names: Vec<String>,
    },
    /// A deployment was asked for.
    DeploymentRequested {
        /// Why: `deploy`, `redeploy`, `rollback`, `push`.
        reason: String,
        /// Which revision.
        revision: u32,
        /// Its image, as it was named.
        image: String,
        /// What that meant.
        digest: String,
        /// The digest of what is active.
        previous: Option<String>,
    },
    /// The end of a deployment that is on its way was asked for.
    CancelRequested,
    /// The number of wanted instances was changed.
    ServiceScaled {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// New instances of the same deployment were asked for.
    ServiceRestarted,
    /// Removal was asked for.
    ServiceRemoved,
    /// A credential was given, or its password replaced.
    CredentialSet {
        /// The registry.
        registry: String,
        /// The user.
        username: String,
    },
    /// A credential was taken away.
    CredentialRemoved {
        /// The registry.
        registry: String,
        /// The user.
        username: String,
    },
    /// A domain was given to a service.
    DomainAdded {
        /// Which.
        domain: String,
    },
    /// What holds for a domain was changed.
    DomainChanged {
        /// Which.
        domain: String,
        /// What was different, and is.
        changes: Vec<SettingChange>,
    },
    /// A domain was taken away from its service.
    DomainRemoved {
        /// Which.
        domain: String,
    },
    /// A domain has a new certificate.
    CertificateInstalled {
        /// The domain.
        domain: String,
        /// When it stops being valid.
        #[schema(value_type = String, format = DateTime)]
        expires_at: Timestamp,
    },
    /// No certificate was to be had for a domain.
    CertificateFailed {
        /// The domain.
        domain: String,
        /// Why.
        reason: String,
    },
    /// Variables that the services of an environment share were set or taken away.
    SharedVariablesChanged {
        /// The names of those variables.
        names: Vec<String>,
    },
    /// Everything that was sealed was given up, as its key was lost.
    VaultReset {
        /// Credentials.
        credentials: u64,
        /// Variables.
        variables: u64,
        /// Keys of certificates, and accounts at certificate authorities.
        certificates: u64,
    },
    /// A push could not be followed by a deploy.
    PushNotDeployed {
        /// The image.
        image: String,
        /// Why.
        reason: String,
    },
    /// Pushes set nothing off any more, because the service was rolled back.
    AutoDeployPaused {
        /// The revision it was rolled back to.
        revision: u32,
    },
    /// Pushes set deploys off again.
    AutoDeployResumed,
    /// A token of a project was made.
    TokenCreated {
        /// The project.
        project: String,
        /// The token's name.
        name: String,
    },
    /// A token of a project was taken away.
    TokenRemoved {
        /// The project.
        project: String,
        /// The token's name.
        name: String,
    },
    /// Everything that is sealed was sealed anew.
    VaultRotated {
        /// How many records there are.
        records: usize,
    },
    /// A volume was made.
    VolumeCreated {
        /// Its name.
        volume: String,
    },
    /// A service took a volume as its own.
    VolumeAdopted {
        /// Its name.
        volume: String,
    },
    /// A volume was removed; it can be taken back for a while.
    VolumeRemoved {
        /// Its name.
        volume: String,
    },
    /// The removal of a volume was taken back.
    VolumeRestored {
        /// Its name.
        volume: String,
    },
    /// The data of a volume was handed out.
    VolumeBackedUp {
        /// Its name.
        volume: String,
    },
    /// The data of a volume was replaced by that of an archive.
    VolumeFilled {
        /// Its name.
        volume: String,
    },
    /// The data of a volume that was removed is deleted for good.
    VolumePurged {
        /// Its name.
        volume: String,
    },
    /// Images were taken away from the built-in registry.
    ImagesRemoved {
        /// The repository.
        repository: String,
        /// The tag; null where the whole repository went.
        tag: Option<String>,
        /// How many manifests and indexes went with it.
        manifests: usize,
    },
    /// Somebody took a backup.
    BackedUp {
        /// Whether images of other registries are in it.
        images: bool,
    },
    /// A deployment moved to another phase.
    PhaseChanged {
        /// The new phase.
        phase: Phase,
    },
    /// A step of a deployment ended.
    StepFinished {
        /// Which.
        step: StepKind,
        /// What came out.
        summary: String,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A process ended without being asked to.
    InstanceExited {
        /// Which.
        instance: String,
        /// How.
        reason: String,
    },
    /// An instance that served no longer answers well.
    InstanceUnhealthy {
        /// Which.
        instance: String,
        /// The last bad answer.
        reason: String,
    },
    /// An instance that was unhealthy answers well again.
    InstanceHealthy {
        /// Which.
        instance: String,
    },
}

/// A setting before and after.
#[derive(Serialize, ToSchema)]
struct SettingChange {
    /// Its name.
    field: String,
    /// As it was; absent where it was not set.
    before: Option<String>,
    /// As it is.
    after: Option<String>,
}

impl From<core::SettingChange> for SettingChange {
    fn from(core::SettingChange { field, before, after }: core::SettingChange) -> Self {
        Self { field, before, after }
    }
}

impl Event {
    /// The name of the kind, which server-sent events carry as `event`.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The number, which server-sent events carry as `id`.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        Self {
            number: event.number,
            time: event.time,
            actor: event.actor,
            service: event.service.map(|id| id.to_string()),
            deployment: event.deployment.map(|id| id.to_string()),
            name: event.kind.name(),
            kind: event.kind.into(),
        }
    }
}

impl From<EventKind> for Kind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::ServiceCreated => Self::ServiceCreated,
            EventKind::ServiceChanged { fields, changes, variable_names } => {
                let changes = changes.into_iter().map(SettingChange::from).collect();
                Self::ServiceChanged { fields, changes, variable_names }
            }
            EventKind::DeploymentRequested { reason, revision, image, digest, previous } => {
                let reason = format!("{reason:?}").to_lowercase();
                Self::DeploymentRequested { reason, revision, image, digest, previous }
            }
            EventKind::CancelRequested => Self::CancelRequested,
            EventKind::ServiceScaled { from, to } => Self::ServiceScaled { from, to },
            EventKind::ServiceRestarted => Self::ServiceRestarted,
            EventKind::ServiceRemoved => Self::ServiceRemoved,
            EventKind::CredentialSet { registry, username } => Self::CredentialSet { registry, username },
            EventKind::CredentialRemoved { registry, username } => {
                Self::CredentialRemoved { registry, username }
            }
            EventKind::SharedVariablesChanged { names } => Self::SharedVariablesChanged { names },
            EventKind::VaultReset { credentials, variables, certificates } => {
                Self::VaultReset { credentials, variables, certificates }
            }
            EventKind::DomainAdded { domain } => Self::DomainAdded { domain },
            EventKind::DomainChanged { domain, changes } => {
                let changes = changes.into_iter().map(SettingChange::from).collect();
                Self::DomainChanged { domain, changes }
            }
            EventKind::DomainRemoved { domain } => Self::DomainRemoved { domain },
            EventKind::CertificateInstalled { domain, expires_at } => {
                Self::CertificateInstalled { domain, expires_at }
            }
            EventKind::CertificateFailed { domain, reason } => Self::CertificateFailed { domain, reason },
            EventKind::PushNotDeployed { image, reason } => Self::PushNotDeployed { image, reason },
            EventKind::AutoDeployPaused { revision } => Self::AutoDeployPaused { revision },
            EventKind::AutoDeployResumed => Self::AutoDeployResumed,
            EventKind::TokenCreated { project, name } => Self::TokenCreated { project, name },
            EventKind::TokenRemoved { project, name } => Self::TokenRemoved { project, name },
            EventKind::VaultRotated { records } => Self::VaultRotated { records },
            EventKind::VolumeCreated { volume } => Self::VolumeCreated { volume },
            EventKind::VolumeAdopted { volume } => Self::VolumeAdopted { volume },
            EventKind::VolumeRemoved { volume } => Self::VolumeRemoved { volume },
            EventKind::VolumeRestored { volume } => Self::VolumeRestored { volume },
            EventKind::VolumeBackedUp { volume } => Self::VolumeBackedUp { volume },
            EventKind::VolumeFilled { volume } => Self::VolumeFilled { volume },
            EventKind::VolumePurged { volume } => Self::VolumePurged { volume },
            EventKind::ImagesRemoved { repository, tag, manifests } => {
                Self::ImagesRemoved { repository, tag, manifests }
            }
            EventKind::BackedUp { images } => Self::BackedUp { images },
            EventKind::PhaseChanged { phase } => Self::PhaseChanged { phase: phase.into() },
            EventKind::StepFinished { step, summary, millis } => {
                Self::StepFinished { step: step.into(), summary, millis }
            }
            EventKind::InstanceExited { instance, reason } => {
                Self::InstanceExited { instance: instance.to_string(), reason }
            }
            EventKind::InstanceUnhealthy { instance, reason } => {
                Self::InstanceUnhealthy { instance: instance.to_string(), reason }
            }
            EventKind::InstanceHealthy { instance } => {
                Self::InstanceHealthy { instance: instance.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mirage_core::{DeploymentId, EVENT_KINDS, InstanceId};
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    use super::*;

    /// Every detail that a kind may have.
    fn details(kind: &str) -> Value {
        let instance = InstanceId::from_random([1; 16]);
        let change = json!({"field": "image", "before": null, "after": "web:2"});
        let mut all = json!({
            "type": kind, "fields": ["image"], "changes": [change], "variableNames": ["MODE"], "reason": "out of memory",
            "revision": 3, "image": "web:2", "digest": "sha256:31", "previous": null, "from": 1, "to": 2,
            "registry": "ghcr.io", "username": "bot", "domain": "shop.example", "expiresAt": "2026-11-22T00:00:00Z",
            "names": ["MODE"], "credentials": 1, "variables": 2, "certificates": 3, "project": "shop", "name": "ci",
            "volume": "data", "records": 4, "images": true, "phase": "probing", "step": "pull", "repository": "shop/web", "tag": "1", "manifests": 2, "summary": "3 layers",
            "millis": 5, "instance": instance,
        });
        if kind == "deploymentRequested" {
            all["reason"] = json!("rollback");
        }
        all
    }

    #[test]
    fn a_client_that_knows_the_core_reads_every_kind_of_event() {
        for (name, _) in EVENT_KINDS {
            let kind = EventKind::deserialize(details(name)).unwrap();
            assert_eq!(kind.name(), name);
            let event = core::Event {
                number: 1,
                time: Timestamp::UNIX_EPOCH,
                actor: "admin".into(),
                service: None,
                deployment: Some(DeploymentId::from_random([2; 16])),
                kind: kind.clone(),
            };
            let told = serde_json::to_value(Event::from(event)).unwrap();
            assert_eq!(EventKind::deserialize(told).unwrap(), kind);
        }
    }
}
