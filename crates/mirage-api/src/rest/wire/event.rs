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
}

/// What happened.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Kind {
    /// A service was made.
    ServiceCreated,
    /// Settings of a service were changed.
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

impl Event {
    /// The name of the kind, which server-sent events carry as `event`.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::ServiceCreated => "serviceCreated",
            Kind::ServiceChanged { .. } => "serviceChanged",
            Kind::ServiceScaled { .. } => "serviceScaled",
            Kind::ServiceRestarted => "serviceRestarted",
            Kind::ServiceRemoved => "serviceRemoved",
            Kind::CredentialSet { .. } => "credentialSet",
            Kind::CredentialRemoved { .. } => "credentialRemoved",
            Kind::SharedVariablesChanged { .. } => "sharedVariablesChanged",
            Kind::VaultReset { .. } => "vaultReset",
            Kind::DomainAdded { .. } => "domainAdded",
            Kind::DomainRemoved { .. } => "domainRemoved",
            Kind::CertificateInstalled { .. } => "certificateInstalled",
            Kind::CertificateFailed { .. } => "certificateFailed",
            Kind::PushNotDeployed { .. } => "pushNotDeployed",
            Kind::TokenCreated { .. } => "tokenCreated",
            Kind::TokenRemoved { .. } => "tokenRemoved",
            Kind::VaultRotated { .. } => "vaultRotated",
            Kind::PhaseChanged { .. } => "phaseChanged",
            Kind::StepFinished { .. } => "stepFinished",
            Kind::InstanceExited { .. } => "instanceExited",
            Kind::InstanceUnhealthy { .. } => "instanceUnhealthy",
            Kind::InstanceHealthy { .. } => "instanceHealthy",
        }
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
            kind: event.kind.into(),
        }
    }
}

impl From<EventKind> for Kind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::ServiceCreated => Self::ServiceCreated,
            EventKind::ServiceChanged { fields } => Self::ServiceChanged { fields },
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
            EventKind::DomainRemoved { domain } => Self::DomainRemoved { domain },
            EventKind::CertificateInstalled { domain, expires_at } => {
                Self::CertificateInstalled { domain, expires_at }
            }
            EventKind::CertificateFailed { domain, reason } => Self::CertificateFailed { domain, reason },
            EventKind::PushNotDeployed { image, reason } => Self::PushNotDeployed { image, reason },
            EventKind::TokenCreated { project, name } => Self::TokenCreated { project, name },
            EventKind::TokenRemoved { project, name } => Self::TokenRemoved { project, name },
            EventKind::VaultRotated { records } => Self::VaultRotated { records },
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
