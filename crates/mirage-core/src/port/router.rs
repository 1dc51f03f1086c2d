//! How traffic is moved.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::certificate::CertificateSet;
use crate::check::HttpCheck;
use crate::error::Result;
use crate::id::InstanceId;
use crate::probe::ProbeFailure;
use crate::route::RouteTable;
use crate::traffic::{ProcessTraffic, TrafficMark};

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

    /// Waits until nobody is being served by this instance, or `limit` has passed; answers with the
    /// number of requests still open.
    async fn drain(&self, instance: InstanceId, limit: Duration) -> Result<u64>;

    /// Asks an instance once whether it is well: by this request or, without one, by a connection that it has to
    /// take. `timeout` covers all of it.
    async fn probe(
        &self,
        address: SocketAddr,
        request: Option<&HttpCheck>,
        timeout: Duration,
    ) -> Result<(), ProbeFailure>;

    /// What was counted, by each process that still serves: of a process that has a mark in `after`, only
    /// what has changed since then.
    async fn traffic(&self, after: &[TrafficMark]) -> Result<Vec<ProcessTraffic>> {
        let _ = after;
        Ok(Vec::new())
    }
}
