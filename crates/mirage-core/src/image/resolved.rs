//! What a reference turned out to be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::platform::Platform;
use super::reference::Reference;
use crate::service::Port;

/// An image pinned to its digest: what preflight returns and what a revision holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedImage {
    /// As the user wrote it, parsed.
    pub reference: Reference,
    /// What the tag pointed to when it was resolved: an index or a manifest.
    pub digest: Digest,
    /// The manifest chosen for the platform; the same as `digest` where that is no index.
    pub manifest: Digest,
    /// The platform the chosen manifest was built for.
    pub platform: Platform,
    /// Every platform the image is offered for.
    pub platforms: Vec<Platform>,
    /// Bytes to transfer if nothing is here yet: compressed layers and configuration.
    pub size_bytes: u64,
    /// Number of layers.
    pub layers: u32,
    /// What the image says about how it wants to run.
    pub config: ImageConfig,
}

/// The part of an image configuration that decides how it runs (OCI image-spec, `config.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// `ENTRYPOINT`, in exec form.
    pub entrypoint: Vec<String>,
    /// `CMD`, in exec form.
    pub command: Vec<String>,
    /// `ENV`, as `NAME=value`.
    pub environment: Vec<String>,
    /// `WORKDIR`; empty means `/`.
    pub working_directory: String,
    /// `USER`, as `user`, `uid`, `user:group` or `uid:gid`; empty means root.
    pub user: String,
    /// TCP ports of `EXPOSE`, ascending.
    pub ports: Vec<Port>,
    /// `VOLUME` paths.
    pub volumes: Vec<String>,
    /// `STOPSIGNAL`, as `SIGTERM` or `15`; `None` means SIGTERM.
    pub stop_signal: Option<String>,
    /// The command of `HEALTHCHECK`, first word `CMD` or `CMD-SHELL`; empty where there is none.
    pub health_command: Vec<String>,
    /// When that command wants to be run.
    pub health_timing: HealthTiming,
    /// `SHELL`, which reads a `CMD-SHELL`; empty means `/bin/sh -c`.
    pub shell: Vec<String>,
    /// `LABEL`s.
    pub labels: BTreeMap<String, String>,
    /// When the image was built, where it says so.
    pub created: Option<Timestamp>,
}

/// When a health command wants to be run, as far as an image says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthTiming {
    /// Milliseconds between two runs.
    pub interval_millis: Option<u64>,
    /// Milliseconds that one run may take.
    pub timeout_millis: Option<u64>,
    /// Milliseconds that it says it takes to start.
    pub start_period_millis: Option<u64>,
    /// Bad endings in a row that make it unhealthy.
    pub retries: Option<u32>,
}

impl ImageConfig {
    /// The words that its HEALTHCHECK executes; `None` where it has none.
    pub fn health_arguments(&self) -> Option<Vec<String>> {
        let (kind, words) = self.health_command.split_first()?;
        let shell = || match self.shell.is_empty() {
            true => vec!["/bin/sh".to_owned(), "-c".to_owned()],
            false => self.shell.clone(),
        };
        match kind.as_str() {
            "CMD" if !words.is_empty() => Some(words.to_vec()),
            "CMD-SHELL" if !words.is_empty() => {
                Some(shell().into_iter().chain(words.iter().cloned()).collect())
            }
            _ => None,
        }
    }

    /// The path that its HEALTHCHECK asks this very container for, where it is an HTTP request: the same can be asked
    /// from outside.
    pub fn health_path(&self) -> Option<String> {
        let line = self.health_command.join(" ");
        let (_, rest) = line.split_once("http://")?;
        let rest =
            ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"].iter().find_map(|host| rest.strip_prefix(host))?;
        let rest = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
        let fine = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        let path = &rest[..rest.find(|c| !fine(c)).unwrap_or(rest.len())];
        (path.len() > 1 && path.len() <= 100 && path.starts_with('/')).then(|| path.to_owned())
    }
}
