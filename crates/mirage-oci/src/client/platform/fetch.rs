//! Fetching: manifests, and blobs as they are.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use mirage_core::{Digest, DigestAlgorithm, Error, Reference, Repository};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use super::{PlatformRegistry, Request};
use crate::client::answer::{body, next_chunk};
use crate::client::blob::BlobSink;
use crate::client::fault::Fault;
use crate::client::manifest::Descriptor;
use crate::client::media::ACCEPT_MANIFESTS;
use crate::client::options::MAX_MANIFEST_BYTES;
use crate::client::report::report;
use crate::hash::{Hasher, digest_of};

impl PlatformRegistry {
    /// A manifest or an index: what the reference points to, or the one with the digest of `exactly`.
    pub(crate) async fn manifest(
        &self,
        reference: &Reference,
        exactly: Option<&Digest>,
    ) -> Result<(Digest, Bytes), Fault> {
        let exactly = exactly.or(reference.digest());
        let name = exactly.map_or_else(|| reference.identifier(), ToString::to_string);
        let mut tries = self.tries();
        loop {
            match self.manifest_once(reference.repository(), &name).await {
                Ok(bytes) => {
                    let algorithm = exactly.map_or(DigestAlgorithm::Sha256, Digest::algorithm);
                    let actual = digest_of(algorithm, &bytes);
                    return match exactly {
                        Some(expected) if *expected != actual => {
                            Err(Fault::WrongDigest { expected: expected.clone(), actual })
                        }
                        _ => Ok((actual, bytes)),
                    };
                }
                Err(fault) => tries.pause_after(fault, false).await?,
            }
        }
    }

    /// A blob, checked against its digest when it is through.
    pub(crate) async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        sink: BlobSink,
    ) -> Result<(), Fault> {
        let url = self.address(repository, &format!("blobs/{}", blob.digest))?;
        let request = Request { method: Method::GET, url, headers: HeaderMap::new(), body: None };
        let mut response = self.ask(request, &[StatusCode::OK]).await?;
        let mut hasher = Hasher::new(blob.digest.algorithm());
        let mut received = 0;
        let wrong = |actual| Fault::WrongSize { blob: blob.digest.clone(), expected: blob.size, actual };
        while let Some(chunk) = next_chunk(&mut response, self.options().stall_timeout).await? {
            received += chunk.len() as u64;
            if received > blob.size {
                return Err(wrong(received));
            }
            hasher.update(&chunk);
            sink.arrived.store(received, Ordering::Relaxed);
            // A reader that has given up says why.
            let _ = sink.bytes.send(chunk).await;
        }
        if received != blob.size {
            return Err(wrong(received));
        }
        let actual = hasher.finish();
        match actual == blob.digest {
            true => Ok(()),
            false => Err(Fault::WrongDigest { expected: blob.digest.clone(), actual }),
        }
    }

    /// The user's error for a fault while an image was being fetched: of the image in the words that every
    /// registry gets, of the platform in its own.
    pub(crate) fn explain(&self, fault: Fault, reference: &Reference) -> Error {
        let of_image = match &fault {
            Fault::Refused(refusal) => refusal.status == StatusCode::NOT_FOUND && refusal.code.is_some(),
            Fault::TooLarge { .. }
            | Fault::Malformed(_)
            | Fault::NotAnImage(_)
            | Fault::WrongDigest { .. }
            | Fault::WrongSize { .. }
            | Fault::NoPlatform { .. } => true,
            _ => false,
        };
        match of_image {
            true => report(fault, reference),
            false => self.report(fault, &format!("fetch `{}`", reference.familiar())),
        }
    }

    async fn manifest_once(&self, repository: &Repository, name: &str) -> Result<Bytes, Fault> {
        let url = self.address(repository, &format!("manifests/{name}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPT_MANIFESTS));
        let request = Request { method: Method::GET, url, headers, body: None };
        let response = self.ask(request, &[StatusCode::OK]).await?;
        body(response, "the manifest", MAX_MANIFEST_BYTES, self.options()).await
    }
}
