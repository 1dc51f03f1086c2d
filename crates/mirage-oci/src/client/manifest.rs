//! Image manifests and indexes, of the OCI image-spec and of Docker's schema 2.

use mirage_core::{Code, Digest, Error, Platform, Result};
use serde::Deserialize;

use super::annotations::Annotations;
use super::answer::printable;
use super::fault::Fault;
use super::media::{self, Kind};
use super::options::{MAX_CONFIG_BYTES, MAX_IMAGE_BYTES, MAX_INDEX_ENTRIES, MAX_LAYERS};
use crate::layer::Compression;

/// eStargz says here how large a layer is unpacked.
const UNPACKED_SIZE: &str = "io.containers.estargz.uncompressed-size";

/// What is found under `/manifests/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Image(Manifest),
    /// Images for several platforms.
    Index(Index),
}

/// One image: its configuration and its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
}

/// Images for several platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// What it offers, in its own order. Entries that are no images (attestations) are left out.
    pub entries: Vec<IndexEntry>,
    /// What BuildKit says about those: which image, and the manifest of its attestations.
    pub attestations: Vec<(Digest, Descriptor)>,
}

/// One image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its manifest.
    pub manifest: Descriptor,
    /// For what it was built, where the index says so.
    pub platform: Option<Platform>,
}

/// A piece of content: what it is and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The content's digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A layer as it is transferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The compressed layer.
    pub blob: Descriptor,
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes of the archive in it, where that is known without looking inside. A registry may lie.
    pub unpacked_bytes: Option<u64>,
}

impl Manifest {
    /// Bytes to transfer for the whole image: compressed layers, each once, and configuration.
    pub fn size_bytes(&self) -> u64 {
        let mut seen = std::collections::HashSet::new();
        let layers = self.layers.iter().filter(|layer| seen.insert(&layer.blob.digest));
        layers.map(|layer| layer.blob.size).fold(self.config.size, u64::saturating_add)
    }
}

impl Document {
    /// Reads a document that stands for itself.
    ///
    /// # Errors
    /// `IMAGE_PULL_ERROR` with what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes, None).map_err(|fault| Error::new(Code::ImagePullError, fault.to_string()))
    }

    /// Reads a document. What it is, its own text decides, so that a document kept in the store means
    /// the same later; `content_type`, where there is one, must not contradict
    /// (distribution GHSA-qq97-vm5h-rrhg).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Self, Fault> {
        let wire: WireDocument = serde_json::from_slice(bytes)
            .map_err(|error| Fault::Malformed(format!("the manifest cannot be read: {}", plain(&error))))?;
        let kind = wire.kind()?;
        if let Some(told) = content_type.and_then(media::kind)
            && told != kind
        {
            return Err(Fault::Malformed("the manifest is not what its media type says".into()));
        }
        match kind {
            Kind::Schema1 => Err(Fault::NotAnImage(
                "its manifest has Docker's schema 1, which has not been in use since 2017".into(),
            )),
            Kind::Index => Ok(Self::Index(wire.into_index()?)),
            Kind::Image => Ok(Self::Image(wire.into_manifest()?)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDocument {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<WireDescriptor>,
    layers: Option<Vec<WireDescriptor>>,
    manifests: Option<Vec<WireDescriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDescriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<WirePlatform>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
struct WirePlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl WireDocument {
    fn kind(&self) -> Result<Kind, Fault> {
        if self.schema_version == Some(1) {
            return Ok(Kind::Schema1);
        }
        let looks = match (&self.manifests, &self.config, &self.layers) {
            (Some(_), None, None) => Kind::Index,
            (None, Some(_), Some(_)) => Kind::Image,
            (Some(_), _, _) => {
                return Err(Fault::Malformed("the manifest is an index and an image at once".into()));
            }
            _ => return Err(Fault::NotAnImage("what it names has no configuration and no layers".into())),
        };
        match self.media_type.as_deref().filter(|text| !text.is_empty()) {
            None => Ok(looks),
            Some(text) => match media::kind(text) {
                Some(kind) if kind == looks => Ok(looks),
                Some(_) => Err(Fault::Malformed("the manifest is not what its `mediaType` says".into())),
                None => Err(Fault::NotAnImage(format!("its manifest has the type {}", printable(text, 100)))),
            },
        }
    }

    fn into_index(self) -> Result<Index, Fault> {
        let manifests = self.manifests.unwrap_or_default();
        if manifests.len() > MAX_INDEX_ENTRIES {
            let entries = manifests.len();
            return Err(Fault::Malformed(format!(
                "its index has {entries} entries, the limit is {MAX_INDEX_ENTRIES}"
            )));
        }
        let attestations = manifests.iter().filter_map(WireDescriptor::attestation).collect();
        let entries = manifests.into_iter().filter_map(WireDescriptor::into_entry).collect();
        Ok(Index { entries, attestations })
    }

    fn into_manifest(self) -> Result<Manifest, Fault> {
        let config =
            self.config.ok_or_else(|| Fault::Malformed("the manifest has no configuration".into()))?;
        if !media::is_image_config(&config.media_type) {
            let told = self.artifact_type.filter(|text| !text.is_empty()).unwrap_or(config.media_type);
            return Err(Fault::NotAnImage(format!("it holds {}", printable(&told, 100))));
        }
        if config.size > MAX_CONFIG_BYTES {
            let (what, bytes) = ("the configuration", Some(config.size));
            return Err(Fault::TooLarge { what, bytes, limit: MAX_CONFIG_BYTES });
        }
        let wire = self.layers.unwrap_or_default();
        if wire.len() > MAX_LAYERS {
            return Err(Fault::Malformed(format!("it has {} layers, the limit is {MAX_LAYERS}", wire.len())));
        }
        let layers = wire.into_iter().map(WireDescriptor::into_layer).collect::<Result<Vec<_>, _>>()?;
        let manifest = Manifest { config: config.content(), layers };
        let bytes = manifest.size_bytes();
        if bytes > MAX_IMAGE_BYTES {
            return Err(Fault::TooLarge { what: "the image", bytes: Some(bytes), limit: MAX_IMAGE_BYTES });
        }
        Ok(manifest)
    }
}

impl WireDescriptor {
    fn content(self) -> Descriptor {
        Descriptor { digest: self.digest, size: self.size }
    }

    fn into_layer(self) -> Result<Layer, Fault> {
        let compression = Compression::of_media_type(&self.media_type).ok_or_else(|| {
            Fault::NotAnImage(format!("it has a layer of the type {}", printable(&self.media_type, 100)))
        })?;
        let unpacked_bytes = match compression {
            Compression::None => Some(self.size),
            _ => self.annotations.text(UNPACKED_SIZE).and_then(|bytes| bytes.parse().ok()),
        };
        Ok(Layer { blob: self.content(), compression, unpacked_bytes })
    }

    /// The image that this entry of an index is about, where it holds attestations.
    fn attestation(&self) -> Option<(Digest, Descriptor)> {
        let about = self.annotations.text("vnd.docker.reference.digest")?.parse().ok()?;
        let attests = self.annotations.text("vnd.docker.reference.type")? == "attestation-manifest";
        attests.then(|| (about, Descriptor { digest: self.digest.clone(), size: self.size }))
    }

    /// Nothing for entries that cannot be run: attestations (`unknown/unknown`), other artifacts, and
    /// platforms that are no words.
    fn into_entry(self) -> Option<IndexEntry> {
        media::kind(&self.media_type).filter(|kind| *kind != Kind::Schema1)?;
        let platform = match &self.platform {
            None => None,
            Some(wire) => Some(wire.platform()?),
        };
        Some(IndexEntry { manifest: self.content(), platform })
    }
}

impl WirePlatform {
    fn platform(&self) -> Option<Platform> {
        platform(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// A platform from its words, if they are words and say something.
pub(crate) fn platform(os: &str, architecture: &str, variant: Option<&str>) -> Option<Platform> {
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 32
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let variant = variant.filter(|text| !text.is_empty());
    let fine = word(os) && word(architecture) && variant.is_none_or(word);
    (fine && os != "unknown" && architecture != "unknown").then(|| Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        variant: variant.map(str::to_owned),
    })
}

/// What is wrong with a JSON text, without quoting it.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    printable(&error.to_string(), 160)
}

#[cfg(test)]
mod tests;
