//! What is different between two deployments of a service, without what may be secret.

use mirage_core::{Code, DeploymentId, Error, Result, ServiceSpec, SettingChange};

use crate::access::{Action, Actor};
use crate::read::{DeploymentView, ServiceView};
use crate::{Control, changes};

/// Settings that are different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Those that cannot hold a secret, by the names they have in requests, each part of a setting for itself.
    pub settings: Vec<SettingChange>,
    /// The names of the variables that are different, never their values.
    pub variable_names: Vec<String>,
    /// Whether the command is another one; its words may be secret.
    pub command: bool,
}

/// Two deployments of a service.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The one that was asked for first.
    pub older: DeploymentView,
    /// The other.
    pub newer: DeploymentView,
    /// What is different, from the older to the newer.
    pub differences: Differences,
}

impl Differences {
    /// What was `before` and is `after`.
    ///
    /// # Errors
    /// `INTERNAL` where settings cannot be written down.
    pub fn between(before: &ServiceSpec, after: &ServiceSpec) -> Result<Self> {
        let (settings, variable_names) = changes::in_parts(before, after)?;
        Ok(Self { settings, variable_names, command: before.command != after.command })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.variable_names.is_empty() && !self.command
    }
}

impl ServiceView {
    /// What was asked for and does not run yet: it comes with the next deployment. Nothing where none is known that
    /// it could be compared with.
    ///
    /// # Errors
    /// `INTERNAL` where settings cannot be written down.
    pub fn waiting(&self) -> Result<Differences> {
        match &self.revision {
            Some(revision) => Differences::between(&revision.spec, &self.service.spec),
            None => Ok(Differences::default()),
        }
    }
}

impl Control {
    /// Compares two deployments of one service, whichever is named first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` at the field `with` where they are of different services.
    pub async fn compare(&self, actor: &Actor, one: DeploymentId, with: DeploymentId) -> Result<Comparison> {
        self.allow(actor, Action::Read)?;
        let (one, other) = (self.deployment(actor, one).await?, self.deployment(actor, with).await?);
        if one.deployment.service != other.deployment.service {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("`{with}` is a deployment of another service"),
            )
            .field("with")
            .hint("choose two of the same service"));
        }
        let age = |view: &DeploymentView| (view.deployment.created_at, view.deployment.revision);
        let (older, newer) = if age(&one) <= age(&other) { (one, other) } else { (other, one) };
        let differences = Differences::between(&older.revision.spec, &newer.revision.spec)?;
        Ok(Comparison { older, newer, differences })
    }
}

#[cfg(test)]
mod tests {
    use mirage_core::{Probe, Resources, RestartPolicy, Rollout, setting};

    use super::*;

    #[test]
    fn every_setting_that_can_be_different_has_words() {
        let before = ServiceSpec::image("nginx:1".parse().unwrap());
        let after = ServiceSpec {
            ports: Some(Vec::new()),
            probe: Probe {
                path: Some("/".into()),
                port: Some(1),
                host: Some("a".into()),
                expected: "200".parse().ok(),
                interval_millis: Some(1),
                timeout_millis: Some(1),
                budget_millis: Some(1),
                threshold: Some(1),
            },
            resources: Resources { memory_bytes: Some(1), cpu_millis: Some(1), pids: 1 },
            restart: RestartPolicy::Never,
            allow_new_privileges: true,
            auto_deploy: true,
            rollout: Rollout { surge: Some(1), overlap_seconds: 1, drain_seconds: 1 },
            volumes: serde_json::from_str(r#"[{"volume":"data","path":"/data"}]"#).unwrap(),
            stop_grace_seconds: 1,
            ..ServiceSpec::image("nginx:2".parse().unwrap())
        };
        let differences = Differences::between(&before, &after).unwrap();
        assert_eq!(differences.settings.len(), 21, "{:?}", differences.settings);
        for change in &differences.settings {
            assert_ne!(setting::label(&change.field), change.field);
        }
    }
}
