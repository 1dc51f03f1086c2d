//! Events in words.

use mirage_core::{EventKind, SettingChange};

/// The kinds that can be asked for: as the address has them, in words.
pub(super) const KINDS: [(&str, &str); 36] = [
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

/// An event in half a sentence.
pub(super) fn told(kind: &EventKind) -> String {
    match kind {
        EventKind::ServiceCreated => "created the service".into(),
        EventKind::ServiceChanged { fields, changes, variable_names } => {
            format!("changed {}", settings(fields, changes, variable_names))
        }
        EventKind::DeploymentRequested { reason, revision, image, .. } => {
            format!("{reason} of revision {revision}, {image}")
        }
        EventKind::CancelRequested => "cancelled the deployment".into(),
        EventKind::ServiceScaled { from, to } => format!("scaled from {from} to {to}"),
        EventKind::ServiceRestarted => "restarted the service".into(),
        EventKind::ServiceRemoved => "removed the service".into(),
        EventKind::CredentialSet { registry, username } => format!("set the login {username} for {registry}"),
        EventKind::CredentialRemoved { registry, username } => {
            format!("removed the login {username} for {registry}")
        }
        EventKind::DomainAdded { domain } => format!("added the domain {domain}"),
        EventKind::DomainChanged { domain, changes } => format!("changed {} of {domain}", fields(changes)),
        EventKind::DomainRemoved { domain } => format!("removed the domain {domain}"),
        EventKind::CertificateInstalled { domain, .. } => format!("{domain} has a new certificate"),
        EventKind::CertificateFailed { domain, reason } => format!("no certificate for {domain}: {reason}"),
        EventKind::SharedVariablesChanged { names } => {
            format!("changed shared variables {}", names.join(", "))
        }
        EventKind::VaultReset { .. } => "gave up everything that was sealed".into(),
        EventKind::VaultRotated { records } => format!("sealed {records} records with a new key"),
        EventKind::PushNotDeployed { image, reason } => {
            format!("a push of {image} was not deployed: {reason}")
        }
        EventKind::AutoDeployPaused { .. } => "pushes set off nothing until the next deploy".into(),
        EventKind::AutoDeployResumed => "pushes set off deploys again".into(),
        EventKind::TokenCreated { project, name } => format!("created the token {project}/{name}"),
        EventKind::TokenRemoved { project, name } => format!("removed the token {project}/{name}"),
        EventKind::VolumeCreated { volume } => format!("created the volume {volume}"),
        EventKind::VolumeAdopted { volume } => format!("took over the volume {volume}"),
        EventKind::VolumeRemoved { volume } => format!("removed the volume {volume}"),
        EventKind::VolumeRestored { volume } => format!("took back the volume {volume}"),
        EventKind::VolumeBackedUp { volume } => format!("backed up the volume {volume}"),
        EventKind::VolumeFilled { volume } => format!("replaced the data of the volume {volume}"),
        EventKind::VolumePurged { volume } => format!("the volume {volume} is deleted for good"),
        EventKind::ImagesRemoved { repository, tag: Some(tag), .. } => {
            format!("removed the image {repository}:{tag}")
        }
        EventKind::ImagesRemoved { repository, tag: None, .. } => {
            format!("removed the repository {repository} with its images")
        }
        EventKind::BackedUp { .. } => "took a backup".into(),
        EventKind::PhaseChanged { phase } => format!("the deployment is {phase}"),
        EventKind::StepFinished { step, summary, .. } => format!("{}: {summary}", step.as_str()),
        EventKind::InstanceExited { reason, .. } => format!("an instance ended: {reason}"),
        EventKind::InstanceUnhealthy { reason, .. } => format!("an instance is unhealthy: {reason}"),
        EventKind::InstanceHealthy { .. } => "an instance is healthy again".into(),
    }
}

/// What was changed of a service, each setting from what to what where that may be told.
fn settings(fields: &[String], changes: &[SettingChange], variables: &[String]) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
    let one = |field: &String| match changes.iter().find(|change| change.field == *field) {
        Some(SettingChange { before, after, .. }) => {
            format!("{field} from {} to {}", shown(before), shown(after))
        }
        None if field == "variables" && !variables.is_empty() => {
            format!("variables {}", variables.join(", "))
        }
        None => field.clone(),
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn fields(changes: &[SettingChange]) -> String {
    changes.iter().map(|change| change.field.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_event_can_be_asked_for() {
        let source = include_str!("../../../../mirage-core/src/event.rs");
        let names = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), KINDS.len());
        for name in names {
            assert!(KINDS.iter().any(|(known, _)| *known == name), "{name}");
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
            fields: vec!["image".into(), "memory".into(), "variables".into()],
            changes: vec![
                change("image", Some("web:1"), Some("web:2")),
                change("memory", None, Some("64 MiB")),
            ],
            variable_names: vec!["MODE".into()],
        };
        assert_eq!(
            told(&kind),
            "changed image from web:1 to web:2, memory from nothing to 64 MiB, variables MODE"
        );
    }
}
