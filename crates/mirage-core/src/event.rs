//! Events: facts, appended and never changed.

mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::{Phase, StepKind, Trigger};
use crate::id::{DeploymentId, InstanceId, ServiceId};

pub use words::EVENT_KINDS;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counted over the whole platform; later events have higher numbers.
    pub number: i64,
    /// When.
    pub time: Timestamp,
    /// Who asked for it; `mirage` where nobody did.
    pub actor: String,
    /// The service it is about.
    pub service: Option<ServiceId>,
    /// The deployment it is about.
    pub deployment: Option<DeploymentId>,
    /// What happened.
    pub kind: EventKind,
}

/// A setting before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// Its name.
    pub field: String,
    /// As it was; `None` where it was not set.
    pub before: Option<String>,
    /// As it is.
    pub after: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// A service was made.
    ServiceCreated,
    /// Settings of a service were changed; the names of those that were.
    ServiceChanged {
        /// Names of settings.
        fields: Vec<String>,
        /// What they were and are, of those that cannot hold a secret.
        #[serde(default)]
        changes: Vec<SettingChange>,
        /// Names of the variables among them, never their values.
        #[serde(default)]
        variable_names: Vec<String>,
    },
    /// A deployment was asked for.
    DeploymentRequested {
        /// Why.
        reason: Trigger,
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
        /// Certificates and the accounts by which they are had.
        #[serde(default)]
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
    /// A volume was made.
    VolumeCreated {
        /// Its name.
        volume: String,
    },
    /// A service took a volume as its own that belonged to none, or to one that had no use for it.
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
        /// The tag; `None` where the whole repository went.
        tag: Option<String>,
        /// How many manifests and indexes went with it.
        manifests: usize,
    },
    /// Everything that is sealed was sealed anew.
    VaultRotated {
        /// How many records there are.
        records: usize,
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
        instance: InstanceId,
        /// `exit code 1`, `killed by SIGSEGV`, `out of memory`.
        reason: String,
    },
    /// An instance that served no longer answers well.
    InstanceUnhealthy {
        /// Which.
        instance: InstanceId,
        /// The last bad answer.
        reason: String,
    },
    /// An instance that was unhealthy answers well again.
    InstanceHealthy {
        /// Which.
        instance: InstanceId,
    },
}

impl EventKind {
    /// The name of the kind, as its JSON has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ServiceCreated => "serviceCreated",
            Self::ServiceChanged { .. } => "serviceChanged",
            Self::ServiceScaled { .. } => "serviceScaled",
            Self::ServiceRestarted => "serviceRestarted",
            Self::ServiceRemoved => "serviceRemoved",
            Self::CredentialSet { .. } => "credentialSet",
            Self::CredentialRemoved { .. } => "credentialRemoved",
            Self::SharedVariablesChanged { .. } => "sharedVariablesChanged",
            Self::VaultReset { .. } => "vaultReset",
            Self::PushNotDeployed { .. } => "pushNotDeployed",
            Self::AutoDeployPaused { .. } => "autoDeployPaused",
            Self::AutoDeployResumed => "autoDeployResumed",
            Self::VolumeCreated { .. } => "volumeCreated",
            Self::VolumeAdopted { .. } => "volumeAdopted",
            Self::VolumeRemoved { .. } => "volumeRemoved",
            Self::VolumeRestored { .. } => "volumeRestored",
            Self::VolumeBackedUp { .. } => "volumeBackedUp",
            Self::VolumeFilled { .. } => "volumeFilled",
            Self::VolumePurged { .. } => "volumePurged",
            Self::ImagesRemoved { .. } => "imagesRemoved",
            Self::BackedUp { .. } => "backedUp",
            Self::DomainAdded { .. } => "domainAdded",
            Self::DomainChanged { .. } => "domainChanged",
            Self::DomainRemoved { .. } => "domainRemoved",
            Self::CertificateInstalled { .. } => "certificateInstalled",
            Self::CertificateFailed { .. } => "certificateFailed",
            Self::TokenCreated { .. } => "tokenCreated",
            Self::TokenRemoved { .. } => "tokenRemoved",
            Self::VaultRotated { .. } => "vaultRotated",
            Self::PhaseChanged { .. } => "phaseChanged",
            Self::StepFinished { .. } => "stepFinished",
            Self::InstanceExited { .. } => "instanceExited",
            Self::InstanceUnhealthy { .. } => "instanceUnhealthy",
            Self::InstanceHealthy { .. } => "instanceHealthy",
            Self::DeploymentRequested { .. } => "deploymentRequested",
            Self::CancelRequested => "cancelRequested",
        }
    }
}
