//! Manifests and configurations by digest or tag: remembered, kept, or fetched.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use mirage_core::{Digest, DigestAlgorithm, Reference};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Response};
use tokio::task::spawn_blocking;

use super::answer::{body, is_web_page};
use super::fault::{Fault, Refusal};
use super::link::{Link, Question};
use super::local::OwnRegistry;
use super::manifest::{Descriptor, Document};
use super::media::ACCEPT_MANIFESTS;
use super::mirror::Answer;
use super::options::{MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES};
use super::quota::Quotas;
use super::recent::Recent;
use super::remote::RemoteImage;
use super::retry::Tries;
use super::turns::Turns;
use crate::content::ContentStore;
use crate::hash::digest_of;
use crate::registry::{Origin, PullThrough};

const DIGEST_HEADER: &str = "docker-content-digest";

/// Reads the small documents of images, from wherever they are nearest.
pub(crate) struct Documents {
    pub(crate) link: Arc<Link>,
    pub(crate) store: Option<ContentStore>,
    pub(crate) own: Option<OwnRegistry>,
    /// Other registries that are read through the built-in one.
    pub(crate) through: Option<PullThrough>,
    pub(crate) recent: Recent,
    pub(crate) turns: Turns,
    pub(crate) quotas: Quotas,
}

impl Documents {
    /// Over this link, of other registries alone; what is in `store` is not fetched.
    pub(crate) fn new(link: Arc<Link>, store: Option<ContentStore>) -> Self {
        Self {
            link,
            store,
            own: None,
            through: None,
            recent: Recent::default(),
            turns: Turns::default(),
            quotas: Quotas::default(),
        }
    }

    /// What the reference points to now: its digest and its document.
    ///
    /// Where its document may be here already, `HEAD` finds out what it is (and whether it may still be
    /// read); otherwise `GET` answers both questions in one round trip.
    pub(crate) async fn top(&self, image: RemoteImage<'_>) -> Result<(Digest, Document), Fault> {
        let reference = image.reference;
        if let Some((through, origin)) = self.through(reference) {
            let found = match (reference.digest(), reference.tag()) {
                (Some(digest), _) => through.manifest(&origin, digest).await,
                (None, Some(tag)) => through.tagged(&origin, tag).await,
                (None, None) => return Err(missing()),
            };
            let found = found.map_err(Fault::Here)?;
            return Ok((found.digest, Document::read(&found.bytes, None)?));
        }
        if let Some(own) = self.own_registry(reference) {
            let (own, wanted) = (own.clone(), reference.clone());
            let found = spawn_blocking(move || own.resolve(&wanted)).await;
            let digest = found.ok().transpose().map_err(Fault::Here)?.flatten().ok_or_else(missing)?;
            return Ok((digest.clone(), self.manifest(image, &digest).await?));
        }
        let (digest, bytes, content_type) = self.newest(image, None).await?;
        Ok((digest, Document::read(&bytes, content_type.as_deref())?))
    }

    /// What the reference points to at another registry now: its digest, its bytes, and its media type where it
    /// was told. `known` is what it pointed to when it was last seen.
    pub(crate) async fn newest(
        &self,
        image: RemoteImage<'_>,
        known: Option<Digest>,
    ) -> Result<(Digest, Bytes, Option<String>), Fault> {
        let reference = image.reference;
        let expected = reference.digest().cloned().or_else(|| self.recent.tag(reference)).or(known);
        if let Some(expected) = expected
            && self.nearby(&expected, MAX_MANIFEST_BYTES).await.is_some()
            && let Some(digest) = self.head(image).await?
        {
            self.recent.keep_tag(reference, &digest);
            if let Some(bytes) = self.nearby(&digest, MAX_MANIFEST_BYTES).await {
                return Ok((digest, bytes, None));
            }
            let (digest, fetched) = self.fetch_manifest(image, &digest.to_string()).await?;
            return Ok((digest, fetched.bytes, fetched.content_type));
        }
        let (digest, fetched) = self.fetch_manifest(image, &reference.identifier()).await?;
        self.recent.keep_tag(reference, &digest);
        Ok((digest, fetched.bytes, fetched.content_type))
    }

    /// How many bytes a blob has, which the registry has and lets be read.
    pub(crate) async fn blob_size(&self, image: RemoteImage<'_>, digest: &Digest) -> Result<u64, Fault> {
        let question =
            Question { accept: None, ..self.question(Method::HEAD, image, format!("blobs/{digest}")) };
        let mut tries = Tries::brisk(&self.link.options().retry, self.link.jitter());
        loop {
            match self.link.ask(&question).await {
                Ok(answer) => {
                    let told =
                        answer.response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
                    return told.and_then(|told| told.parse().ok()).ok_or_else(|| {
                        Fault::Malformed(format!(
                            "its registry does not say how large `{}` is",
                            digest.short()
                        ))
                    });
                }
                Err(fault) => tries.pause_after(fault, false).await?,
            }
        }
    }

    /// The manifest or index with this digest.
    pub(crate) async fn manifest(&self, image: RemoteImage<'_>, digest: &Digest) -> Result<Document, Fault> {
        if let Some(found) = self.manifest_through(image, digest).await? {
            return Document::read(&found, None);
        }
        match self.nearby(digest, MAX_MANIFEST_BYTES).await {
            Some(bytes) => Document::read(&bytes, None),
            None if self.own_registry(image.reference).is_some() => Err(missing()),
            None => Ok(self.get_manifest(image, &digest.to_string()).await?.1),
        }
    }

    /// The bytes of the manifest with this digest.
    pub(crate) async fn manifest_bytes(
        &self,
        image: RemoteImage<'_>,
        digest: &Digest,
    ) -> Result<Bytes, Fault> {
        if let Some(found) = self.manifest_through(image, digest).await? {
            return Ok(found);
        }
        if let Some(bytes) = self.nearby(digest, MAX_MANIFEST_BYTES).await {
            return Ok(bytes);
        }
        if self.own_registry(image.reference).is_some() {
            return Err(missing());
        }
        Ok(self.fetch_manifest(image, &digest.to_string()).await?.1.bytes)
    }

    /// The bytes of an image's configuration.
    pub(crate) async fn config_bytes(
        &self,
        image: RemoteImage<'_>,
        config: &Descriptor,
    ) -> Result<Bytes, Fault> {
        // Two deploys of one image at once fetch its configuration once.
        let turn = self.turns.of(&config.digest);
        let _alone = turn.lock().await;
        if let Some((through, origin)) = self.through(image.reference) {
            through.bring(&origin, config, &AtomicU64::default()).await.map_err(Fault::Here)?;
        }
        if let Some(bytes) = self.nearby(&config.digest, MAX_CONFIG_BYTES).await {
            return Ok(bytes);
        }
        if self.own_registry(image.reference).is_some() {
            return Err(missing());
        }
        let item = format!("blobs/{}", config.digest);
        let wanted = Wanted { expected: Some(&config.digest), ..Wanted::CONFIG };
        let fetched = self.fetch(image, item, wanted).await?;
        if fetched.bytes.len() as u64 != config.size {
            let (blob, actual) = (config.digest.clone(), fetched.bytes.len() as u64);
            return Err(Fault::WrongSize { blob, expected: config.size, actual });
        }
        self.recent.keep(&config.digest, &fetched.bytes);
        Ok(fetched.bytes)
    }

    /// The registry that the built-in one is read through to for this reference, if it is one of those.
    pub(crate) fn through(&self, reference: &Reference) -> Option<(PullThrough, Origin)> {
        self.own_registry(reference)?;
        let through = self.through.as_ref()?;
        Some((through.clone(), through.origin(reference.repository())?))
    }

    async fn manifest_through(
        &self,
        image: RemoteImage<'_>,
        digest: &Digest,
    ) -> Result<Option<Bytes>, Fault> {
        let Some((through, origin)) = self.through(image.reference) else { return Ok(None) };
        let found = through.manifest(&origin, digest).await.map_err(Fault::Here)?;
        Ok(Some(found.bytes))
    }

    /// The built-in registry, if the reference names it.
    pub(crate) fn own_registry(&self, reference: &Reference) -> Option<&OwnRegistry> {
        self.own.as_ref().filter(|own| own.hosts.contains(reference.host()))
    }

    async fn get_manifest(
        &self,
        image: RemoteImage<'_>,
        identifier: &str,
    ) -> Result<(Digest, Document), Fault> {
        let (digest, fetched) = self.fetch_manifest(image, identifier).await?;
        Ok((digest, Document::read(&fetched.bytes, fetched.content_type.as_deref())?))
    }

    async fn fetch_manifest(
        &self,
        image: RemoteImage<'_>,
        identifier: &str,
    ) -> Result<(Digest, Fetched), Fault> {
        let expected = identifier.parse::<Digest>().ok();
        let wanted = Wanted { expected: expected.as_ref(), ..Wanted::MANIFEST };
        let fetched = self.fetch(image, format!("manifests/{identifier}"), wanted).await?;
        let told = expected.or_else(|| fetched.told.clone());
        let digest = told.unwrap_or_else(|| digest_of(DigestAlgorithm::Sha256, &fetched.bytes));
        self.recent.keep(&digest, &fetched.bytes);
        Ok((digest, fetched))
    }

    /// What a tag points to, by `HEAD`; `None` where the registry does not serve that, or says no:
    /// a `HEAD` has no words, so the `GET` that follows is left to say it.
    async fn head(&self, image: RemoteImage<'_>) -> Result<Option<Digest>, Fault> {
        let reference = image.reference;
        let mut question =
            self.question(Method::HEAD, image, format!("manifests/{}", reference.identifier()));
        let mut tries = Tries::brisk(&self.link.options().retry, self.link.jitter());
        loop {
            match self.link.ask(&question).await {
                Ok(answer) => {
                    self.note_quota(image, &answer);
                    let told = told_digest(&answer.response);
                    match (reference.digest(), told) {
                        (Some(asked), Some(told))
                            if *asked != told && asked.algorithm() == told.algorithm() =>
                        {
                            let fault = Fault::WrongDigest { expected: asked.clone(), actual: told };
                            self.link.unless_mirror(&mut question, answer.mirror, fault)?;
                        }
                        (Some(asked), _) => return Ok(Some(asked.clone())),
                        (None, told) => return Ok(told),
                    }
                }
                Err(Fault::Refused(_) | Fault::WebPage) => return Ok(None),
                Err(fault) => tries.pause_after(fault, false).await?,
            }
        }
    }

    async fn fetch(
        &self,
        image: RemoteImage<'_>,
        item: String,
        wanted: Wanted<'_>,
    ) -> Result<Fetched, Fault> {
        let mut question = Question { accept: wanted.accept, ..self.question(Method::GET, image, item) };
        let mut tries = Tries::brisk(&self.link.options().retry, self.link.jitter());
        loop {
            let (fault, mirror) = match self.link.ask(&question).await {
                Ok(answer) => {
                    self.note_quota(image, &answer);
                    let mirror = answer.mirror;
                    match self.read(answer, &wanted).await {
                        Ok(fetched) => return Ok(fetched),
                        Err(fault) => (fault, mirror),
                    }
                }
                Err(fault) => (fault, None),
            };
            if let Err(fault) = self.link.unless_mirror(&mut question, mirror, fault) {
                tries.pause_after(fault, false).await?;
            }
        }
    }

    /// Reads a document, which has the digest that was asked for or announced.
    async fn read(&self, answer: Answer, wanted: &Wanted<'_>) -> Result<Fetched, Fault> {
        let Answer { response, mirror } = answer;
        if is_web_page(response.headers()) {
            return Err(Fault::WebPage);
        }
        let told = told_digest(&response);
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let bytes = body(response, wanted.what, wanted.limit, self.link.options()).await?;
        match wanted.expected.or(told.as_ref()) {
            Some(digest) => verify(digest, &bytes)?,
            // A mirror that answers everything with the same page of JSON.
            None if mirror.is_some() => drop(Document::read(&bytes, content_type.as_deref())?),
            None => {}
        }
        Ok(Fetched { told, content_type, bytes })
    }

    /// A mirror's quota is not its registry's.
    fn note_quota(&self, image: RemoteImage<'_>, answer: &Answer) {
        if answer.mirror.is_none() {
            self.quotas.note(image.reference.host(), answer.response.headers());
        }
    }

    pub(super) fn question<'a>(&self, method: Method, image: RemoteImage<'a>, item: String) -> Question<'a> {
        Question { method, image, item, accept: Some(ACCEPT_MANIFESTS), from_byte: 0, past: 0 }
    }

    /// The bytes with this digest from memory or from the store.
    pub(crate) async fn nearby(&self, digest: &Digest, limit: u64) -> Option<Bytes> {
        if let Some(bytes) = self.recent.document(digest) {
            return Some(bytes);
        }
        let (store, wanted) = (self.store.clone()?, digest.clone());
        let read = spawn_blocking(move || store.blob(&wanted, limit)).await.ok()?;
        // What cannot be read here can still be fetched; a disk that is broken shows when it is written.
        let bytes = Bytes::from(read.ok()??);
        self.recent.keep(digest, &bytes);
        Some(bytes)
    }
}

/// What is expected of a document.
struct Wanted<'a> {
    what: &'static str,
    /// In bytes.
    limit: u64,
    accept: Option<&'static str>,
    expected: Option<&'a Digest>,
}

impl Wanted<'_> {
    const MANIFEST: Self = Self {
        what: "the manifest",
        limit: MAX_MANIFEST_BYTES,
        accept: Some(ACCEPT_MANIFESTS),
        expected: None,
    };
    const CONFIG: Self =
        Self { what: "the configuration", limit: MAX_CONFIG_BYTES, accept: None, expected: None };
}

struct Fetched {
    told: Option<Digest>,
    content_type: Option<String>,
    bytes: Bytes,
}

fn told_digest(response: &Response) -> Option<Digest> {
    response.headers().get(DIGEST_HEADER)?.to_str().ok()?.trim().parse().ok()
}

fn verify(expected: &Digest, bytes: &[u8]) -> Result<(), Fault> {
    let actual = digest_of(expected.algorithm(), bytes);
    match *expected == actual {
        true => Ok(()),
        false => Err(Fault::WrongDigest { expected: expected.clone(), actual }),
    }
}

/// What a registry would say about an image it does not have.
pub(super) fn missing() -> Fault {
    Fault::Refused(Refusal {
        status: reqwest::StatusCode::NOT_FOUND,
        code: Some("MANIFEST_UNKNOWN".into()),
        message: None,
        retry_after: None,
        by_token_service: false,
    })
}
