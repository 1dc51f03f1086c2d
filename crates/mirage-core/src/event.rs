//! Events: facts, appended and never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::{Phase, StepKind};
use crate::id::{DeploymentId, InstanceId, ServiceId};

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

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// A service was made.
    ServiceCreated,
    /// Settings of a service were changed; the names of those that were.
    ServiceChanged {
        /// Names of settings, never their values.
        fields: Vec<String>,
    },
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
