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
    /// `LABEL`s.
    pub labels: BTreeMap<String, String>,
    /// When the image was built, where it says so.
    pub created: Option<Timestamp>,
}
