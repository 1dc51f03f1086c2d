//! Where services run.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::credential::Login;
use crate::error::{Code, Error, Result};
use crate::exec::{ExecCommand, ExecOutcome};
use crate::id::{InstanceId, ServiceId};
use crate::image::resolved::ResolvedImage;
use crate::image::stock::Stock;
use crate::instance::{InstanceReport, InstanceSpec};
use crate::log::{LogLine, LogQuery};
use crate::port::images::{Progress, PullProgress};
use crate::usage::InstanceUsage;

/// An engine in which Mirage starts, probes, routes and stops each instance itself.
#[async_trait]
pub trait InstanceEngine: Send + Sync {
    /// Brings the image to where instances run.
    async fn pull(
        &self,
        image: &ResolvedImage,
        login: Option<&Login>,
        progress: Arc<dyn Progress>,
    ) -> Result<PullProgress>;

    /// Whether the image is there already.
    async fn is_present(&self, image: &ResolvedImage) -> bool;

    /// What of the image is there, and the room for the rest.
    async fn stock(&self, image: &ResolvedImage) -> Stock {
        Stock { present: self.is_present(image).await, ..Stock::default() }
    }

    /// Starts an instance; done when its process runs. Starting an id twice does nothing. A process
    /// that cannot be executed is no error here: the instance is then `Exited` with a `start_error`.
    async fn start(&self, spec: &InstanceSpec) -> Result<InstanceReport>;

    /// Sends the image's stop signal, waits for `grace`, kills. Done when nothing of it is left but
    /// its log. An unknown id is done already.
    async fn stop(&self, id: InstanceId, grace: Duration) -> Result<()>;

    /// Every instance there is, also those of a previous life of the control plane.
    async fn list(&self) -> Result<Vec<InstanceReport>>;

    /// Those of one service.
    async fn of_service(&self, service: ServiceId) -> Result<Vec<InstanceReport>> {
        Ok(self.list().await?.into_iter().filter(|report| report.service == service).collect())
    }

    /// One instance, if there is such.
    async fn get(&self, id: InstanceId) -> Result<Option<InstanceReport>> {
        Ok(self.list().await?.into_iter().find(|report| report.id == id))
    }

    /// Waits until something about the instances may have changed since the last call.
    async fn changed(&self);

    /// Sockets on which the processes of an instance listen, for messages that teach.
    async fn listening(&self, id: InstanceId) -> Result<Vec<SocketAddr>>;

    /// Runs a command in an instance, with no more rights than its own process has; done when nothing of the
    /// command is left. One at a time in an instance; others wait. A caller that loses patience ends the
    /// command.
    ///
    /// # Errors
    /// `CONFLICT` where no process of the instance runs, `START_FAILED` where the command cannot be started:
    /// no such program, no such user; `TARGET_UNAVAILABLE` where this engine cannot do such a thing.
    async fn exec(&self, id: InstanceId, _command: &ExecCommand) -> Result<ExecOutcome> {
        let message = format!("no command can be run in `{id}`: this engine knows no way");
        Err(Error::new(Code::TargetUnavailable, message).hint("name a path to ask with `--health-path`"))
    }

    /// What these instances use, in any order; those that do not run are left out.
    async fn usage(&self, ids: &[InstanceId]) -> Result<Vec<InstanceUsage>> {
        let _ = ids;
        Ok(Vec::new())
    }

    /// The address at which instances of this network ask for names.
    fn resolver(&self, network: u16) -> Ipv4Addr;

    /// The logs of what ran here.
    fn logs(&self) -> &dyn LogReader;
}

/// The logs that instances left.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// Lines of a service in order of time.
    async fn read(&self, service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>>;

    /// The same, then every new line as it is written, from every instance the service gets.
    async fn follow(
        &self,
        service: ServiceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>>;

    /// Forgets everything a service wrote.
    async fn remove(&self, service: ServiceId) -> Result<()>;
}
