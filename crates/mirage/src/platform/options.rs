//! What whoever starts a platform chose.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::otlp::Endpoint;
use crate::systemd::Handed;
use mirage_control::{Setup, TrustedProxy};
use mirage_core::{Error, RegistryHost};
use mirage_engine::network::Subnet;
pub(crate) use mirage_oci::client::{Authority, Mirror, Url};
pub(crate) use mirage_proxy::{Acme, LETS_ENCRYPT};

/// An authority as it is written: `FILE`, or `HOST=FILE` for one registry.
pub(crate) fn authority(text: &str) -> Result<Authority, String> {
    let host = |host: &str| host.parse().map_err(|error: Error| error.message().to_owned());
    match text.split_once('=') {
        Some((name, file)) => Ok(Authority { host: Some(host(name)?), file: file.into() }),
        None => Ok(Authority { host: None, file: text.into() }),
    }
}

/// What whoever starts a platform chose.
#[derive(Clone, Debug)]
pub(crate) struct PlatformOptions {
    /// Folder of everything.
    pub(crate) data: PathBuf,
    /// Address of API and registry.
    pub(crate) listen: SocketAddr,
    /// Address at which services answer.
    pub(crate) proxy_listen: SocketAddr,
    /// Address at which services answer over TLS.
    pub(crate) proxy_tls_listen: Option<SocketAddr>,
    /// Who is asked for certificates.
    pub(crate) acme: Acme,
    /// Services answer below this domain.
    pub(crate) base_domain: String,
    /// Addresses of services; a free block where none is named.
    pub(crate) network: Option<Subnet>,
    /// An OCI runtime to use instead of the built-in one.
    pub(crate) runtime: Option<PathBuf>,
    /// Registries that are asked over plain HTTP.
    pub(crate) insecure_registries: Vec<RegistryHost>,
    /// More names under which the built-in registry is reached.
    pub(crate) registry_names: Vec<RegistryHost>,
    /// Registries that are asked before others, in order.
    pub(crate) registry_mirrors: Vec<Mirror>,
    /// Certificate authorities of registries.
    pub(crate) registry_ca: Vec<Authority>,
    /// Where passwords for Amazon ECR are made, instead of at AWS.
    pub(crate) ecr_endpoint: Option<Url>,
    /// Where traces of deployments go; nowhere where none is named.
    pub(crate) otlp_endpoint: Option<Endpoint>,
    /// Proxies in front of the pages that say truly for whom they ask.
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
    /// Sockets that are open already; they decide what is listened on.
    pub(crate) handed: Handed,
}

impl PlatformOptions {
    /// What of it people are told who look after the platform.
    pub(crate) fn setup(&self) -> Setup {
        let mirror = |mirror: &Mirror| {
            let below = mirror.prefix.as_ref().map(|prefix| format!("/{prefix}")).unwrap_or_default();
            (mirror.of.clone(), format!("{}{below}", mirror.host))
        };
        Setup {
            data: self.data.display().to_string(),
            mirrors: self.registry_mirrors.iter().map(mirror).collect(),
            plain_http: self.insecure_registries.clone(),
        }
    }

    /// What is needed to take away the platform of a folder: nothing of it is served any more.
    pub(crate) fn of_folder(data: PathBuf) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data,
            listen: any,
            proxy_listen: any,
            proxy_tls_listen: None,
            acme: Acme { directory: LETS_ENCRYPT.into(), email: None, roots: None },
            base_domain: "localhost".into(),
            network: None,
            runtime: None,
            insecure_registries: Vec::new(),
            registry_names: Vec::new(),
            registry_mirrors: Vec::new(),
            registry_ca: Vec::new(),
            ecr_endpoint: None,
            otlp_endpoint: None,
            trusted_proxies: Vec::new(),
            handed: Handed::default(),
        }
    }
}
