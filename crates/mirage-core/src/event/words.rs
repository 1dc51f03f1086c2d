//! Events in words, for pages and terminals.

use super::{EventKind, SettingChange};
use crate::setting;

/// Every kind: its name as JSON has it, and what that means in words.
pub const EVENT_KINDS: [(&str, &str); 36] = [
    ("deploymentRequested", "a deployment was asked for"),
    ("phaseChanged", "a deployment moved on"),
    ("stepFinished", "a step of a deployment ended"),
    ("cancelRequested", "a deployment was cancelled"),
    ("pushNotDeployed", "a push was not deployed"),
    ("autoDeployPaused", "pushes set off nothing any more"),
    ("autoDeployResumed", "pushes set off deploys again"),
    ("serviceCreated", "a service was created"),
    ("serviceChanged", "a service was changed"),
    ("serviceScaled", "a service was scaled"),
    ("serviceRestarted", "a service was restarted"),
    ("serviceRemoved", "a service was removed"),
    ("sharedVariablesChanged", "shared variables were changed"),
    ("instanceExited", "an instance ended"),
    ("instanceUnhealthy", "an instance is unhealthy"),
    ("instanceHealthy", "an instance is healthy again"),
    ("domainAdded", "a domain was added"),
    ("domainChanged", "a domain was changed"),
    ("domainRemoved", "a domain was removed"),
    ("certificateInstalled", "a domain has a new certificate"),
    ("certificateFailed", "a domain got no certificate"),
    ("volumeCreated", "a volume was created"),
    ("volumeAdopted", "a volume was taken over"),
    ("volumeRemoved", "a volume was removed"),
    ("volumeRestored", "a volume was taken back"),
    ("volumeBackedUp", "a volume was backed up"),
    ("volumeFilled", "the data of a volume was replaced"),
    ("volumePurged", "a volume was deleted for good"),
    ("credentialSet", "a login was set"),
    ("credentialRemoved", "a login was removed"),
    ("tokenCreated", "a token was created"),
    ("tokenRemoved", "a token was removed"),
    ("vaultRotated", "the vault got a new key"),
    ("vaultReset", "the vault was reset"),
    ("backedUp", "a backup was taken"),
    ("imagesRemoved", "images were removed"),
];

impl EventKind {
    /// What happened, in half a sentence that its actor may stand before.
    pub fn told(&self) -> String {
        match self {
            Self::ServiceCreated => "created the service".into(),
            Self::ServiceChanged { fields, changes, variable_names } => {
                format!("changed {}", settings(fields, changes, variable_names))
            }
            Self::DeploymentRequested { reason, revision, image, .. } => {
                format!("{reason} of revision {revision}, {image}")
            }
            Self::CancelRequested => "cancelled the deployment".into(),
            Self::ServiceScaled { from, to } => format!("scaled from {from} to {to}"),
            Self::ServiceRestarted => "restarted the service".into(),
            Self::ServiceRemoved => "removed the service".into(),
            Self::CredentialSet { registry, username } => format!("set the login {username} for {registry}"),
            Self::CredentialRemoved { registry, username } => {
                format!("removed the login {username} for {registry}")
            }
            Self::DomainAdded { domain } => format!("added the domain {domain}"),
            Self::DomainChanged { domain, changes } => format!("changed {} of {domain}", fields(changes)),
            Self::DomainRemoved { domain } => format!("removed the domain {domain}"),
            Self::CertificateInstalled { domain, .. } => format!("{domain} has a new certificate"),
            Self::CertificateFailed { domain, reason } => format!("no certificate for {domain}: {reason}"),
            Self::SharedVariablesChanged { names } => {
                format!("changed shared variables {}", names.join(", "))
            }
            Self::VaultReset { .. } => "gave up everything that was sealed".into(),
            Self::VaultRotated { records } => format!("sealed {records} records with a new key"),
            Self::PushNotDeployed { image, reason } => {
                format!("a push of {image} was not deployed: {reason}")
            }
            Self::AutoDeployPaused { .. } => "pushes set off nothing until the next deploy".into(),
            Self::AutoDeployResumed => "pushes set off deploys again".into(),
            Self::TokenCreated { project, name } => format!("created the token {project}/{name}"),
            Self::TokenRemoved { project, name } => format!("removed the token {project}/{name}"),
            Self::VolumeCreated { volume } => format!("created the volume {volume}"),
            Self::VolumeAdopted { volume } => format!("took over the volume {volume}"),
            Self::VolumeRemoved { volume } => format!("removed the volume {volume}"),
            Self::VolumeRestored { volume } => format!("took back the volume {volume}"),
            Self::VolumeBackedUp { volume } => format!("backed up the volume {volume}"),
            Self::VolumeFilled { volume } => format!("replaced the data of the volume {volume}"),
            Self::VolumePurged { volume } => format!("the volume {volume} is deleted for good"),
            Self::ImagesRemoved { repository, tag: Some(tag), .. } => {
                format!("removed the image {repository}:{tag}")
            }
            Self::ImagesRemoved { repository, tag: None, .. } => {
                format!("removed the repository {repository} with its images")
            }
            Self::BackedUp { .. } => "took a backup".into(),
            Self::PhaseChanged { phase } => format!("the deployment {}", phase.told()),
            Self::StepFinished { step, summary, .. } => format!("{}: {summary}", step.as_str()),
            Self::InstanceExited { reason, .. } => format!("an instance ended: {reason}"),
            Self::InstanceUnhealthy { reason, .. } => format!("an instance is unhealthy: {reason}"),
            Self::InstanceHealthy { .. } => "an instance is healthy again".into(),
        }
    }
}

/// What was changed of a service, each setting from what to what where that may be told.
fn settings(fields: &[String], changes: &[SettingChange], variables: &[String]) -> String {
    let one = |field: &String| match changes.iter().find(|change| setting::is_same(&change.field, field)) {
        Some(change) => {
            let parts = setting::changes(change).into_iter().map(|it| {
                let label = setting::in_sentence(&it.label);
                format!("{label} from {} to {}", it.before.words(), it.after.words())
            });
            parts.collect::<Vec<_>>().join(", ")
        }
        None if setting::label(field) == setting::label("variables") && !variables.is_empty() => {
            format!("variables {}", variables.join(", "))
        }
        None => setting::in_sentence(setting::label(field)),
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn fields(changes: &[SettingChange]) -> String {
    let names = changes.iter().map(|change| setting::in_sentence(setting::label(&change.field)));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_event_has_words() {
        let source = include_str!("../event.rs");
        let names = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), EVENT_KINDS.len());
        for name in names {
            assert!(EVENT_KINDS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn a_change_says_from_what_to_what() {
        let change = |field: &str, before: Option<&str>, after: Option<&str>| SettingChange {
            field: field.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let kind = EventKind::ServiceChanged {
            fields: ["image", "resources", "stopGraceSeconds", "environmentVariables", "registryCredentials"]
                .map(str::to_owned)
                .into(),
            changes: vec![
                change("image", Some("docker.io/acme/web:1"), Some("docker.io/acme/web:2")),
                change(
                    "resources",
                    Some(r#"{"memory_bytes":null,"cpu_millis":500,"pids":4096}"#),
                    Some(r#"{"memory_bytes":67108864,"cpu_millis":null,"pids":4096}"#),
                ),
                change("stop_grace_seconds", Some("10"), Some("3")),
            ],
            variable_names: vec!["MODE".into()],
        };
        assert_eq!(
            kind.told(),
            "changed image from acme/web:1 to acme/web:2, cores of each from 0.5 to no limit, \
             memory of each from no limit to 64MiB, seconds between the stop signal and the kill from 10 to 3, \
             variables MODE, login at the registry"
        );
    }
}
