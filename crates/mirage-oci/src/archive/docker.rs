//! docker-archives: `manifest.json`, configurations, and layers as they are unpacked.

use mirage_core::{Digest, DigestAlgorithm, Result};
use serde::Deserialize;
use serde_json::json;

use super::bundle::{Blob, Bundle, Document, Named, OCI_CONFIG, OCI_IMAGE, layer_type};
use super::error::{no_images, of_reader};
use super::read::{Archive, Part};
use crate::client::{MAX_CONFIG_BYTES, MAX_LAYERS, MAX_MANIFEST_BYTES};
use crate::hash::{Hasher, digest_of};
use crate::layer::{Compression, Inflated, LayerLimits};

/// The most images of one archive.
const MAX_IMAGES: usize = 1_000;

const MANIFEST: &str = "manifest.json";

/// An image in `manifest.json`. Go writes `null` for whatever is empty.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<Digest>>,
}

/// The images of a docker-archive. Blocks: layers that are compressed are inflated for their digests.
pub(super) fn images(archive: &Archive) -> Result<Vec<Named>> {
    if !archive.has(MANIFEST) && archive.has("repositories") {
        return Err(no_images(archive.name(), "it was made by a Docker older than 1.10"));
    }
    let entries: Vec<Entry> = archive.json(MANIFEST, MAX_MANIFEST_BYTES)?;
    if entries.len() > MAX_IMAGES {
        return Err(archive.damaged(format!("it has {} images, the limit is {MAX_IMAGES}", entries.len())));
    }
    entries.into_iter().map(|entry| named(archive, entry)).collect()
}

fn named(archive: &Archive, entry: Entry) -> Result<Named> {
    let part = needed(archive, &entry.config)?;
    let bytes = archive.bytes(part, "a configuration", MAX_CONFIG_BYTES)?;
    let config = digest_of(DigestAlgorithm::Sha256, &bytes);
    check_name(archive, &entry.config, &config)?;
    let layers = entry.layers.unwrap_or_default();
    let diff_ids = diff_ids(archive, &bytes)?;
    if layers.len() > MAX_LAYERS {
        return Err(
            archive.damaged(format!("an image has {} layers, the limit is {MAX_LAYERS}", layers.len()))
        );
    }
    if layers.len() != diff_ids.len() {
        let (has, names) = (layers.len(), diff_ids.len());
        return Err(archive.damaged(format!("an image has {has} layers, its configuration names {names}")));
    }
    let mut image = Bundle::default();
    image.add_blob(Blob { digest: config.clone(), content: archive.content(part) });
    let mut descriptors = Vec::new();
    for (path, diff_id) in layers.iter().zip(&diff_ids) {
        let part = needed(archive, path)?;
        let media_type = layer_type(checked_layer(archive, path, part, diff_id)?);
        descriptors.push(json!({ "mediaType": media_type, "digest": part.digest, "size": part.size }));
        image.add_blob(Blob { digest: part.digest.clone(), content: archive.content(part) });
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": { "mediaType": OCI_CONFIG, "digest": config, "size": bytes.len() },
        "layers": descriptors,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = digest_of(DigestAlgorithm::Sha256, &bytes);
    image.add_document(Document { media_type: OCI_IMAGE, digest, bytes: bytes.into() });
    Ok(Named { names: entry.repo_tags.unwrap_or_default(), image })
}

fn needed<'a>(archive: &'a Archive, path: &str) -> Result<&'a Part> {
    let shown: String = path.chars().take(100).collect();
    archive
        .file(path)?
        .ok_or_else(|| archive.damaged(format!("it has no `{shown}`, which `{MANIFEST}` names")))
}

fn diff_ids(archive: &Archive, config: &[u8]) -> Result<Vec<Digest>> {
    let config: Config = serde_json::from_slice(config)
        .map_err(|error| archive.damaged(format!("a configuration cannot be read: {error}")))?;
    Ok(config.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default())
}

/// Most writers call a configuration by its digest; who does must mean it.
fn check_name(archive: &Archive, path: &str, digest: &Digest) -> Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let stated: Option<Digest> =
        if name.contains(':') { name.parse().ok() } else { format!("sha256:{name}").parse().ok() };
    match stated {
        Some(stated) if stated != *digest && stated.algorithm() == DigestAlgorithm::Sha256 => {
            Err(archive.damaged(format!("the configuration `{stated}` has the digest `{digest}`")))
        }
        _ => Ok(()),
    }
}

/// How a layer is compressed, after a look whether it is the one that the configuration names.
fn checked_layer(archive: &Archive, path: &str, part: &Part, diff_id: &Digest) -> Result<Compression> {
    let refuse = |error| of_reader(archive.name(), path, error);
    let mut inflated = Inflated::new(archive.reader(part), &LayerLimits::default()).map_err(refuse)?;
    let compression = inflated.compression();
    let digest = match compression {
        Compression::None if diff_id.algorithm() == part.digest.algorithm() => part.digest.clone(),
        _ => {
            let mut hasher = Hasher::new(diff_id.algorithm());
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match inflated.read(&mut buffer).map_err(refuse)? {
                    0 => break hasher.finish(),
                    count => hasher.update(&buffer[..count]),
                }
            }
        }
    };
    match digest == *diff_id {
        true => Ok(compression),
        false => Err(archive.damaged(format!("the layer `{diff_id}` has the digest `{digest}`"))),
    }
}
