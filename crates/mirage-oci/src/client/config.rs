//! Image configurations (OCI image-spec, `config.md`) as the core knows them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use mirage_core::{Code, Error, HealthTiming, ImageConfig, Platform, Port, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::fault::Fault;
use super::manifest::{plain, platform};

/// An hour in milliseconds.
const HOUR: u64 = 3_600_000;

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
    shell: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireHealthcheck {
    test: Option<Vec<String>>,
    // Nanoseconds, 0 where the image does not say; whatever else stands there says nothing either.
    interval: Option<Value>,
    timeout: Option<Value>,
    start_period: Option<Value>,
    retries: Option<Value>,
}

impl WireHealthcheck {
    /// Held within what makes sense: an image must neither keep the machine busy with its health, nor a
    /// deployment waiting for days.
    fn timing(&self) -> HealthTiming {
        let millis = |value: &Option<Value>, least: u64, most: u64| {
            let nanos = value.as_ref().and_then(Value::as_u64).filter(|nanos| *nanos > 0)?;
            Some((nanos / 1_000_000).clamp(least, most))
        };
        let retries = self.retries.as_ref().and_then(Value::as_u64).filter(|retries| *retries > 0);
        HealthTiming {
            interval_millis: millis(&self.interval, 1_000, HOUR),
            timeout_millis: millis(&self.timeout, 100, 10 * 60_000),
            start_period_millis: millis(&self.start_period, 0, HOUR),
            retries: retries.map(|retries| retries.min(100) as u32),
        }
    }
}

impl WireConfig {
    fn into_core(self) -> ImageConfig {
        let mut volumes: Vec<String> = self.volumes.unwrap_or_default().into_keys().collect();
        volumes.sort();
        let health_timing = self.healthcheck.as_ref().map(WireHealthcheck::timing).unwrap_or_default();
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
            health_timing,
            shell: self.shell.unwrap_or_default(),
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
    fn times_of_a_health_command_are_held_within_reason() {
        let timing = |fields: &str| {
            let text = format!(r#"{{"config":{{"Healthcheck":{{"Test":["CMD","/check"],{fields}}}}}}}"#);
            ConfigDocument::read(text.as_bytes()).unwrap().config.health_timing
        };
        let usual = timing(
            r#""Interval":5000000000,"Timeout":3000000000,"StartPeriod":90000000000,"StartInterval":5,"Retries":4"#,
        );
        let expected = HealthTiming {
            interval_millis: Some(5_000),
            timeout_millis: Some(3_000),
            start_period_millis: Some(90_000),
            retries: Some(4),
        };
        assert_eq!(usual, expected);
        let endless = timing(
            r#""Interval":9223372036854775807,"Timeout":18446744073709551615,"StartPeriod":9223372036854775807,"Retries":9999999999"#,
        );
        let expected = HealthTiming {
            interval_millis: Some(HOUR),
            timeout_millis: Some(600_000),
            start_period_millis: Some(HOUR),
            retries: Some(100),
        };
        assert_eq!(endless, expected);
        let hasty = timing(r#""Interval":1,"Timeout":1,"StartPeriod":1,"Retries":1"#);
        assert_eq!((hasty.interval_millis, hasty.timeout_millis), (Some(1_000), Some(100)));
        for nothing in [
            r#""Interval":0,"Timeout":0,"Retries":0"#,
            r#""Interval":-5,"Timeout":null,"Retries":-1"#,
            r#""Interval":"30s","Timeout":1e300,"StartPeriod":{},"Retries":[3]"#,
        ] {
            assert_eq!(timing(nothing), HealthTiming::default(), "{nothing}");
        }
    }

    #[test]
    fn a_damaged_configuration_says_where() {
        let Err(Fault::Malformed(why)) = ConfigDocument::read(br#"{"config":{"Cmd":"sh"}}"#) else {
            panic!("a text is no list")
        };
        assert!(why.starts_with("the configuration cannot be read: invalid type: string"), "{why}");
    }
}
