//! oci-archives: an OCI image layout (image-spec, `image-layout.md`) in a tar.

use std::collections::BTreeMap;

use mirage_core::{Code, Digest, Error, Result};
use serde::Deserialize;

use super::bundle::{Blob, Bundle, Document, Named};
use super::error::too_large;
use super::read::Archive;
use crate::client::{MAX_INDEX_ENTRIES, MAX_MANIFEST_BYTES};
use crate::registry::{Descriptor, Manifest, Needs};

/// Where a layout begins.
pub(super) const INDEX: &str = "index.json";
/// Full names in containerd's and Docker's archives.
const FULL_NAME: &str = "io.containerd.image.name";
/// The name that the image specification knows; some write a tag alone.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// How deep an index may hold indexes.
const MAX_DEPTH: usize = 4;
/// All manifests together, in bytes: they are kept in memory.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Deserialize)]
struct Top {
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: Digest,
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

/// The images of an oci-archive. Blocks.
pub(super) fn images(archive: &Archive) -> Result<Vec<Named>> {
    if archive.has("oci-layout") {
        let layout: Layout = archive.json("oci-layout", 4096)?;
        if !layout.version.starts_with("1.") {
            return Err(archive.damaged("it is a layout of another version than 1"));
        }
    }
    let top: Top = archive.json(INDEX, MAX_MANIFEST_BYTES)?;
    let entries = top.manifests.unwrap_or_default();
    if entries.len() > MAX_INDEX_ENTRIES {
        let has = entries.len();
        return Err(archive.damaged(format!("`{INDEX}` has {has} entries, the limit is {MAX_INDEX_ENTRIES}")));
    }
    let mut reading = Reading { archive, entries: 0, bytes: 0 };
    entries.into_iter().map(|entry| reading.named(entry)).collect()
}

impl From<Descriptor> for Entry {
    fn from(child: Descriptor) -> Self {
        let Descriptor { media_type, digest, size, .. } = child;
        Self { media_type, digest, size, annotations: None }
    }
}

/// A walk through a layout, with what it has cost so far.
struct Reading<'a> {
    archive: &'a Archive,
    entries: usize,
    bytes: u64,
}

/// What a manifest named and the archive does not have.
struct Absent(Digest);

impl Reading<'_> {
    fn named(&mut self, entry: Entry) -> Result<Named> {
        let image = self.top(&entry)?;
        let mut annotations = entry.annotations.unwrap_or_default();
        let name = [FULL_NAME, REF_NAME].iter().find_map(|key| annotations.remove(*key));
        Ok(Named { names: name.into_iter().collect(), image })
    }

    fn top(&mut self, entry: &Entry) -> Result<Bundle> {
        let found = match self.document(entry)? {
            Ok((document, Needs::Manifests(named))) => return self.index(document, named),
            Ok((document, needs)) => self.whole(document, needs, 0)?,
            Err(absent) => Err(absent),
        };
        found.map_err(|absent| self.missing(&absent))
    }

    /// An index whose images are not all here is loaded as the one image that is: so Docker saves an image
    /// that it has for one platform of several.
    fn index(&mut self, document: Document, named: Vec<Descriptor>) -> Result<Bundle> {
        let (mut whole, mut images, mut absent) = (Bundle::default(), Vec::new(), None);
        let of = named.len();
        for child in named {
            let is_attestation = child.is_attestation();
            match self.found(child.into(), 1)? {
                Ok(bundle) if is_attestation => whole.absorb(bundle),
                Ok(bundle) => images.push(bundle),
                Err(missing) => absent = absent.or(Some(missing)),
            }
        }
        let Some(absent) = absent else {
            images.into_iter().for_each(|image| whole.absorb(image));
            whole.add_document(document);
            return Ok(whole);
        };
        <[Bundle; 1]>::try_from(images).map(|[image]| image).map_err(|images| {
            let here = images.len();
            self.missing(&absent).hint(format!(
                "its index names {of} images, {here} of them are here: make an archive of one of them, or of all"
            ))
        })
    }

    /// A manifest or an index with everything below it.
    fn found(&mut self, entry: Entry, depth: usize) -> Result<Result<Bundle, Absent>> {
        match self.document(&entry)? {
            Ok((document, needs)) => self.whole(document, needs, depth),
            Err(absent) => Ok(Err(absent)),
        }
    }

    fn whole(&mut self, document: Document, needs: Needs, depth: usize) -> Result<Result<Bundle, Absent>> {
        if depth == MAX_DEPTH {
            return Err(self.archive.damaged(format!("its indexes are nested more than {MAX_DEPTH} deep")));
        }
        let mut bundle = Bundle::default();
        match needs {
            Needs::Blobs(blobs) => {
                for blob in blobs {
                    if bundle.knows(&blob.digest) {
                        continue;
                    }
                    let Some(part) = self.archive.blob(&blob.digest)? else {
                        return Ok(Err(Absent(blob.digest)));
                    };
                    self.check_size(&blob.digest, blob.size, part.size)?;
                    bundle.add_blob(Blob { digest: blob.digest, content: self.archive.content(part) });
                }
            }
            Needs::Manifests(named) => {
                for child in named {
                    match self.found(child.into(), depth + 1)? {
                        Ok(found) => bundle.absorb(found),
                        Err(absent) => return Ok(Err(absent)),
                    }
                }
            }
        }
        bundle.add_document(document);
        Ok(Ok(bundle))
    }

    fn document(&mut self, entry: &Entry) -> Result<Result<(Document, Needs), Absent>> {
        self.entries += 1;
        if self.entries > MAX_INDEX_ENTRIES {
            return Err(self
                .archive
                .damaged(format!("its indexes have more than {MAX_INDEX_ENTRIES} entries")));
        }
        let Some(part) = self.archive.blob(&entry.digest)? else {
            return Ok(Err(Absent(entry.digest.clone())));
        };
        self.check_size(&entry.digest, entry.size, part.size)?;
        let bytes = self.archive.bytes(part, "a manifest", MAX_MANIFEST_BYTES)?;
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_DOCUMENT_BYTES {
            return Err(too_large(self.archive.name(), "the manifests", MAX_DOCUMENT_BYTES));
        }
        let manifest = Manifest::checked(&bytes, &entry.media_type)
            .map_err(|why| self.archive.damaged(format!("`{}`: {why}", entry.digest)))?;
        let document = Document { media_type: manifest.media_type, digest: entry.digest.clone(), bytes };
        Ok(Ok((document, manifest.needs)))
    }

    fn check_size(&self, digest: &Digest, stated: u64, size: u64) -> Result<()> {
        if stated == size {
            return Ok(());
        }
        Err(self.archive.damaged(format!("the blob `{digest}` must have {stated} bytes, it has {size}")))
    }

    fn missing(&self, Absent(digest): &Absent) -> Error {
        let name = self.archive.name();
        Error::new(Code::ImagePullError, format!("`{name}` is not complete: it has no blob `{digest}`"))
            .hint("make the archive again, with all layers of the image")
    }
}
