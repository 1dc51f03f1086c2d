//! How traffic is moved.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::certificate::CertificateSet;
use crate::error::Result;
use crate::probe::{Probe, ProbeFailure};
use crate::route::{Backend, RouteTable};

/// The proxy, seen from the control plane.
#[async_trait]
pub trait Router: Send + Sync {
    /// Makes this table the one in force. Done when every request that arrives from now on follows it.
    async fn publish(&self, table: &RouteTable) -> Result<()>;

    /// The table in force, so that a control plane that starts again changes nothing that serves.
    async fn table(&self) -> Result<RouteTable>;

    /// Serves TLS with exactly these certificates from now on, and answers these challenges. Connections that
    /// are open stay. A router that does not speak TLS has no use for them.
    async fn install(&self, certificates: &CertificateSet) -> Result<()> {
        let _ = certificates;
        Ok(())
    }

    /// Waits until nobody is being served by this backend, or `limit` has passed; answers with the
    /// number of requests still open.
    async fn drain(&self, backend: &Backend, limit: Duration) -> Result<u64>;

    /// Asks an instance once whether it is well.
    async fn probe(&self, address: SocketAddr, probe: &Probe) -> Result<(), ProbeFailure>;
}
