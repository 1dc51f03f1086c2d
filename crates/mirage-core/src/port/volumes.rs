//! Where the data of volumes is kept.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::error::Result;
use crate::id::VolumeId;

/// An archive of a volume's data, in pieces: a tar compressed with zstd.
pub type Archive = BoxStream<'static, Result<Vec<u8>>>;

/// How much a volume holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeSize {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether everything was counted; of a very full volume only a part is.
    pub complete: bool,
}

/// The data of volumes. A volume that was never mounted nor filled has none.
#[async_trait]
pub trait VolumeStore: Send + Sync {
    /// How much is in it; `None` where it has no data yet.
    async fn size(&self, id: VolumeId) -> Result<Option<VolumeSize>>;

    /// Deletes the data for good. Data that is not there is deleted already; when the work is broken
    /// off, it goes on by itself later.
    ///
    /// # Errors
    /// `CONFLICT` while an instance has it.
    async fn remove(&self, id: VolumeId) -> Result<()>;

    /// The data as it is now. Whoever writes to it is not held up: the archive is what a machine would find
    /// that lost its power while it was made.
    ///
    /// # Errors
    /// `NOT_FOUND` where there is no data. The archive itself may break off with an error too.
    async fn backup(&self, id: VolumeId) -> Result<Archive>;

    /// Puts what is in an archive in the place of the data. Until all of it was read nothing changes. The
    /// archive may be anybody's.
    ///
    /// # Errors
    /// `CONFLICT` while an instance has it, `INVALID_REQUEST` where this is no such archive, `DISK_FULL`,
    /// and the error that the archive breaks off with.
    async fn restore(&self, id: VolumeId, archive: Archive) -> Result<()>;
}
