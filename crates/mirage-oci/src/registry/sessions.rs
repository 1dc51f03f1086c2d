//! Uploads in progress. Each has one writer; a request borrows it and gives it back, also when the
//! client goes away in the middle, so that the upload can be resumed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::fault::point;
use mirage_core::port::{Clock, Randomness};
use mirage_core::{Digest, Repository};

use super::fault::{Fault, FaultCode};
use super::path::UploadId;
use crate::content::{BlobWriter, ContentStore};

/// What uploads may cost.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// How many may be in progress at a time.
    pub sessions: usize,
    /// The largest blob, in bytes.
    pub blob_bytes: u64,
    /// An upload that nobody touched for this long is removed.
    pub idle: Duration,
}

impl Default for UploadLimits {
    /// 128 at a time, 16 GiB each, one hour.
    fn default() -> Self {
        Self { sessions: 128, blob_bytes: 16 << 30, idle: Duration::from_secs(3600) }
    }
}

/// How long an upload has to rest before another one may take its place.
const MAKES_ROOM: Duration = Duration::from_secs(60);

/// The uploads in progress. They live as long as the process: after a restart clients start anew.
#[derive(Clone)]
pub struct Uploads(Arc<Inner>);

struct Inner {
    limits: UploadLimits,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    sessions: Mutex<HashMap<UploadId, Session>>,
}

struct Session {
    repository: Repository,
    touched: Timestamp,
    received: u64,
    /// Absent while a request has it.
    writer: Option<BlobWriter>,
}

impl Uploads {
    /// No upload yet.
    pub fn new(limits: UploadLimits, clock: Arc<dyn Clock>, randomness: Arc<dyn Randomness>) -> Self {
        Self(Arc::new(Inner { limits, clock, randomness, sessions: Mutex::default() }))
    }

    /// Removes the uploads that nobody touched for a while; answers how many. Starting an upload
    /// does this too, so calling it from a timer only gives the space back earlier.
    pub fn expire(&self) -> usize {
        if point("upload/expire").is_err() {
            return 0;
        }
        let now = self.0.clock.now();
        let idle = self.0.limits.idle;
        let expired: Vec<Session> = self
            .sessions()
            .extract_if(|_, session| {
                let age = Duration::try_from(now.duration_since(session.touched)).unwrap_or_default();
                session.writer.is_some() && age > idle
            })
            .map(|(_, session)| session)
            .collect();
        // Dropping a writer removes its file, which is better done without the lock.
        expired.len()
    }

    /// Gives up the upload that has rested the longest where there is no place left, so that nobody keeps
    /// everybody else out with uploads that go nowhere.
    fn make_room(&self) {
        let mut sessions = self.sessions();
        if sessions.len() < self.0.limits.sessions {
            return;
        }
        let now = self.0.clock.now();
        let rested = |session: &Session| now.duration_since(session.touched).unsigned_abs() >= MAKES_ROOM;
        let resting = sessions.iter().filter(|(_, session)| session.writer.is_some() && rested(session));
        let oldest = resting.min_by_key(|(_, session)| session.touched).map(|(id, _)| id.clone());
        let given_up = oldest.and_then(|id| sessions.remove(&id));
        // Dropping a writer removes its file, which is better done without the lock.
        drop(sessions);
        drop(given_up);
    }

    /// Starts an upload into a repository.
    pub(super) fn start(&self, repository: &Repository, store: &ContentStore) -> Result<Lease, Fault> {
        self.expire();
        self.make_room();
        if self.sessions().len() >= self.0.limits.sessions {
            return Err(too_many(self.0.limits.sessions));
        }
        let writer = store.blob_writer()?;
        let id = UploadId::new(self.0.randomness.bytes16());
        let mut sessions = self.sessions();
        if sessions.len() >= self.0.limits.sessions {
            return Err(too_many(self.0.limits.sessions));
        }
        let session = Session {
            repository: repository.clone(),
            touched: self.0.clock.now(),
            received: 0,
            writer: None,
        };
        sessions.insert(id.clone(), session);
        drop(sessions);
        // Until somebody is told its name, it ends with this request.
        let mut lease =
            Lease { uploads: self.clone(), id, received: 0, writer: Some(writer), resumable: false };
        point("upload/begun")?;
        lease.resumable = true;
        Ok(lease)
    }

    /// Borrows the writer of an upload.
    pub(super) fn borrow(&self, repository: &Repository, id: &UploadId) -> Result<Lease, Fault> {
        let mut sessions = self.sessions();
        let session = find(&mut sessions, repository, id)?;
        let writer = session.writer.take().ok_or_else(|| {
            Fault::new(
                http::StatusCode::CONFLICT,
                FaultCode::BlobUploadInvalid,
                format!("another request is writing to the upload `{id}`"),
            )
        })?;
        Ok(Lease {
            uploads: self.clone(),
            id: id.clone(),
            received: session.received,
            writer: Some(writer),
            resumable: true,
        })
    }

    /// How many bytes of an upload have arrived.
    pub(super) fn received(&self, repository: &Repository, id: &UploadId) -> Result<u64, Fault> {
        find(&mut self.sessions(), repository, id).map(|session| session.received)
    }

    /// Ends an upload and removes what has arrived.
    pub(super) fn cancel(&self, repository: &Repository, id: &UploadId) -> Result<(), Fault> {
        let mut sessions = self.sessions();
        find(&mut sessions, repository, id)?;
        point("upload/cancel")?;
        let session = sessions.remove(id);
        drop(sessions);
        point("upload/cancelled")?;
        drop(session);
        Ok(())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<UploadId, Session>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An upload in the hands of one request. Dropping it gives the upload back for the next one.
pub(super) struct Lease {
    uploads: Uploads,
    id: UploadId,
    received: u64,
    writer: Option<BlobWriter>,
    resumable: bool,
}

impl Lease {
    /// Makes the upload end with this request: nobody was told its name.
    #[must_use]
    pub(super) fn unnamed(mut self) -> Self {
        self.resumable = false;
        self
    }

    /// The name of the upload.
    pub(super) fn id(&self) -> &UploadId {
        &self.id
    }

    /// How many bytes have arrived.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Refuses early what would exceed the limit.
    pub(super) fn check_room(&self, more: u64) -> Result<(), Fault> {
        let limit = self.uploads.0.limits.blob_bytes;
        if self.received.saturating_add(more) > limit {
            return Err(Fault::new(
                http::StatusCode::PAYLOAD_TOO_LARGE,
                FaultCode::SizeInvalid,
                format!("the blob is larger than the limit of {}", mirage_core::human_bytes(limit)),
            ));
        }
        Ok(())
    }

    /// Appends bytes. Blocks on the disk. After an error the upload is gone.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        use std::io::Write;
        let written = self.check_room(bytes.len() as u64).and_then(|()| {
            let writer = self.writer.as_mut().ok_or_else(|| Fault::upload_unknown(&self.id))?;
            point("upload/write")?;
            writer.write_all(bytes).map_err(not_written)
        });
        match written {
            Ok(()) => self.received += bytes.len() as u64,
            Err(_) => self.writer = None,
        }
        written?;
        Ok(point("upload/written")?)
    }

    /// Ends the upload: checks the content against `digest` and gives it its name in the store.
    /// Blocks on the disk. Where the content is something else, nothing of it is left.
    pub(super) fn finish(mut self, digest: &Digest) -> Result<(), Fault> {
        let writer = self.writer.take().ok_or_else(|| Fault::upload_unknown(&self.id))?;
        writer.finish(digest).map(|_| ()).map_err(|error| match error.code() {
            mirage_core::Code::ImagePullError => {
                Fault::bad_request(FaultCode::DigestInvalid, error.message())
            }
            _ => error.into(),
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let now = self.uploads.0.clock.now();
        let mut sessions = self.uploads.sessions();
        match (self.writer.take(), sessions.get_mut(&self.id)) {
            (Some(writer), Some(session)) if self.resumable => {
                session.received = self.received;
                session.touched = now;
                session.writer = Some(writer);
            }
            // Finished, failed, or cancelled meanwhile.
            (unwanted, _) => {
                sessions.remove(&self.id);
                drop(sessions);
                drop(unwanted);
            }
        }
    }
}

fn find<'a>(
    sessions: &'a mut HashMap<UploadId, Session>,
    repository: &Repository,
    id: &UploadId,
) -> Result<&'a mut Session, Fault> {
    sessions
        .get_mut(id)
        .filter(|session| session.repository == *repository)
        .ok_or_else(|| Fault::upload_unknown(id))
}

fn too_many(limit: usize) -> Fault {
    Fault::new(
        http::StatusCode::TOO_MANY_REQUESTS,
        FaultCode::TooManyRequests,
        format!("{limit} uploads are in progress, the most at a time; try again later"),
    )
    .header(http::header::RETRY_AFTER, http::HeaderValue::from_static("30"))
}

fn not_written(cause: std::io::Error) -> Fault {
    let error = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            mirage_core::Error::new(mirage_core::Code::DiskFull, "the disk of the registry is full")
                .because(cause)
        }
        _ => mirage_core::Error::internal("write an uploaded blob", cause),
    };
    error.into()
}
