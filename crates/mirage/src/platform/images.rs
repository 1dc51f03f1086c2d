//! Content store, built-in registry and registry client, joined.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use mirage_core::port::Randomness;
use mirage_core::{RegistryHost, Result};
use mirage_oci::client::{OwnRegistry, RegistryClient, RegistryOptions};
use mirage_oci::content::{ContentStore, StoreConfig};
use mirage_oci::layer::LayerLimits;
use mirage_oci::pull::Images;
use mirage_oci::registry::Repositories;

use super::options::PlatformOptions;
use crate::clock::SystemClock;
use mirage_cli::config::run_dir;

/// The parts of a platform that know images.
pub(crate) struct JoinedImages {
    /// The names under which the built-in registry is reached.
    pub(crate) hosts: HashSet<RegistryHost>,
    pub(crate) store: ContentStore,
    pub(crate) repositories: Repositories,
    pub(crate) client: RegistryClient,
    pub(crate) images: Images,
}

/// Opens the content store and joins what works on it. `listen` is where the built-in registry is, `restored` the
/// names that it had before.
pub(crate) fn join(
    options: &PlatformOptions,
    listen: SocketAddr,
    random: &dyn Randomness,
    restored: Vec<RegistryHost>,
) -> Result<JoinedImages> {
    let root = options.data.join("content");
    let config = StoreConfig { root, run: run_dir(&options.data), layer_format: None };
    let store = ContentStore::open(config)?;
    let repositories = Repositories::open(store.root())?;
    let hosts: HashSet<_> =
        own_hosts(listen).chain(options.registry_names.iter().cloned()).chain(restored).collect();
    let own = OwnRegistry { hosts: hosts.clone(), repositories: repositories.clone() };
    let client = RegistryClient::new(
        registry_options(options),
        seed(random),
        Arc::new(SystemClock),
        Some(store.clone()),
        Some(own),
    )?;
    let images = Images::new(client.clone(), store.clone(), LayerLimits::default());
    Ok(JoinedImages { hosts, store, repositories, client, images })
}

/// How registries are reached, from what was chosen.
pub(crate) fn registry_options(options: &PlatformOptions) -> RegistryOptions {
    RegistryOptions {
        plain_http: options.insecure_registries.iter().cloned().collect(),
        mirrors: options.registry_mirrors.clone(),
        authorities: options.registry_ca.clone(),
        ecr_endpoint: options.ecr_endpoint.clone(),
        ..RegistryOptions::default()
    }
}

pub(crate) fn seed(random: &dyn Randomness) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = random.bytes32();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The names under which people reach the built-in registry on this machine.
fn own_hosts(listen: SocketAddr) -> impl Iterator<Item = RegistryHost> {
    let port = listen.port();
    let names = [
        listen.to_string(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ];
    names.into_iter().filter_map(|name| name.parse().ok())
}
