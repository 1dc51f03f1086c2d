//! As whom a registry is asked: which of the credentials that a service may use is for its image.

use mirage_core::{
    Credential, CredentialOutcome, CredentialOwner, CredentialScope, EnvironmentId, Login, ProjectId,
    Reference, RegistryHost, Result, Secret, ServiceId, SharedVariable, VariableText,
};

use crate::Control;
use crate::access::{Action, Actor};
use crate::create::{DEFAULT_ENVIRONMENT, DEFAULT_PROJECT};
use crate::parts::Parts;

/// The user name beside a token that suffices by itself. Registries that take one ignore it.
const ANY_USER: &str = "token";

/// Who wants to pull.
#[derive(Clone, Copy)]
pub(crate) enum Puller {
    /// A service that exists.
    Service(ServiceId, EnvironmentId),
    /// A service that is to be made here; the project or the environment may be yet to be made too.
    Place(Option<ProjectId>, Option<EnvironmentId>),
}

impl Control {
    /// The login with which the built-in registry reads another one for everybody who may pull here: from the
    /// credentials that the default project and environment share. `None` asks as anybody.
    ///
    /// # Errors
    /// `FORBIDDEN`; `TARGET_UNAVAILABLE` where the vault is locked that has the password.
    pub async fn shared_login(&self, actor: &Actor, image: &Reference) -> Result<Option<Login>> {
        self.allow(actor, Action::PullImages(image.repository()))?;
        let place = (DEFAULT_PROJECT.parse()?, DEFAULT_ENVIRONMENT.parse()?);
        let puller = self.puller_at(&place.0, &place.1).await?;
        self.parts.login(puller, &CredentialOutcome::Keep, image).await
    }
}

impl Parts {
    /// The login with which `image` is pulled; `None` asks as anybody. `change` is what is about to become
    /// of the service's own credential.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the vault is locked that has the password.
    pub(crate) async fn login(
        &self,
        puller: Puller,
        change: &CredentialOutcome,
        image: &Reference,
    ) -> Result<Option<Login>> {
        if let CredentialOutcome::Replace(login) = change {
            return Ok(Some(login.clone()));
        }
        let mut all = match puller {
            Puller::Service(service, _) => self.store.credentials_for(service).await?,
            Puller::Place(Some(project), environment) => {
                self.store.shared_credentials(project, environment).await?
            }
            Puller::Place(None, _) => Vec::new(),
        };
        if matches!(change, CredentialOutcome::Remove) {
            all.retain(|one| !matches!(one.scope, CredentialScope::Service(_)));
        }
        if let Some(chosen) = Credential::choose(&all, image) {
            return self.opened(chosen).await;
        }
        match puller {
            Puller::Service(_, environment) | Puller::Place(_, Some(environment)) => {
                let shared = self.store.shared_variables(environment).await?;
                from_variables(&shared, image.host(), |variable| {
                    let binding = variable.name.shared_binding(environment);
                    self.vault.variable(&binding, &variable.value)
                })
            }
            Puller::Place(_, None) => Ok(None),
        }
    }

    /// A credential with its password; `None` where it was taken away a moment ago.
    pub(crate) async fn opened(&self, credential: &Credential) -> Result<Option<Login>> {
        let Some((now, sealed)) = self.store.sealed_credential(credential.id).await? else { return Ok(None) };
        let password = self.vault.unseal(&now.binding(), &sealed)?;
        Ok(Some(Login { owner: now.owner, password }))
    }
}

/// The login that the well-known variables of an environment make for a registry.
fn from_variables(
    shared: &[SharedVariable],
    host: &RegistryHost,
    open: impl Fn(&SharedVariable) -> Result<VariableText>,
) -> Result<Option<Login>> {
    let value = |wanted: &str| {
        let found = shared.iter().find(|variable| variable.name.as_str() == wanted);
        found.map(&open).transpose()
    };
    let login = |username: &str, password: VariableText| Login {
        owner: CredentialOwner { host: host.clone(), username: username.to_owned() },
        password: Secret::from(password.reveal().to_owned()),
    };
    let token = |name| Ok(value(name)?.map(|token| login(ANY_USER, token)));
    let found: Option<Login> = match host.as_str() {
        "docker.io" => match (value("DOCKER_USERNAME")?, value("DOCKER_PASSWORD")?) {
            (Some(user), Some(password)) => Some(login(user.reveal(), password)),
            _ => None,
        },
        "ghcr.io" => token("GITHUB_TOKEN")?,
        "registry.gitlab.com" => token("GITLAB_TOKEN")?,
        _ => None,
    };
    Ok(found.filter(|login| login.check().is_ok() && !login.password.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use mirage_core::VariableValue;

    #[test]
    fn variables_of_ci_systems_are_logins_of_their_registries() {
        let variable = |name: &str, value: &str| SharedVariable {
            environment: EnvironmentId::from_random([1; 16]),
            name: name.parse().unwrap(),
            value: value.into(),
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let shared = [
            variable("DOCKER_USERNAME", "eve"),
            variable("DOCKER_PASSWORD", "sesame"),
            variable("GITHUB_TOKEN", "ghp_1"),
            variable("GITLAB_TOKEN", ""),
        ];
        let found = |shared: &[SharedVariable], host: &str| {
            let open = |variable: &SharedVariable| match &variable.value {
                VariableValue::Plain(text) => Ok(text.clone()),
                VariableValue::Sealed { .. } => unreachable!(),
            };
            let login = from_variables(shared, &host.parse().unwrap(), open).unwrap()?;
            Some(format!("{}: {}", login.owner, login.password.reveal()))
        };
        assert_eq!(found(&shared, "docker.io").as_deref(), Some("eve at docker.io: sesame"));
        assert_eq!(found(&shared, "ghcr.io").as_deref(), Some("token at ghcr.io: ghp_1"));
        assert_eq!(found(&shared, "registry.gitlab.com"), None, "an empty token is none");
        assert_eq!(found(&shared, "quay.io"), None);
        assert_eq!(found(&shared[..1], "docker.io"), None, "a user name alone is no login");
    }
}
