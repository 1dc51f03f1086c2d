//! Credentials: passwords in requests alone, everything else in answers.

use std::fmt;

use jiff::Timestamp;
use mirage_control::ListedCredential;
use mirage_core::{CredentialChange, Secret};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The login at the registry of the image. What is absent stays as it is; an empty user name takes it away.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub(crate) struct RegistryCredentials {
    /// The user name. Another one than before needs its password too.
    #[schema(example = "ci-puller")]
    username: Option<String>,
    /// The password or token. It is sealed, and no answer has it.
    #[schema(value_type = Option<String>, write_only)]
    password: Option<Secret>,
}

impl<'de> Deserialize<'de> for RegistryCredentials {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Named)
    }
}

/// Takes fields by their names alone. By itself serde would also take a list of their values, and what
/// stands first there would be shown as a user name.
struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = RegistryCredentials;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RegistryCredentials, A::Error> {
        RegistryCredentials::deserialize(MapAccessDeserializer::new(map))
    }
}

/// What a request says about credentials, which may be nothing.
pub(crate) fn credential_change(given: Option<RegistryCredentials>) -> CredentialChange {
    let given = given.unwrap_or_default();
    CredentialChange { username: given.username, password: given.password }
}

/// A credential. There is no field for the password, so none can be in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credential {
    /// Identity.
    id: String,
    /// The registry.
    #[schema(example = "ghcr.io")]
    registry: String,
    /// Only for repositories at or below this one; null for all.
    #[schema(example = "acme")]
    repository: Option<String>,
    /// The user name.
    username: String,
    /// The project of the services that pull with it.
    project: String,
    /// Their environment; null where the whole project shares it.
    environment: Option<String>,
    /// The one service that has it for itself; null where it is shared.
    service: Option<String>,
    /// When it was first given.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its password was last replaced.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<ListedCredential> for Credential {
    fn from(view: ListedCredential) -> Self {
        let ListedCredential { credential, project, environment, service } = view;
        Self {
            id: credential.id.to_string(),
            registry: credential.owner.host.to_string(),
            repository: credential.prefix.map(|prefix| prefix.to_string()),
            username: credential.owner.username,
            project: project.to_string(),
            environment: environment.map(|name| name.to_string()),
            service: service.map(|name| name.to_string()),
            created_at: credential.created_at,
            updated_at: credential.updated_at,
        }
    }
}
