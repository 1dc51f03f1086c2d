//! What whoever starts a platform chose.

use std::net::SocketAddr;
use std::path::PathBuf;

use mirage_core::RegistryHost;

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
    /// An OCI runtime to use instead of the built-in one.
    pub(crate) runtime: Option<PathBuf>,
    /// Registries that are asked over plain HTTP.
    pub(crate) insecure_registries: Vec<RegistryHost>,
    /// Certificates of registries with an own authority.
    pub(crate) registry_ca: Vec<PathBuf>,
}
