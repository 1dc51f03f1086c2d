//! A proxy that keeps its table and meets nobody.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::port::Router;
use mirage_core::{HttpCheck, InstanceId, ProbeFailure, Result, RouteTable};

use crate::World;

#[async_trait]
impl Router for World {
    async fn publish(&self, table: &RouteTable) -> Result<()> {
        *self.table.lock().unwrap() = table.clone();
        Ok(())
    }

    async fn table(&self) -> Result<RouteTable> {
        Ok(self.table.lock().unwrap().clone())
    }

    async fn drain(&self, _: InstanceId, _: Duration) -> Result<u64> {
        Ok(0)
    }

    async fn probe(&self, _: SocketAddr, _: Option<&HttpCheck>, _: Duration) -> Result<(), ProbeFailure> {
        match self.sick.load(Ordering::Relaxed) {
            true => Err(ProbeFailure::Refused),
            false => Ok(()),
        }
    }
}
