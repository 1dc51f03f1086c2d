//! The platform itself: what whoever runs it chose, and since when it runs.

use jiff::Timestamp;
use mirage_core::{Platform, RegistryHost, Result};

use crate::Control;
use crate::access::{Action, Actor};

/// What whoever runs the platform chose that nothing is decided by here: it is told to people.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The folder of everything.
    pub data: String,
    /// Registries that are asked before others: of whom, and where, in the order in which they are asked.
    pub mirrors: Vec<(RegistryHost, String)>,
    /// Registries that are asked over plain HTTP, beside those on this machine.
    pub plain_http: Vec<RegistryHost>,
}

/// The platform, for people who look after it.
#[derive(Clone, Debug)]
pub struct About {
    /// When this process began to decide.
    pub started_at: Timestamp,
    /// What images must be built for.
    pub platform: Platform,
    /// Services answer below this domain.
    pub base_domain: String,
    /// At this port.
    pub proxy_port: u16,
    /// At this port over TLS; `None` where they do not.
    pub proxy_tls_port: Option<u16>,
    /// The names under which the built-in registry is reached, in the order of [`Control::registry_hosts`].
    pub registry_hosts: Vec<RegistryHost>,
    /// Where certificates are asked for.
    pub authority: String,
    /// What else was chosen.
    pub setup: Setup,
}

impl About {
    /// The address below the base domain that begins with this label.
    pub fn address_of(&self, label: &str) -> String {
        self.url_of_name(&format!("{label}.{}", self.base_domain))
    }

    /// The address over plain HTTP that this name has where it leads to the proxy.
    pub fn url_of_name(&self, name: &str) -> String {
        address("http", name, self.proxy_port, 80)
    }

    /// The same over TLS; `None` where nobody is answered so.
    pub fn tls_url_of_name(&self, name: &str) -> Option<String> {
        self.proxy_tls_port.map(|port| address("https", name, port, 443))
    }
}

/// An address, which names its port where that is not the usual one.
pub(crate) fn address(scheme: &str, name: &str, port: u16, usual: u16) -> String {
    if port == usual { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
}

impl Control {
    /// How this platform was started, and when.
    pub async fn about(&self, actor: &Actor) -> Result<About> {
        self.allow(actor, Action::Diagnose)?;
        let settings = &self.parts.settings;
        Ok(About {
            started_at: self.parts.started_at,
            platform: settings.platform.clone(),
            base_domain: settings.base_domain.clone(),
            proxy_port: settings.proxy_port,
            proxy_tls_port: settings.proxy_tls_port,
            registry_hosts: self.registry_hosts().into_iter().cloned().collect(),
            authority: self.parts.authority.directory().to_owned(),
            setup: settings.setup.clone(),
        })
    }
}
