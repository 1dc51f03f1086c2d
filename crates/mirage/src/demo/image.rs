//! The sample image: one layer with one program, and its configuration, as OCI documents.

use mirage_core::Digest;
use ring::digest::{SHA256, digest};
use serde_json::json;

/// Built by `build.rs` from `sample/hello.rs`.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

/// A blob with its digest.
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

/// An image that can be pushed.
pub(super) struct Image {
    pub(super) layer: Blob,
    pub(super) config: Blob,
    pub(super) manifest: Blob,
}

impl Image {
    /// Bytes of all of it.
    pub(super) fn size(&self) -> usize {
        self.layer.bytes.len() + self.config.bytes.len() + self.manifest.bytes.len()
    }
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        Self { digest: Digest::sha256(hash), bytes }
    }
}

/// The sample image for this machine's processor.
pub(super) fn sample() -> Image {
    let layer = Blob::new(archive());
    let platform = mirage_core::Platform::linux(std::env::consts::ARCH);
    let config = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {
            "Entrypoint": ["/hello"],
            "ExposedPorts": { "8080/tcp": {} },
            "User": "65534:65534",
            "Labels": { "org.opencontainers.image.title": "hello" },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
    });
    let config = Blob::new(config.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.digest,
            "size": config.bytes.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.digest,
            "size": layer.bytes.len(),
        }],
    });
    Image { layer, config, manifest: Blob::new(manifest.to_string().into_bytes()) }
}

/// A tar archive with the program in it.
fn archive() -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(PROGRAM.len() as u64);
    header.set_mode(0o755);
    let mut archive = tar::Builder::new(Vec::new());
    // Writing into memory cannot fail; a short archive would be refused as a layer.
    let _ = archive.append_data(&mut header, "hello", PROGRAM);
    archive.into_inner().unwrap_or_default()
}
