//! Looking at an image: the image itself, and what hangs on it.
//!
//! Artifacts are found in four places, which are asked at once and while the image's own documents are
//! on their way, so that looking takes no more round trips than resolving: the referrers API; the index
//! under the referrers tag, where that API is not served; cosign's tags, which its older versions use
//! even where it is; and BuildKit's manifests of attestations inside the index.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use mirage_core::port::Sighting;
use mirage_core::{Attachments, Digest, Platform};
use reqwest::header::LINK;
use reqwest::{Method, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{body, is_web_page};
use super::artifact::Kinds;
use super::documents::Documents;
use super::fault::{Fault, Refusal};
use super::link::Question;
use super::manifest::Document;
use super::options::MAX_MANIFEST_BYTES;
use super::remote::RemoteImage;
use super::resolve::RegistryClient;
use crate::hash::digest_of;

/// Longer than this nobody waits for what is only good to know.
const PATIENCE: Duration = Duration::from_secs(5);

const ACCEPT_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What artifacts may be about: what the tag points to, and the image of it that was chosen.
struct Subjects {
    digests: Vec<Digest>,
    /// The manifest in which BuildKit put its attestations about the chosen image.
    attestations: Option<Digest>,
}

impl RegistryClient {
    /// Resolves the reference, and looks meanwhile what hangs on it.
    pub(super) async fn look(&self, image: RemoteImage<'_>, wanted: &Platform) -> Result<Sighting, Fault> {
        let documents = self.documents();
        let (digest, top) = documents.top(image).await?;
        let subjects = Subjects::of(&digest, &top, wanted);
        let (found, attachments) = futures_util::try_join!(
            self.below(image, wanted, digest, top),
            documents.attachments(image, &subjects).map(Ok)
        )?;
        Ok(Sighting { image: found, attachments, quota: documents.quotas.of(image.reference.host()) })
    }
}

impl Subjects {
    fn of(digest: &Digest, top: &Document, wanted: &Platform) -> Self {
        let mut subjects = Self { digests: vec![digest.clone()], attestations: None };
        if let Document::Index(index) = top
            && let Some(chosen) = index.choose(wanted)
        {
            let chosen = &chosen.manifest.digest;
            let about = index.attestations.iter().find(|(about, _)| about == chosen);
            subjects.attestations = about.map(|(_, manifest)| manifest.digest.clone());
            subjects.digests.push(chosen.clone());
        }
        subjects
    }
}

impl Documents {
    /// What is attached to any of the subjects. What cannot be found out is unknown, and no error.
    async fn attachments(&self, image: RemoteImage<'_>, subjects: &Subjects) -> Attachments {
        let mut asked: Vec<BoxFuture<'_, Kinds>> = Vec::new();
        for subject in &subjects.digests {
            match self.own_registry(image.reference) {
                Some(_) => asked.push(self.in_own_registry(image, subject).boxed()),
                None => asked.extend([
                    self.referrers(image, subject).boxed(),
                    self.tagged(image, subject, "", Kinds::of_listing).boxed(),
                    self.tagged(image, subject, ".att", Kinds::of_manifest).boxed(),
                    self.exists(image, subject, ".sig", Kinds::SIGNATURE).boxed(),
                    self.exists(image, subject, ".sbom", Kinds::SBOM).boxed(),
                ]),
            }
        }
        asked.extend(subjects.attestations.as_ref().map(|digest| self.attested(image, digest).boxed()));
        let patient =
            asked.into_iter().map(|ask| timeout(PATIENCE, ask).map(|told| told.unwrap_or(Kinds::UNCLEAR)));
        join_all(patient).await.into_iter().fold(Kinds::default(), Kinds::and).attachments()
    }

    /// The referrers API (OCI distribution-spec, "Listing Referrers"). Registries without it answer 404,
    /// some 400, 405 or 406 and some with a web page; the referrers tag is then the whole answer.
    async fn referrers(&self, image: RemoteImage<'_>, subject: &Digest) -> Kinds {
        let item = format!("referrers/{subject}");
        let question = Question { accept: Some(ACCEPT_INDEX), ..self.question(Method::GET, image, item) };
        let answer = match self.link.ask(&question).await {
            Ok(answer) if is_web_page(answer.response.headers()) => return Kinds::default(),
            Ok(answer) => answer.response,
            Err(Fault::WebPage) => return Kinds::default(),
            Err(Fault::Refused(Refusal { status, .. })) if not_served(status) => return Kinds::default(),
            Err(_) => return Kinds::UNCLEAR,
        };
        // The next page would cost another round trip.
        let more = Kinds { unclear: answer.headers().contains_key(LINK), ..Kinds::default() };
        let bytes = body(answer, "the referrers", MAX_MANIFEST_BYTES, self.link.options()).await;
        bytes.map_or(Kinds::UNCLEAR, |bytes| Kinds::of_listing(&bytes)).and(more)
    }

    /// What the document under a tag about the subject tells.
    async fn tagged(
        &self,
        image: RemoteImage<'_>,
        subject: &Digest,
        suffix: &str,
        read: fn(&[u8]) -> Kinds,
    ) -> Kinds {
        let question = self.question(Method::GET, image, format!("manifests/{}", tag(subject, suffix)));
        let answer = match self.link.ask(&question).await {
            Ok(answer) => answer.response,
            Err(fault) => return absent_or_unclear(&fault),
        };
        match body(answer, "the artifact", MAX_MANIFEST_BYTES, self.link.options()).await {
            // GitLab's registry takes such a tag for the digest, and answers with the subject itself.
            Ok(bytes) if digest_of(subject.algorithm(), &bytes) == *subject => Kinds::default(),
            Ok(bytes) => read(&bytes),
            Err(_) => Kinds::UNCLEAR,
        }
    }

    /// `there`, if there is anything under a tag about the subject.
    async fn exists(&self, image: RemoteImage<'_>, subject: &Digest, suffix: &str, there: Kinds) -> Kinds {
        let question = self.question(Method::HEAD, image, format!("manifests/{}", tag(subject, suffix)));
        match self.link.ask(&question).await {
            Ok(answer) if is_web_page(answer.response.headers()) => Kinds::default(),
            Ok(_) => there,
            Err(fault) => absent_or_unclear(&fault),
        }
    }

    /// What BuildKit's attestations about an image are.
    async fn attested(&self, image: RemoteImage<'_>, manifest: &Digest) -> Kinds {
        let bytes = self.manifest_bytes(image, manifest).await;
        bytes.map_or(Kinds::UNCLEAR, |bytes| Kinds::of_manifest(&bytes))
    }

    /// The same places in the built-in registry, which are files here.
    async fn in_own_registry(&self, image: RemoteImage<'_>, subject: &Digest) -> Kinds {
        let (Some(own), Some(store)) = (self.own_registry(image.reference).cloned(), self.store.clone())
        else {
            return Kinds::UNCLEAR;
        };
        let (repository, subject) = (image.reference.repository().clone(), subject.clone());
        let looked = spawn_blocking(move || {
            let read = |digest: &Digest| store.blob(digest, MAX_MANIFEST_BYTES).ok().flatten();
            let tagged = |suffix: &str| {
                let tag = tag(&subject, suffix).parse().ok()?;
                own.repositories.resolve(&repository, &tag).ok()?
            };
            let Ok(referrers) = own.repositories.referrers(&repository, &subject) else {
                return Kinds::UNCLEAR;
            };
            let cut = Kinds { unclear: referrers.len() > MAX_OWN_REFERRERS, ..Kinds::default() };
            let referrers = referrers.iter().take(MAX_OWN_REFERRERS).filter_map(read);
            let mut kinds = referrers.map(|bytes| Kinds::of_manifest(&bytes)).fold(cut, Kinds::and);
            let documents = [("", Kinds::of_listing as fn(&[u8]) -> Kinds), (".att", Kinds::of_manifest)];
            for (suffix, understand) in documents {
                let bytes = tagged(suffix).and_then(|digest| read(&digest));
                kinds = bytes.map_or(kinds, |bytes| kinds.and(understand(&bytes)));
            }
            kinds.signature |= tagged(".sig").is_some();
            kinds.sbom |= tagged(".sbom").is_some();
            kinds
        });
        looked.await.unwrap_or(Kinds::UNCLEAR)
    }
}

/// The most artifacts about one image that are read here.
const MAX_OWN_REFERRERS: usize = 100;

/// The tag under which something about a manifest is found: `sha256-<hex>.sig`. Digests are cut to what
/// fits into a tag (OCI distribution-spec, "Referrers Tag Schema").
fn tag(subject: &Digest, suffix: &str) -> String {
    format!("{}-{:.64}{suffix}", subject.algorithm().as_str(), subject.hex())
}

/// Statuses by which registries say that they do not know such a path.
fn not_served(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 501)
}

fn absent_or_unclear(fault: &Fault) -> Kinds {
    match fault {
        Fault::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND => Kinds::default(),
        Fault::WebPage => Kinds::default(),
        _ => Kinds::UNCLEAR,
    }
}
