//! Changes to a service, as `PATCH` and `deploy` take them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirage_control::ServicePatch;
use mirage_core::{Code, Error, Port, Result, Secret, ServiceSpec, Source};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::credential::{RegistryCredentials, credential_change};
use super::reference::ImageFields;
use super::settings::{HealthcheckChange, ResourcesChange, RestartPolicy, RolloutChange};
use super::variable::inputs;
use super::volume::{Mount, mounts};

/// What is to change about a service. What is absent stays; null goes back to the default.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceChange {
    /// Another image, as a full reference.
    #[schema(example = "ghcr.io/acme/web:1.3")]
    image: Option<String>,
    /// Another registry for the image.
    #[schema(example = "ghcr.io")]
    image_registry: Option<String>,
    /// Another repository for the image.
    #[schema(example = "acme/web")]
    image_name: Option<String>,
    /// Another tag for the image; a digest it had is given up.
    #[schema(example = "1.3")]
    image_tag: Option<String>,
    /// Another digest for the image.
    image_digest: Option<String>,
    /// Another login at its registry.
    registry_credentials: Option<RegistryCredentials>,
    /// Ports the process listens on, the routed one first; null for the image's, empty for a worker.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<u16>>, example = json!([8080]))]
    ports: Option<Option<Vec<Port>>>,
    /// Variables to set, and with null to take away; others stay.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    environment_variables: BTreeMap<String, Option<String>>,
    /// Variables to set that no answer shows again. A sealed one stays sealed when it is set anew.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    sealed_variables: BTreeMap<String, Secret>,
    /// Replaces the image's command, not its entrypoint; null for the image's.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    command: Option<Option<Vec<String>>>,
    /// How health is judged.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<HealthcheckChange>)]
    healthcheck: Option<Option<HealthcheckChange>>,
    /// Limits of each instance.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<ResourcesChange>)]
    resources: Option<Option<ResourcesChange>>,
    /// What happens when the process exits.
    restart_policy: Option<RestartPolicy>,
    /// Whether programs may gain privileges by setuid bits and file capabilities.
    allow_new_privileges: Option<bool>,
    /// Whether it is deployed by itself when its tag is pushed to the built-in registry.
    auto_deploy: Option<bool>,
    /// How it changes from one deployment to the next.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RolloutChange>)]
    rollout: Option<Option<RolloutChange>>,
    /// Seconds between the stop signal and the kill.
    #[schema(maximum = 3600)]
    stop_grace_seconds: Option<u32>,
    /// Its volumes, all of them; null for none. One that is left out is kept, and not mounted.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<Mount>>)]
    volumes: Option<Option<Vec<Mount>>>,
    /// Instances wanted; takes effect at once.
    replicas: Option<u32>,
}

impl ServiceChange {
    /// The change in the words of [`mirage_control`], for a service that is `current` now and was last
    /// changed at `seen`.
    pub(crate) fn against(self, current: &ServiceSpec, seen: Timestamp) -> Result<ServicePatch> {
        let Source::Image(now) = &current.source;
        let image = ImageFields {
            image: self.image,
            registry: self.image_registry,
            name: self.image_name,
            tag: self.image_tag,
            digest: self.image_digest,
        };
        Ok(ServicePatch {
            image: image.reference(Some(now))?,
            ports: self.ports.map(distinct).transpose()?,
            credentials: credential_change(self.registry_credentials),
            variables: inputs("environmentVariables", self.environment_variables, self.sealed_variables)?,
            command: self.command,
            probe: self.healthcheck.map(|change| match change {
                Some(change) => change.apply(&current.probe),
                None => Default::default(),
            }),
            resources: self.resources.map(|change| match change {
                Some(change) => change.apply(&current.resources),
                None => Default::default(),
            }),
            restart: self.restart_policy.map(Into::into),
            allow_new_privileges: self.allow_new_privileges,
            auto_deploy: self.auto_deploy,
            rollout: self.rollout.map(|change| match change {
                Some(change) => change.apply(&current.rollout),
                None => Default::default(),
            }),
            stop_grace_seconds: self.stop_grace_seconds,
            volumes: self.volumes.map(|given| mounts(given.unwrap_or_default())).transpose()?,
            replicas: self.replicas,
            seen: Some(seen),
        })
    }
}

/// Ports, each once.
pub(crate) fn distinct(ports: Option<Vec<Port>>) -> Result<Option<Vec<Port>>> {
    let twice = ports
        .iter()
        .flatten()
        .enumerate()
        .find(|(at, port)| ports.iter().flatten().take(*at).any(|p| p == *port));
    match twice {
        Some((_, port)) => Err(Error::new(Code::InvalidRequest, format!("port {port} is listed twice"))
            .field("ports")
            .hint("list each port once, the one for the traffic first")),
        None => Ok(ports),
    }
}

/// Tells a field that is null from one that is absent.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(json).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn against(json: &str) -> Result<ServicePatch> {
        let mut spec = ServiceSpec::image("ghcr.io/acme/web:1".parse().unwrap());
        spec.probe.path = Some("/old".into());
        spec.probe.threshold = Some(7);
        spec.resources.memory_bytes = Some(1 << 30);
        serde_json::from_str::<ServiceChange>(json).unwrap().against(&spec, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_absent_stays_and_null_is_the_default() {
        let patch = against("{}").unwrap();
        assert!(
            patch.image.is_none()
                && patch.ports.is_none()
                && patch.probe.is_none()
                && patch.resources.is_none()
        );
        let patch =
            against(r#"{"ports": null, "command": null, "healthcheck": null, "resources": null}"#).unwrap();
        assert_eq!((patch.ports, patch.command), (Some(None), Some(None)));
        assert_eq!((patch.probe, patch.resources), (Some(Default::default()), Some(Default::default())));
        let patch = against(r#"{"healthcheck": {"path": null, "intervalSeconds": 1}}"#).unwrap();
        let probe = patch.probe.unwrap();
        assert_eq!((probe.path, probe.interval_millis, probe.threshold), (None, Some(1000), Some(7)));
        let patch = against(r#"{"resources": {"cpu": 0.5}}"#).unwrap();
        let resources = patch.resources.unwrap();
        assert_eq!((resources.memory_bytes, resources.cpu_millis), (Some(1 << 30), Some(500)));
    }

    #[test]
    fn variables_are_set_and_taken_away_by_name() {
        let patch =
            against(r#"{"environmentVariables": {"A": "1", "B": null}, "sealedVariables": {"C": "2"}}"#)
                .unwrap();
        let told: Vec<_> = patch
            .variables
            .iter()
            .map(|(name, value)| {
                (name.as_str(), value.as_ref().map(|input| (input.text.reveal(), input.seal)))
            })
            .collect();
        assert_eq!(told, [("A", Some(("1", false))), ("B", None), ("C", Some(("2", true)))]);
        let refused = |json| against(json).err().unwrap();
        let twice = refused(r#"{"environmentVariables": {"A": "1"}, "sealedVariables": {"A": "2"}}"#);
        assert_eq!(twice.at_field(), Some("sealedVariables.A"));
        let error = refused(r#"{"environmentVariables": {"1A": "1"}}"#);
        assert_eq!(error.at_field(), Some("environmentVariables.1A"));
        let error = refused(r#"{"environmentVariables": {"A": "x\u0000y"}}"#);
        assert!(!error.message().contains("x\0y"));
        assert_eq!(refused(r#"{"ports": [80, 81, 80]}"#).at_field(), Some("ports"));
    }
}
