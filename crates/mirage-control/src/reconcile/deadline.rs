//! How long each step may take. What has no answer by then has failed, and is said so.

use std::time::Duration;

use mirage_core::{Code, Error, Result, ServiceSpec};

/// Bringing an image.
pub(super) const PULL: Duration = Duration::from_secs(1800);
/// Starting a process.
pub(super) const START: Duration = Duration::from_secs(120);
/// Bringing a table to every thread of the proxy.
pub(super) const ROUTE: Duration = Duration::from_secs(60);
/// Killing what does not end after its grace, and cleaning up behind it.
pub(super) const STOP: Duration = Duration::from_secs(60);
/// Looking at what an instance wrote and where it listens, to say why it failed.
pub(super) const DIAGNOSE: Duration = Duration::from_secs(10);
/// How long requests to a service whose only instance is being replaced wait at the proxy.
pub(super) const HOLD: Duration = Duration::from_secs(60);

/// How long an instance has to finish its requests.
pub(super) fn drain(spec: &ServiceSpec) -> Duration {
    Duration::from_secs(spec.rollout.drain_seconds.into())
}

/// From the stop signal to the kill.
pub(super) fn grace(spec: &ServiceSpec) -> Duration {
    Duration::from_secs(spec.stop_grace_seconds.into())
}

/// The work, or that it took too long.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(too_slow(doing, limit)))
}

fn too_slow(doing: &str, limit: Duration) -> Error {
    Error::new(Code::DeadlineExceeded, format!("the {doing} took longer than {}", written(limit)))
        .hint("look at the disk and the network of this machine with `mirage doctor`, then deploy again")
}

fn written(limit: Duration) -> String {
    match limit.as_secs() {
        60 => "a minute".to_owned(),
        seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
