//! Routes: where traffic comes in, and which names are known inside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, ServiceId};

/// Everything the proxy needs to know; replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Grows with each change; an older table never replaces a newer one.
    pub generation: u64,
    /// Hosts and who answers for them.
    pub routes: Vec<Route>,
    /// Names inside the environments.
    pub zones: Vec<Zone>,
}

/// Who answers for a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The whole host name, lower-case, without port.
    pub host: String,
    /// The service, for messages.
    pub service: ServiceId,
    /// Name of the service, for messages.
    pub service_name: String,
    /// Who may get a request; none means 503.
    pub backends: Vec<Backend>,
    /// Milliseconds that a request waits for somebody where there is none, before it gets its 503.
    #[serde(default)]
    pub hold_millis: u64,
    /// Set where the host is a domain of the user's own.
    #[serde(default)]
    pub domain: Option<DomainRoute>,
}

/// What holds for a domain of a user's own alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRoute {
    /// Whether plain HTTP is answered with the way to HTTPS, once there is a certificate.
    pub redirect_https: bool,
}

/// An instance that takes requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Backend {
    /// The instance.
    pub instance: InstanceId,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The names that the instances of one environment can look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Address on which the instances of this environment ask, port 53.
    pub resolver: Ipv4Addr,
    /// The names.
    pub records: Vec<NameRecord>,
}

/// A service name, without suffix, and its instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord {
    /// `web`; answered as `web` and `web.internal`.
    pub name: String,
    /// Addresses of its healthy instances.
    pub addresses: Vec<IpAddr>,
}
