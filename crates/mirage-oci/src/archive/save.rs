//! From a registry into an archive.

use std::collections::{HashMap, HashSet};
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mirage_core::port::Progress;
use mirage_core::{Digest, Platform, Reference, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bundle::OCI_IMAGE;
use super::draft::Draft;
use super::error::damaged;
use super::find::{Image, find};
use super::layer::{LayerMove, Tar};
use super::source::ImageSource;
use super::write::TarWriter;
use crate::client::Descriptor;
use crate::pull::Tally;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An OCI image layout in a tar: every byte as it is in the registry, but for a manifest of Docker's
    /// schema 2, which has no place in a layout and is written as OCI's.
    Oci,
    /// What `docker save` wrote before version 25, and everything reads: layers are unpacked.
    Docker,
}

/// An image that has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The digest of its manifest; in a layout, of the one that stands there.
    pub digest: Digest,
    /// Number of its layers.
    pub layers: u32,
    /// The size of the archive in bytes.
    pub bytes: u64,
}

/// Which image is saved, and how.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its name.
    pub reference: Reference,
    /// The platform that somebody asked for.
    pub platform: Option<Platform>,
    /// The platform that is taken where nobody asked.
    pub here: Platform,
    /// How it is written.
    pub format: Format,
}

/// Writes an image into `draft`, which is complete then and still to be kept.
///
/// # Errors
/// What the registry answers; `NO_MATCHING_PLATFORM`; `IMAGE_PULL_ERROR` where bytes are wrong; `DISK_FULL`.
pub async fn save(
    source: &ImageSource,
    wish: &Wish,
    draft: &Draft,
    progress: &dyn Progress,
) -> Result<Saved> {
    let reference = &wish.reference;
    let found = find(source, reference, wish.platform.as_ref(), &wish.here).await;
    let mut image = found.map_err(|fault| source.report(fault, reference))?;
    if wish.format == Format::Oci {
        image.make_oci();
    }
    let counts: HashMap<Digest, _> =
        image.blobs().map(|blob| (blob.digest.clone(), Arc::default())).collect();
    let moving =
        image.blobs().map(|blob| (blob.digest.clone(), blob.size, Arc::clone(&counts[&blob.digest])));
    let tally = Tally::new(image.manifest.layers.len(), moving.collect());
    let saving = Saving { source, reference, draft, image: &image, counts: &counts };
    let writing = async {
        let tar = TarWriter::new(BufWriter::new(draft.file()?));
        let tar = match wish.format {
            Format::Oci => saving.layout(tar).await?,
            Format::Docker => saving.docker(tar).await?,
        };
        tar.finish().map_err(|cause| draft.unwritable(cause))
    };
    let bytes = tally.report_while(progress, Box::pin(writing)).await?;
    let layers = image.manifest.layers.len() as u32;
    Ok(Saved { digest: image.digest, layers, bytes })
}

struct Saving<'a> {
    source: &'a ImageSource,
    reference: &'a Reference,
    draft: &'a Draft,
    image: &'a Image,
    counts: &'a HashMap<Digest, Arc<AtomicU64>>,
}

impl Saving<'_> {
    async fn layout(&self, mut tar: Tar) -> Result<Tar> {
        let path = |digest: &Digest| format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
        let index = self.layout_index().to_string();
        let small = [
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
            ("index.json".to_owned(), index.as_bytes()),
            (path(&self.image.digest), &self.image.bytes),
            (path(&self.image.manifest.config.digest), &self.image.config),
        ];
        for (path, bytes) in small {
            tar.file(&path, bytes).map_err(|cause| self.draft.unwritable(cause))?;
        }
        for blob in self.image.blobs() {
            tar = self.layer(blob, None).write(tar, &path(&blob.digest)).await?;
        }
        Ok(tar)
    }

    /// An image that is named by digest alone has no name in its archive.
    fn layout_index(&self) -> Value {
        let (digest, size) = (&self.image.digest, self.image.bytes.len());
        let mut entry = json!({ "mediaType": OCI_IMAGE, "digest": digest, "size": size });
        if let Some(tag) = self.reference.tag() {
            // Docker and containerd look for the one, Podman and skopeo for the other.
            let name = format!("{}/{}:{tag}", self.reference.host(), self.reference.repository());
            entry["annotations"] =
                json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name });
        }
        if let Some(platform) = &self.image.platform {
            entry["platform"] = json!(platform);
        }
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] })
    }

    async fn docker(&self, mut tar: Tar) -> Result<Tar> {
        let diff_ids = self.diff_ids()?;
        let path = |diff_id: &Digest| format!("{}.tar", diff_id.hex());
        let config = format!("{}.json", self.image.manifest.config.digest.hex());
        let manifest = json!([{
            "Config": config,
            "RepoTags": self.reference.tag().map(|_| self.tagged().familiar()).into_iter().collect::<Vec<_>>(),
            "Layers": diff_ids.iter().map(path).collect::<Vec<_>>(),
        }]);
        let broken = |cause| self.draft.unwritable(cause);
        tar.file("manifest.json", manifest.to_string().as_bytes()).map_err(broken)?;
        tar.file(&config, &self.image.config).map_err(broken)?;
        let mut written = HashSet::new();
        for (layer, diff_id) in self.image.manifest.layers.iter().zip(&diff_ids) {
            if written.insert(diff_id) {
                tar = self.layer(&layer.blob, Some(diff_id)).write(tar, &path(diff_id)).await?;
            }
        }
        Ok(tar)
    }

    /// The digests of the layers when they are unpacked, as the configuration has them.
    fn diff_ids(&self) -> Result<Vec<Digest>> {
        #[derive(Deserialize)]
        struct Config {
            rootfs: RootFs,
        }
        #[derive(Deserialize)]
        struct RootFs {
            diff_ids: Vec<Digest>,
        }
        let name = self.reference.familiar();
        let config: Config = serde_json::from_slice(&self.image.config)
            .map_err(|error| damaged(&name, format!("its configuration cannot be read: {error}")))?;
        let (has, names) = (self.image.manifest.layers.len(), config.rootfs.diff_ids.len());
        match has == names {
            true => Ok(config.rootfs.diff_ids),
            false => Err(damaged(&name, format!("it has {has} layers, its configuration names {names}"))),
        }
    }

    fn tagged(&self) -> Reference {
        let (host, repository) = (self.reference.host().clone(), self.reference.repository().clone());
        Reference::new(host, repository, self.reference.tag().cloned(), None)
    }

    fn layer<'a>(&'a self, blob: &'a Descriptor, diff_id: Option<&'a Digest>) -> LayerMove<'a> {
        let Self { source, reference, draft, .. } = *self;
        LayerMove { source, reference, draft, blob, arrived: &self.counts[&blob.digest], diff_id }
    }
}
