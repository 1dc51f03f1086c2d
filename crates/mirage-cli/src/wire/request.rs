//! What the command line asks for; what is absent is left to the platform.

use std::collections::BTreeMap;

use mirage_core::{RestartPolicy, Secret};
use serde::{Deserialize, Serialize, Serializer};

/// A secret on its way to the platform.
pub(crate) struct Password(pub(crate) Secret);

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

/// The login at an image's registry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistryCredentials {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Password>,
}

/// Body of `POST /api/credentials`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCredential {
    pub(crate) registry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    pub(crate) username: String,
    pub(crate) password: Password,
    pub(crate) project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
}

/// Body of `PATCH /api/projects/{project}/environments/{environment}/variables`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharedVariables {
    pub(crate) variables: BTreeMap<String, Option<String>>,
    pub(crate) sealed_variables: BTreeMap<String, Password>,
}

/// Body of `PATCH /api/services/{service}` where variables alone change.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceVariables {
    pub(crate) environment_variables: BTreeMap<String, Option<String>>,
    pub(crate) sealed_variables: BTreeMap<String, Password>,
}

/// Body of `POST /api/images/inspect`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InspectImage {
    pub(crate) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry_credentials: Option<RegistryCredentials>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
}

/// Body of `POST /api/services/{service}/domains`, and one of those that a new service is to have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewDomain {
    pub(crate) domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_https: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<bool>,
}

/// Body of `POST /api/services/from-image`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewService {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) domains: Vec<NewDomain>,
    #[serde(flatten)]
    pub(crate) settings: Change,
}

/// Body of `PATCH /api/services/{service}` and of `POST …/deploy`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ports: Option<Vec<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry_credentials: Option<RegistryCredentials>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", rename = "environmentVariables")]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sealed_variables: BTreeMap<String, Password>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) volumes: Option<Vec<Mount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart_policy: Option<RestartPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow_new_privileges: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_deploy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rollout: Option<Rollout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_grace_seconds: Option<u32>,
}

/// A volume, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Mount {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// How health is judged.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Healthcheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_timeout_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<u32>,
}

/// How it changes from one deployment to the next.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    /// `Some(None)` goes back to all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) surge: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overlap_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drain_seconds: Option<u32>,
}

/// Limits of each instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resources {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pids: Option<u32>,
}

/// Body of `POST /api/services/{service}/rollback`.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollback {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry_credentials: Option<RegistryCredentials>,
}
