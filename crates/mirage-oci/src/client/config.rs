//! Image configurations (OCI image-spec, `config.md`) as the core knows them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use mirage_core::{Code, Error, ImageConfig, Platform, Port, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fault::Fault;
use super::manifest::{plain, platform};

/// A configuration as it is in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDocument {
    /// For what the image was built; `None` where it does not say, or not in words.
    pub platform: Option<Platform>,
    /// How it wants to run.
    pub config: ImageConfig,
}

impl ConfigDocument {
    /// Reads a configuration that stands for itself.
    ///
    /// # Errors
    /// `IMAGE_PULL_ERROR` with what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).map_err(|fault| Error::new(Code::ImagePullError, fault.to_string()))
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
            Fault::Malformed(format!("the configuration cannot be read: {}", plain(&error)))
        })?;
        let platform = platform(
            &wire.os.unwrap_or_default(),
            &wire.architecture.unwrap_or_default(),
            wire.variant.as_deref(),
        );
        let created = wire.created.and_then(|text| text.parse::<Timestamp>().ok());
        let mut config = wire.config.unwrap_or_default().into_core();
        config.created = created;
        Ok(Self { platform, config })
    }
}

#[derive(Deserialize)]
struct Wire {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    created: Option<String>,
    config: Option<WireConfig>,
}

/// Go writes `null` for whatever is empty, hence the options.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct WireConfig {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    exposed_ports: Option<HashMap<String, IgnoredAny>>,
    volumes: Option<HashMap<String, IgnoredAny>>,
    stop_signal: Option<String>,
    healthcheck: Option<WireHealthcheck>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireHealthcheck {
    test: Option<Vec<String>>,
}

impl WireConfig {
    fn into_core(self) -> ImageConfig {
        let mut volumes: Vec<String> = self.volumes.unwrap_or_default().into_keys().collect();
        volumes.sort();
        let test = self.healthcheck.and_then(|check| check.test).unwrap_or_default();
        let health_command = match test.first().map(String::as_str) {
            Some("CMD" | "CMD-SHELL") if test.len() > 1 => test,
            _ => Vec::new(),
        };
        ImageConfig {
            entrypoint: self.entrypoint.unwrap_or_default(),
            command: self.cmd.unwrap_or_default(),
            environment: self.env.unwrap_or_default(),
            working_directory: self.working_dir.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            ports: tcp_ports(self.exposed_ports.unwrap_or_default().keys()),
            volumes,
            stop_signal: self.stop_signal.filter(|signal| !signal.is_empty()),
            health_command,
            labels: self.labels.unwrap_or_default(),
            created: None,
        }
    }
}

/// `80/tcp` and `80` are TCP ports; other protocols and nonsense are not.
fn tcp_ports<'a>(exposed: impl Iterator<Item = &'a String>) -> Vec<Port> {
    let port = |text: &'a String| match text.split_once('/') {
        Some((number, protocol)) if protocol.eq_ignore_ascii_case("tcp") => number.parse::<Port>().ok(),
        Some(_) => None,
        None => text.parse().ok(),
    };
    exposed.filter_map(port).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_docker_is_read_whole() {
        let text = r#"{
            "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2026-11-20T10:00:00.123456789Z",
            "config": {
                "User": "web", "Env": ["PATH=/bin", "A=b=c"], "Cmd": ["-g", "daemon off;"], "Entrypoint": ["/run"],
                "ExposedPorts": {"8080/tcp": {}, "80/tcp": {}, "53/udp": {}, "90": {}, "0/tcp": {}, "x": {}, "80/TCP": {}},
                "Volumes": {"/data": {}, "/cache": {}}, "WorkingDir": "/srv", "StopSignal": "SIGQUIT",
                "Healthcheck": {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 1000},
                "Labels": {"a": "b"}, "OnBuild": null
            },
            "rootfs": {"type": "layers", "diff_ids": []}, "history": [{"created_by": "x"}]
        }"#;
        let read = ConfigDocument::read(text.as_bytes()).unwrap();
        assert_eq!(read.platform.unwrap().to_string(), "linux/arm64/v8");
        let config = read.config;
        assert_eq!(config.ports.iter().map(|port| port.get()).collect::<Vec<_>>(), [80, 90, 8080]);
        assert_eq!(config.environment, ["PATH=/bin", "A=b=c"]);
        assert_eq!((config.entrypoint.len(), config.command.len()), (1, 2));
        assert_eq!(config.volumes, ["/cache", "/data"]);
        assert_eq!(config.health_command, ["CMD-SHELL", "curl -f localhost"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
        assert_eq!(config.created.unwrap().to_string(), "2026-11-20T10:00:00.123456789Z");
        assert_eq!((&*config.user, &*config.working_directory), ("web", "/srv"));
    }

    #[test]
    fn go_writes_null_for_whatever_is_empty() {
        let text = r#"{"architecture":"amd64","os":"linux","created":"soon","config":{"Cmd":null,"Env":null,
            "Entrypoint":null,"ExposedPorts":null,"Volumes":null,"Labels":null,"Healthcheck":{"Test":["NONE"]},"StopSignal":""}}"#;
        let read = ConfigDocument::read(text.as_bytes()).unwrap();
        assert_eq!(read.config, ImageConfig::default());
        assert_eq!(ConfigDocument::read(b"{}").unwrap().platform, None);
    }

    #[test]
    fn a_damaged_configuration_says_where() {
        let Err(Fault::Malformed(why)) = ConfigDocument::read(br#"{"config":{"Cmd":"sh"}}"#) else {
            panic!("a text is no list")
        };
        assert!(why.starts_with("the configuration cannot be read: invalid type: string"), "{why}");
    }
}
