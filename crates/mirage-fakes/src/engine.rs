//! Processes that run at once, but those of the tag `broken`.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use mirage_core::port::{Clock, ImageStore, InstanceEngine, LogReader, Progress, PullProgress};
use mirage_core::{
    Digest, Exit, InstanceId, InstanceReport, InstanceSpec, InstanceState, Login, ResolvedImage, Result,
};

use crate::World;

#[async_trait]
impl ImageStore for World {
    async fn pull(&self, _: &ResolvedImage, _: Option<&Login>, _: Arc<dyn Progress>) -> Result<PullProgress> {
        Ok(PullProgress::default())
    }

    async fn is_present(&self, _: &ResolvedImage) -> bool {
        true
    }

    async fn layers(&self, _: &ResolvedImage) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    async fn collect(&self, _: &HashSet<Digest>) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl InstanceEngine for World {
    async fn pull(
        &self,
        _: &ResolvedImage,
        _: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        let layers =
            vec![(Digest::sha256([7; 32]), 3 << 20, 1 << 20), (Digest::sha256([8; 32]), 1 << 20, 1 << 20)];
        let (bytes_total, bytes_done) = (4 << 20, 2 << 20);
        let half = PullProgress { layers_total: 4, layers_moved: 2, bytes_total, bytes_done, layers };
        progress.report(&half);
        self.pulled.notified().await;
        self.is_pulled.store(true, Ordering::Relaxed);
        Ok(half)
    }

    /// A large one has to be pulled, which lasts until [`World::pulled`].
    async fn is_present(&self, image: &ResolvedImage) -> bool {
        image.reference.identifier() != "large" || self.is_pulled.load(Ordering::Relaxed)
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        let broken = spec.image.reference.identifier() == "broken";
        let state = match broken {
            true => InstanceState::Exited(Exit {
                code: Some(1),
                signal: None,
                oom: false,
                start_error: Some(self.why.lock().unwrap().clone()),
                at: self.now(),
            }),
            false => InstanceState::Running { since: self.now() },
        };
        let report = InstanceReport {
            id: spec.id,
            service: spec.service,
            deployment: spec.deployment,
            state,
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            pid: Some(1),
        };
        self.instances.lock().unwrap().insert(spec.id, report.clone());
        *self.last.lock().unwrap() = Some(report.clone());
        self.changed.notify_waiters();
        Ok(report)
    }

    async fn stop(&self, id: InstanceId, _: Duration) -> Result<()> {
        self.instances.lock().unwrap().remove(&id);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<InstanceReport>> {
        Ok(self.instances.lock().unwrap().values().cloned().collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn listening(&self, _: InstanceId) -> Result<Vec<SocketAddr>> {
        Ok(Vec::new())
    }

    fn resolver(&self, _: u16) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    fn logs(&self) -> &dyn LogReader {
        self
    }
}
