//! What whoever starts a platform chose.

use std::net::SocketAddr;
use std::path::PathBuf;

use mirage_core::RegistryHost;
use mirage_engine::network::Subnet;

/// What whoever starts a platform chose.
#[derive(Clone, Debug)]
pub(crate) struct PlatformOptions {
    /// Folder of everything.
    pub(crate) data: PathBuf,
    /// Address of API and registry.
    pub(crate) listen: SocketAddr,
    /// Address at which services answer.
    pub(crate) proxy_listen: SocketAddr,
    /// Services answer below this domain.
    pub(crate) base_domain: String,
    /// Addresses of services; a free block where none is named.
    pub(crate) network: Option<Subnet>,
    /// An OCI runtime to use instead of the built-in one.
    pub(crate) runtime: Option<PathBuf>,
    /// Registries that are asked over plain HTTP.
    pub(crate) insecure_registries: Vec<RegistryHost>,
    /// Certificates of registries with an own authority.
    pub(crate) registry_ca: Vec<PathBuf>,
}

impl PlatformOptions {
    /// What is needed to take away the platform of a folder: nothing of it is served any more.
    pub(crate) fn of_folder(data: PathBuf) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data,
            listen: any,
            proxy_listen: any,
            base_domain: "localhost".into(),
            network: None,
            runtime: None,
            insecure_registries: Vec::new(),
            registry_ca: Vec::new(),
        }
    }
}
