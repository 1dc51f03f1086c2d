//! What is asked for.

use std::collections::BTreeMap;

use mirage_control::{CreateService, ServicePatch};
use mirage_core::{
    Code, Error, Name, Platform, Port, Probe, Reference, Resources, RestartPolicy, Result, ServiceSpec, VariableName,
    VariableValue,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /api/services/from-image`. The image is given whole as `image`, or in parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FromImageRequest {
    /// Name of the service; by default the last part of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Project; `default` by default. Made if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Environment; `production` by default. Made if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// A whole reference: `ghcr.io/acme/web:2.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Registry, where `image` is not given; Docker Hub by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_registry: Option<String>,
    /// Repository, where `image` is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_name: Option<String>,
    /// Tag, where `image` is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// Digest, where `image` is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Ports the process listens on, the routed one first; by default the image's, else `PORT`.
    /// An empty list makes a worker without address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, String>,
    /// How health is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckBody>,
    /// How many instances; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Limits of each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesBody>,
    /// `ON_FAILURE` (the default, ten times), `ALWAYS`, `NEVER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub restart_policy: Option<RestartPolicy>,
    /// Replaces the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Whether programs may gain privileges by setuid bits; off by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_new_privileges: Option<bool>,
}

/// How health is judged; what is absent has its default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthcheckBody {
    /// Path of a GET that must answer 200 to 399; without one, accepting a connection suffices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Port; by default the first of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Seconds between two questions; 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<f64>,
    /// Seconds a new instance has until its first good answer; 60 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Bad answers in a row that make an instance unhealthy; 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
}

/// Limits of each instance.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourcesBody {
    /// `256MiB`, `1GiB`, or bytes as a number in text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Cores: `0.5`, `2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Processes and threads; 4096 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// Body of `PATCH /api/services/{service}` and of `POST …/deploy`; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PatchServiceRequest {
    /// Another image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Other ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Variables to set, and with `null` to take away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: BTreeMap<String, Option<String>>,
    /// Another way to judge health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckBody>,
    /// Another number of instances; takes effect at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Other limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesBody>,
    /// Another restart policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub restart_policy: Option<RestartPolicy>,
    /// Another command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Whether programs may gain privileges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_new_privileges: Option<bool>,
}

/// Body of `POST /api/services/{service}/deploy`: the same as a change of settings.
pub type DeployBody = PatchServiceRequest;

/// Body of `POST /api/services/{service}/rollback`; empty means the revision before the active one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RollbackRequest {
    /// A revision by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The revision of an earlier deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
}

impl FromImageRequest {
    /// The request as the core's types; the first field that is wrong is named.
    pub fn parse(self) -> Result<CreateService> {
        let mut spec = ServiceSpec::image(self.reference()?);
        spec.ports = self.ports.as_deref().map(ports).transpose()?;
        for (name, value) in self.environment_variables {
            spec.variables.insert(name.parse()?, value_of(&name, value)?);
        }
        if let Some(check) = self.healthcheck {
            spec.probe = check.parse()?;
        }
        if let Some(resources) = self.resources {
            spec.resources = resources.parse()?;
        }
        spec.restart = self.restart_policy.unwrap_or_default();
        spec.command = self.command;
        spec.allow_new_privileges = self.allow_new_privileges.unwrap_or_default();
        Ok(CreateService {
            name: name_of("name", self.name)?,
            project: name_of("project", self.project)?,
            environment: name_of("environment", self.environment)?,
            spec,
            replicas: self.replicas.unwrap_or(1),
        })
    }

    fn reference(&self) -> Result<Reference> {
        let parts = [&self.image_registry, &self.image_name, &self.image_tag, &self.image_digest];
        match (&self.image, &self.image_name) {
            (Some(image), _) if parts.iter().all(|part| part.is_none()) => {
                image.parse().map_err(|error: Error| error.field("image"))
            }
            (Some(_), _) => Err(Error::new(Code::InvalidRequest, "the image is given twice, as `image` and in parts")
                .field("image")
                .hint("leave out `image`, or leave out the parts")),
            (None, Some(name)) => {
                let registry = self.image_registry.as_ref().map(|host| format!("{host}/")).unwrap_or_default();
                let tag = self.image_tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
                let digest = self.image_digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
                let whole = format!("{registry}{name}{tag}{digest}");
                whole.parse().map_err(|error: Error| error.field("imageName"))
            }
            (None, None) => Err(Error::new(Code::InvalidRequest, "the request names no image")
                .field("image")
                .hint("set `image` to a reference such as `nginx:1.27`")),
        }
    }
}

impl PatchServiceRequest {
    /// The change as the core's types.
    pub fn parse(self) -> Result<ServicePatch> {
        let mut variables = BTreeMap::new();
        for (name, value) in self.environment_variables {
            let value = value.map(|value| value_of(&name, value)).transpose()?;
            variables.insert(name.parse::<VariableName>()?, value);
        }
        Ok(ServicePatch {
            image: self.image.map(|image| image.parse()).transpose().map_err(|error: Error| error.field("image"))?,
            ports: self.ports.as_deref().map(ports).transpose()?.map(Some),
            variables,
            command: self.command.map(Some),
            probe: self.healthcheck.map(HealthcheckBody::parse).transpose()?,
            resources: self.resources.map(ResourcesBody::parse).transpose()?,
            restart: self.restart_policy,
            allow_new_privileges: self.allow_new_privileges,
            replicas: self.replicas,
        })
    }
}

impl HealthcheckBody {
    fn parse(self) -> Result<Probe> {
        let default = Probe::default();
        let budget = millis("healthcheck.timeoutSeconds", self.timeout_seconds)?.unwrap_or(default.budget_millis);
        Ok(Probe {
            path: self.path,
            port: self.port,
            interval_millis: millis("healthcheck.intervalSeconds", self.interval_seconds)?
                .unwrap_or(default.interval_millis),
            timeout_millis: default.timeout_millis.min(budget),
            budget_millis: budget,
            threshold: self.threshold.unwrap_or(default.threshold),
        })
    }
}

impl ResourcesBody {
    fn parse(self) -> Result<Resources> {
        let default = Resources::default();
        Ok(Resources {
            memory_bytes: self.memory.as_deref().map(memory).transpose()?,
            cpu_millis: self.cpu.map(cpu).transpose()?,
            pids: self.pids.unwrap_or(default.pids),
        })
    }
}

/// A platform of a query or body.
pub(crate) fn platform(text: Option<&str>) -> Result<Option<Platform>> {
    text.map(str::parse).transpose()
}

fn name_of(field: &str, text: Option<String>) -> Result<Option<Name>> {
    text.map(|text| text.parse()).transpose().map_err(|error: Error| error.field(field))
}

fn value_of(name: &str, value: String) -> Result<VariableValue> {
    VariableValue::try_from(value).map_err(|why| {
        Error::new(Code::InvalidRequest, format!("the value of `{name}` cannot be used: {why}"))
            .field("environmentVariables")
    })
}

fn ports(numbers: &[u16]) -> Result<Vec<Port>> {
    let port = |number: &u16| {
        Port::new(*number).ok_or_else(|| {
            Error::new(Code::InvalidRequest, "`0` is not a port").field("ports").hint("ports go from 1 to 65535")
        })
    };
    numbers.iter().map(port).collect()
}

fn millis(field: &str, seconds: Option<f64>) -> Result<Option<u64>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(Some((seconds * 1000.0).ceil() as u64)),
        Some(seconds) => Err(Error::new(Code::InvalidRequest, format!("`{seconds}` is not a number of seconds"))
            .field(field)
            .hint("write a number above 0, at most 86400")),
    }
}

fn cpu(cores: f64) -> Result<u32> {
    if cores > 0.0 && cores <= 1024.0 {
        return Ok((cores * 1000.0).round() as u32);
    }
    Err(Error::new(Code::InvalidRequest, format!("`{cores}` is not a number of cores"))
        .field("resources.cpu")
        .hint("write a number such as `0.5` or `2`"))
}

fn memory(text: &str) -> Result<u64> {
    let refuse = || {
        Error::new(Code::InvalidRequest, format!("`{text}` is not an amount of memory"))
            .field("resources.memory")
            .hint("write it like `256MiB` or `1GiB`")
    };
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..at].parse().map_err(|_| refuse())?;
    let unit: f64 = match text[at..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1048576.0,
        "mb" => 1e6,
        "g" | "gib" => 1073741824.0,
        "gb" => 1e9,
        _ => return Err(refuse()),
    };
    let bytes = number * unit;
    if bytes.is_finite() && (1.0..1e15).contains(&bytes) { Ok(bytes as u64) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_units_people_write() {
        let read = |text| memory(text).map_err(|error| error.message().to_owned());
        assert_eq!(read("256MiB"), Ok(256 << 20));
        assert_eq!(read("1.5 GiB"), Ok(3 << 29));
        assert_eq!(read("512m"), Ok(512 << 20));
        assert_eq!(read("1000000"), Ok(1_000_000));
        assert_eq!(read("lots"), Err("`lots` is not an amount of memory".into()));
    }

    #[test]
    fn an_image_in_parts_is_the_same_as_a_whole_one() {
        let request = FromImageRequest {
            image_registry: Some("ghcr.io".into()),
            image_name: Some("acme/web".into()),
            image_tag: Some("2".into()),
            ..FromImageRequest::default()
        };
        assert_eq!(request.reference().unwrap().to_string(), "ghcr.io/acme/web:2");
        let twice = FromImageRequest { image: Some("nginx".into()), ..request };
        assert_eq!(twice.reference().unwrap_err().at_field(), Some("image"));
    }
}
