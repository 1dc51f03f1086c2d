//! Processes that do what the behaviour of their image says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use mirage_core::port::{ImageStore, InstanceEngine, LogReader, Progress, PullProgress};
use mirage_core::*;

use super::{Behaviour, World};

#[async_trait]
impl InstanceEngine for World {
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress> {
        ImageStore::pull(self, image, login, progress).await
    }

    async fn is_present(&self, image: &ResolvedImage) -> bool {
        ImageStore::is_present(self, image).await
    }

    async fn stock(&self, image: &ResolvedImage) -> Stock {
        let present = ImageStore::is_present(self, image).await;
        let missing_bytes = Some(if present { 0 } else { image.size_bytes });
        let free_bytes = Some(self.free_bytes.load(Ordering::Relaxed));
        Stock { present, missing_bytes, unpacked_bytes: None, free_bytes }
    }

    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport> {
        if let Some(error) = self.refuse_starts.lock().unwrap().clone() {
            return Err(error);
        }
        let gate = self.start_gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let pairs = spec.variables.iter().map(|(name, text)| (name.clone(), text.reveal().to_owned()));
        self.environments.lock().unwrap().push(pairs.collect());
        self.mounts.lock().unwrap().push(spec.volumes.clone());
        let n = self.addresses.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::new(10, 0, (n / 250) as u8, (n % 250) as u8 + 2);
        let digest = spec.image.manifest.clone();
        let at = self.clock.now();
        let state = match self.behaviour.lock().unwrap().get(&digest) {
            Some(Behaviour::ExitsAtOnce(code)) => InstanceState::Exited(Exit {
                code: Some(*code),
                signal: None,
                oom: false,
                start_error: None,
                at,
            }),
            _ => InstanceState::Running { since: at },
        };
        let report = InstanceReport {
            id: spec.id,
            service: spec.service,
            deployment: spec.deployment,
            state,
            address: Some(IpAddr::V4(address)),
            pid: Some(1),
        };
        self.running.lock().unwrap().insert(spec.id, (report.clone(), digest));
        self.changed.notify_one();
        Ok(report)
    }

    async fn stop(&self, id: InstanceId, grace: Duration) -> Result<()> {
        self.graces.lock().unwrap().push(grace);
        let left = self.failing_stops.load(Ordering::Relaxed);
        if left > 0 && self.running.lock().unwrap().contains_key(&id) {
            self.failing_stops.store(left - 1, Ordering::Relaxed);
            return Err(Error::new(Code::Internal, "it withstands"));
        }
        if self.running.lock().unwrap().contains_key(&id) {
            // A process does not end at once.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(2))).await.unwrap();
        }
        self.running.lock().unwrap().remove(&id);
        self.changed.notify_one();
        Ok(())
    }

    async fn list(&self) -> Result<Vec<InstanceReport>> {
        Ok(self.running.lock().unwrap().values().map(|(report, _)| report.clone()).collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn listening(&self, _id: InstanceId) -> Result<Vec<SocketAddr>> {
        Ok(vec!["0.0.0.0:3000".parse().unwrap()])
    }

    async fn exec(&self, id: InstanceId, command: &ExecCommand) -> Result<ExecOutcome> {
        assert!(self.commanded.lock().unwrap().insert(id), "one command at a time");
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.commanded.lock().unwrap().remove(&id);
        let key = command.variables.iter().find(|(name, _)| name == "KEY");
        let key = key.map(|(_, value)| value.reveal().to_owned());
        self.executed.lock().unwrap().push((command.arguments.clone(), key));
        let running = self.running.lock().unwrap();
        let Some((_, digest)) = running.get(&id) else {
            return Err(Error::new(Code::Conflict, "it is gone"));
        };
        let well = ExecOutcome { ending: ExecEnding::Code(0), output: String::new() };
        Ok(self.commands.lock().unwrap().get(digest).cloned().unwrap_or(well))
    }

    async fn usage(&self, ids: &[InstanceId]) -> Result<Vec<InstanceUsage>> {
        let usage = |id: &InstanceId| InstanceUsage {
            instance: *id,
            cpu_micros: self.cpu_micros.load(Ordering::SeqCst),
            memory_bytes: 10 << 20,
            received_bytes: 5,
            sent_bytes: 7,
        };
        Ok(ids.iter().map(usage).collect())
    }

    fn resolver(&self, network: u16) -> Ipv4Addr {
        Ipv4Addr::new(10, network as u8, 0, 1)
    }

    fn logs(&self) -> &dyn LogReader {
        self
    }
}

#[async_trait]
impl LogReader for World {
    async fn read(&self, _service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        Ok(vec![LogLine {
            time: self.clock.now(),
            stream: LogStream::Stderr,
            text: "DATABASE_URL is not set".into(),
            instance: InstanceId::from_random([0; 16]),
            deployment: query.deployment.unwrap_or(DeploymentId::from_random([0; 16])),
            next: LogPosition::default(),
            lost_before: false,
        }])
    }

    async fn follow(
        &self,
        _service: ServiceId,
        _query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        Ok(stream::empty().boxed())
    }

    async fn remove(&self, _service: ServiceId) -> Result<()> {
        Ok(())
    }
}
