//! Blobs: bytes under their digest.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use mirage_core::fault::point;
use mirage_core::{Code, Digest, DigestAlgorithm, Error, Result, human_bytes};

use super::store::{ContentStore, disk_error, publish};
use super::temporary::Temporary;
use crate::hash::{Hasher, digest_of};

impl ContentStore {
    /// The bytes of a blob, or `None` where it is not here. Larger than `limit` bytes is an
    /// `IMAGE_TOO_LARGE`. Bytes that are not what the digest says are removed and count as absent.
    pub fn blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.blob_path(digest);
        let broken = |cause| disk_error("read", &path, cause);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(broken)?,
        };
        let size = file.metadata().map_err(broken)?.len();
        if size > limit {
            return Err(Error::new(
                Code::ImageTooLarge,
                format!(
                    "`{digest}` has {}, more than the {} allowed here",
                    human_bytes(size),
                    human_bytes(limit)
                ),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.take(limit).read_to_end(&mut bytes).map_err(broken)?;
        if digest_of(digest.algorithm(), &bytes) != *digest {
            tracing::error!(%digest, "content: a blob has changed on the disk and is removed");
            fs::remove_file(&path).map_err(broken)?;
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Where a blob lies if it is here.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.place("blobs", digest)
    }

    /// Whether a blob is here.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Keeps a blob; done when it is on the disk. Bytes of another digest are an `IMAGE_PULL_ERROR`.
    pub fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        if digest_of(digest.algorithm(), bytes) == *digest && self.has_blob(digest) {
            return Ok(());
        }
        let mut writer = self.blob_writer()?;
        writer.write_all(bytes).map_err(|cause| writer.broken(cause))?;
        writer.finish(digest).map(drop)
    }

    /// A blob in the making, of any size and with a digest that is told at the end.
    pub fn blob_writer(&self) -> Result<BlobWriter> {
        point("blob/write")?;
        let place = self.temporary();
        let file = place.make_file().map_err(|cause| disk_error("make", place.path(), cause))?;
        let hasher = Hasher::new(DigestAlgorithm::Sha256);
        Ok(BlobWriter { store: self.clone(), place, file, hasher, offset: 0 })
    }
}

/// A blob in the making. It may rest between two writes for as long as the process lives; dropping
/// it leaves nothing.
pub struct BlobWriter {
    store: ContentStore,
    place: Temporary,
    file: File,
    hasher: Hasher,
    offset: u64,
}

impl BlobWriter {
    /// How many bytes have been written: where the next ones belong.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Another handle to what has been written so far. It stays readable when the blob has its name, and when it
    /// was dropped.
    pub fn reader(&self) -> Result<File> {
        File::open(self.place.path()).map_err(|cause| self.broken(cause))
    }

    /// Checks the bytes against `digest`, gives the blob its name, and answers with its size. Other
    /// bytes than promised are an `IMAGE_PULL_ERROR`, and nothing is kept.
    pub fn finish(mut self, digest: &Digest) -> Result<u64> {
        let found = match digest.algorithm() {
            DigestAlgorithm::Sha256 => {
                std::mem::replace(&mut self.hasher, Hasher::new(DigestAlgorithm::Sha256)).finish()
            }
            DigestAlgorithm::Sha512 => {
                self.hash_again(digest.algorithm()).map_err(|cause| self.broken(cause))?
            }
        };
        if found != *digest {
            return Err(Error::new(
                Code::ImagePullError,
                format!("the bytes received for `{digest}` have the digest `{found}`"),
            )
            .hint("send them again; if it happens twice, the source is damaged"));
        }
        if !self.store.has_blob(digest) {
            self.file.sync_all().map_err(|cause| self.broken(cause))?;
            point("blob/name")?;
            publish(self.place.path(), &self.store.blob_path(digest))?;
            point("blob/named")?;
        }
        Ok(self.offset)
    }

    // Clients that use sha512 are so rare that reading the file again beats hashing everything twice.
    fn hash_again(&mut self, algorithm: DigestAlgorithm) -> io::Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; 256 * 1024];
        self.file.seek(SeekFrom::Start(0))?;
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// The error for a write that did not work.
    pub(crate) fn broken(&self, cause: io::Error) -> Error {
        disk_error("write", self.place.path(), cause)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.offset += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
