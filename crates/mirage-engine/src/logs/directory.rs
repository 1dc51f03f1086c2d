//! The reader's side of the logs.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use mirage_core::port::LogReader;
use mirage_core::{DeploymentId, Error, InstanceId, LogLine, LogQuery, Result, ServiceId};

use super::follow::Follower;
use super::watch::Watcher;
use super::{back, tree, trim};

/// All logs of this machine.
///
/// [`LogReader::read`] answers with at most the last 100 000 lines and 64 MiB of text, whatever the
/// query's limit. [`LogReader::follow`] without a limit begins with the oldest line there is.
#[derive(Clone)]
pub struct LogDirectory {
    root: PathBuf,
    watcher: Watcher,
}

impl LogDirectory {
    /// The logs below `root`, which is made when the first log is.
    pub fn new(root: PathBuf) -> Self {
        Self { root, watcher: Watcher::default() }
    }

    /// The folder that belongs to the log of one instance; see [`super::LogWriter::open`].
    pub fn of(&self, service: ServiceId, deployment: DeploymentId, instance: InstanceId) -> PathBuf {
        let mut dir = tree::service_dir(&self.root, service);
        dir.extend([deployment.to_string(), instance.to_string()]);
        dir
    }

    /// Deletes the oldest log files of a service until all its instances together keep at most
    /// `max_bytes`, and answers with the bytes freed. Files that are being written stay. Of instances
    /// that have ended the last 256 are kept, however small. Blocks while it works.
    ///
    /// # Errors
    /// `INTERNAL` where the files cannot be listed or deleted.
    pub fn trim(&self, service: ServiceId, max_bytes: u64) -> Result<u64> {
        trim::trim(&tree::service_dir(&self.root, service), max_bytes)
            .map_err(|error| Error::internal("delete old logs of a service", error))
    }
}

#[async_trait]
impl LogReader for LogDirectory {
    async fn read(&self, service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        let (dir, query) = (tree::service_dir(&self.root, service), query.clone());
        blocking("read the logs of a service", move || Ok(back::read(&dir, &query)?.lines)).await
    }

    async fn follow(
        &self,
        service: ServiceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        let doing = "follow the logs of a service";
        let subscription = self.watcher.subscribe().map_err(|error| Error::internal(doing, error))?;
        let root = self.root.clone();
        let follower = blocking(doing, move || Follower::start(root, service, query, subscription)).await?;
        Ok(follower.into_stream().boxed())
    }

    async fn remove(&self, service: ServiceId) -> Result<()> {
        let dir = tree::service_dir(&self.root, service);
        blocking("delete the logs of a service", move || remove_tree(&dir)).await
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| Error::internal(doing, error)),
        Err(error) => Err(Error::internal(doing, error)),
    }
}

/// Deletes a folder, also while a writer that has not heard of it yet adds files.
fn remove_tree(dir: &Path) -> io::Result<()> {
    for _ in 0..3 {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            result => return result,
        }
    }
    std::fs::remove_dir_all(dir)
}

#[cfg(test)]
mod tests;
