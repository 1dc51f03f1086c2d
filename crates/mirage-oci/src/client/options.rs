//! How registries are reached: settings and their defaults.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use mirage_core::RegistryHost;
use reqwest::Url;

use super::mirror::Mirror;

/// Settings of the registry client. The defaults are right for public registries.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Registries that are spoken to without TLS. Loopback registries are, without being named.
    pub plain_http: HashSet<RegistryHost>,
    /// Registries that are asked before others, in order.
    pub mirrors: Vec<Mirror>,
    /// Certificate authorities besides those of the machine.
    pub authorities: Vec<Authority>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a registry may send nothing, or next to nothing, before the connection is given up.
    pub stall_timeout: Duration,
    /// How long a manifest, a configuration or a token may take in all.
    pub answer_timeout: Duration,
    /// How often and how patiently a stumbling registry is asked again.
    pub retry: RetryOptions,
    /// Where passwords for registries of Amazon are minted instead of at AWS itself, such as an interface
    /// endpoint of a private network: `https://vpce-….api.ecr.eu-west-1.vpce.amazonaws.com`.
    pub ecr_endpoint: Option<Url>,
}

/// A certificate authority of the house.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The registry for which it counts; `None` for all. A loopback registry that is named here is
    /// spoken to with TLS.
    pub host: Option<RegistryHost>,
    /// A file of PEM certificates.
    pub file: PathBuf,
}

/// Patience with a registry that stumbles.
#[derive(Clone, Debug)]
pub struct RetryOptions {
    /// Attempts in a row that may bring nothing.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, also where the registry asks for a longer one: then the request is given up
    /// at once, and the user is told how long the registry wants to be left alone.
    pub longest_pause: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            plain_http: HashSet::new(),
            mirrors: Vec::new(),
            authorities: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            retry: RetryOptions::default(),
            ecr_endpoint: None,
        }
    }
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts: 5, first_pause: Duration::from_millis(200), longest_pause: Duration::from_secs(10) }
    }
}

/// Largest manifest or index, in bytes (the distribution project's own limit).
pub(crate) const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// The longest page of a list of tags, in bytes.
pub(crate) const MAX_TAGS_BYTES: u64 = 2 << 20;
/// Largest image configuration, in bytes.
pub(crate) const MAX_CONFIG_BYTES: u64 = 8 << 20;
/// Most entries of an index.
pub(crate) const MAX_INDEX_ENTRIES: usize = 1_000;
/// Most layers of an image. An overlay mount takes 500, Docker 127.
pub(crate) const MAX_LAYERS: usize = 512;
/// Largest image, in compressed bytes.
pub(crate) const MAX_IMAGE_BYTES: u64 = 256 << 30;
/// Largest answer that is not content: an error body, a token.
pub(crate) const MAX_ANSWER_BYTES: u64 = 256 << 10;
