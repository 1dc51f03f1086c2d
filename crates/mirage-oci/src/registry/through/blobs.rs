//! Blobs of other registries: fetched once, by whomever they are wanted.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, MutexGuard, PoisonError};

use mirage_core::{Code, Digest, Error, Repository, Result, human_bytes};
use tokio::sync::mpsc;

use super::arrival::Arrival;
use super::{MAX_ARRIVALS, Origin, PullThrough};
use crate::client::{BlobSink, Descriptor, RemoteImage};
use crate::content::BlobWriter;

/// The largest blob that is kept, as of pushes.
const MAX_BLOB_BYTES: u64 = 16 << 30;
/// Chunks between the connection and the disk.
const CHUNKS_AHEAD: usize = 8;

/// Where a blob is.
pub(crate) enum Place {
    /// In the content store, and the repository may read it.
    Kept,
    /// On its way.
    Arriving(Arc<Arrival>),
}

impl PullThrough {
    /// Where a blob is; one that is not here sets out. It comes whether or not whoever asked waits for it.
    ///
    /// # Errors
    /// What the origin says, as far as that is known by now.
    pub(crate) async fn blob(&self, origin: &Origin, digest: &Digest) -> Result<Place> {
        if self.has_blob(origin, digest).await? {
            return Ok(Place::Kept);
        }
        if let Some(arrival) = self.arrivals().get(&(origin.here().clone(), digest.clone())) {
            return Ok(Place::Arriving(Arc::clone(arrival)));
        }
        if self.is_shared(origin, digest).await? {
            return Ok(Place::Kept);
        }
        if self.arrivals().len() >= MAX_ARRIVALS {
            return Err(Error::new(
                Code::RegistryRateLimited,
                format!("{MAX_ARRIVALS} blobs are on their way already"),
            )
            .hint("try again when they are here"));
        }
        let size = self.size(origin, digest).await?;
        if size > MAX_BLOB_BYTES {
            let message = format!(
                "blob `{}` has {}, the limit is {}",
                digest.short(),
                human_bytes(size),
                human_bytes(MAX_BLOB_BYTES)
            );
            return Err(Error::new(Code::ImageTooLarge, message).hint("pull it from its own registry"));
        }
        let (writer, file) = self
            .on_disk(|inner| {
                let writer = inner.store.blob_writer()?;
                let file = writer.reader()?;
                Ok((writer, file))
            })
            .await?;
        let arrival = Arc::new(Arrival::new(size, file));
        {
            let mut arrivals = self.arrivals();
            let key = (origin.here().clone(), digest.clone());
            if let Some(first) = arrivals.get(&key) {
                return Ok(Place::Arriving(Arc::clone(first)));
            }
            // Who was here first may be done by now.
            if self.inner.repositories.has_blob(&key.0, digest) && self.inner.store.has_blob(digest) {
                return Ok(Place::Kept);
            }
            arrivals.insert(key, Arc::clone(&arrival));
        }
        let (through, origin, digest, on_its_way) =
            (self.clone(), origin.clone(), digest.clone(), Arc::clone(&arrival));
        tokio::spawn(async move {
            let (bringing, from, what, whom) =
                (through.clone(), origin.clone(), digest.clone(), Arc::clone(&on_its_way));
            // A task of its own: whatever becomes of it, those who wait hear of its end.
            let fetch = tokio::spawn(async move { bringing.fetch(&from, &what, &whom, writer).await });
            let ended = fetch.await.unwrap_or_else(|broken| Err(Error::internal("bring a blob", broken)));
            if let Err(error) = &ended {
                tracing::warn!(repository = %origin.here(), %digest, "registry: a blob did not come through: {}", error.message());
            }
            through.arrivals().remove(&(origin.here().clone(), digest));
            on_its_way.end(ended);
        });
        Ok(Place::Arriving(arrival))
    }

    /// Brings a blob of this many bytes here and waits for it; `arrived` hears how far it is.
    ///
    /// # Errors
    /// What kept it from coming.
    pub(crate) async fn bring(&self, origin: &Origin, blob: &Descriptor, arrived: &AtomicU64) -> Result<()> {
        let image = origin.pinned(&blob.digest);
        let mut attempts = self.inner.fetcher.attempts(RemoteImage { reference: &image, login: None });
        loop {
            attempts -= 1;
            self.sizes().insert(blob.digest.clone(), blob.size);
            let ended = match self.blob(origin, &blob.digest).await? {
                Place::Kept => return Ok(()),
                Place::Arriving(arrival) => arrival.ended(arrived).await,
            };
            match ended {
                // Wrong bytes: most come from something on the way.
                Err(error) if error.code() == Code::ImagePullError && attempts > 0 => {}
                ended => return ended,
            }
        }
    }

    /// How many bytes a blob has that is not here.
    ///
    /// # Errors
    /// What the origin says.
    pub(crate) async fn size(&self, origin: &Origin, digest: &Digest) -> Result<u64> {
        let known = self.sizes().get(digest).copied();
        match known {
            Some(size) => Ok(size),
            None => self.ask_size(origin, digest).await,
        }
    }

    async fn ask_size(&self, origin: &Origin, digest: &Digest) -> Result<u64> {
        let image = origin.pinned(digest);
        let login = self.login(&image).await?;
        let remote = RemoteImage { reference: &image, login: login.as_ref() };
        let documents = &self.inner.documents;
        documents.blob_size(remote, digest).await.map_err(|fault| documents.link.report(fault, remote))
    }

    /// Whether a blob is here, and the repository may read it.
    pub(crate) async fn has_blob(&self, origin: &Origin, digest: &Digest) -> Result<bool> {
        let (here, digest) = (origin.here().clone(), digest.clone());
        self.on_disk(move |inner| {
            Ok(inner.repositories.has_blob(&here, &digest) && inner.store.has_blob(&digest))
        })
        .await
    }

    /// Whether the bytes are here for somebody else and the origin lets them be had: then nothing is moved.
    async fn is_shared(&self, origin: &Origin, digest: &Digest) -> Result<bool> {
        if !self.inner.store.has_blob(digest) || self.ask_size(origin, digest).await.is_err() {
            return Ok(false);
        }
        let (here, digest) = (origin.here().clone(), digest.clone());
        self.on_disk(move |inner| {
            let _settled = inner.repositories.adding();
            // Collection may have come before us.
            let here_now = inner.store.has_blob(&digest);
            if here_now {
                inner.repositories.link_blob(&here, &digest)?;
            }
            Ok(here_now)
        })
        .await
    }

    async fn fetch(
        &self,
        origin: &Origin,
        digest: &Digest,
        arrival: &Arrival,
        writer: BlobWriter,
    ) -> Result<()> {
        let inner = &self.inner;
        let _place =
            inner.places.acquire().await.map_err(|cause| Error::internal("wait for a place", cause))?;
        let _stays = inner.store.hold([digest.clone()]);
        let image = origin.pinned(digest);
        let login = self.login(&image).await?;
        let remote = RemoteImage { reference: &image, login: login.as_ref() };
        let (bytes, arriving) = mpsc::channel(CHUNKS_AHEAD);
        let blob = Descriptor { digest: digest.clone(), size: arrival.size() };
        let fetching = async {
            let sink = BlobSink { bytes, arrived: Arc::default() };
            let fetched = inner.fetcher.fetch(remote, &blob, sink).await;
            fetched.map_err(|fault| inner.fetcher.report(fault, remote))
        };
        let ((), writer) = tokio::try_join!(fetching, self.write(arrival, writer, arriving))?;
        let (here, digest) = (origin.here().clone(), digest.clone());
        self.on_disk(move |inner| {
            writer.finish(&digest)?;
            let _settled = inner.repositories.adding();
            inner.repositories.link_blob(&here, &digest)
        })
        .await
    }

    async fn write(
        &self,
        arrival: &Arrival,
        mut writer: BlobWriter,
        mut arriving: mpsc::Receiver<bytes::Bytes>,
    ) -> Result<BlobWriter> {
        while let Some(chunk) = arriving.recv().await {
            let count = chunk.len() as u64;
            writer = self
                .on_disk(move |_| {
                    writer.write_all(&chunk).map_err(|cause| writer.broken(cause))?;
                    Ok(writer)
                })
                .await?;
            arrival.wrote(count);
        }
        Ok(writer)
    }

    fn arrivals(&self) -> MutexGuard<'_, HashMap<(Repository, Digest), Arc<Arrival>>> {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.inner.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
