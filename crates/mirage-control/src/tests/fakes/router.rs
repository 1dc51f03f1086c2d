//! A proxy that notices what must not happen.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::port::{Router, TraceSink};
use mirage_core::*;

use super::{Behaviour, World};

#[async_trait]
impl Router for World {
    async fn install(&self, certificates: &CertificateSet) -> Result<()> {
        self.authority.installed(certificates)
    }

    async fn publish(&self, table: &RouteTable) -> Result<()> {
        assert!(
            table.generation > self.table.lock().unwrap().generation,
            "a table must be newer than the one before"
        );
        *self.table.lock().unwrap() = table.clone();
        self.tables.lock().unwrap().push(table.clone());
        Ok(())
    }

    async fn table(&self) -> Result<RouteTable> {
        Ok(self.table.lock().unwrap().clone())
    }

    async fn traffic(&self, _: &[TrafficMark]) -> Result<Vec<ProcessTraffic>> {
        Ok(self.traffic.lock().unwrap().clone())
    }

    async fn drain(&self, instance: InstanceId, _limit: Duration) -> Result<u64> {
        let table = self.table.lock().unwrap().clone();
        let routed = table.routes.iter().flat_map(|route| &route.backends).any(|b| b.instance == instance);
        assert!(!routed, "an instance is drained only after its route is gone");
        let gate = self.drain_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        Ok(0)
    }

    async fn probe(
        &self,
        address: SocketAddr,
        _request: Option<&HttpCheck>,
        _timeout: Duration,
    ) -> Result<(), ProbeFailure> {
        let running = self.running.lock().unwrap();
        let found = running.values().find(|(report, _)| report.address == Some(address.ip()));
        let Some((_, digest)) = found else { return Err(ProbeFailure::Refused) };
        match self.behaviour.lock().unwrap().get(digest) {
            Some(Behaviour::Serves) => Ok(()),
            _ => Err(ProbeFailure::Refused),
        }
    }
}

impl TraceSink for World {
    fn accept(&self, spans: Vec<Span>) {
        self.traces.lock().unwrap().push(spans);
    }
}
