//! Images for tests.

use mirage_core::Digest;
use serde_json::{Value, json};

use super::sha256;

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of these uncompressed layers.
#[derive(Clone)]
pub(crate) struct TestImage {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

impl TestImage {
    /// For `linux/<architecture>`, with two ports and a command.
    pub(crate) fn new(architecture: &str, layers: Vec<Vec<u8>>) -> Self {
        let config = json!({
            "os": "linux", "architecture": architecture,
            "config": { "Cmd": ["/bin/web"], "ExposedPorts": { "9000/tcp": {}, "80/tcp": {}, "53/udp": {} } },
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| sha256(layer)).collect::<Vec<_>>() },
        });
        Self { config: config.to_string().into_bytes(), layers }
    }

    /// The manifest as it goes over the wire.
    pub(crate) fn manifest(&self) -> Vec<u8> {
        let layers: Vec<Value> = self.layers.iter().map(|layer| descriptor(LAYER, layer)).collect();
        let config = descriptor(CONFIG, &self.config);
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers });
        manifest.to_string().into_bytes()
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() })
}

/// An entry of an index, for a platform such as `linux/arm64`.
pub(crate) fn entry(manifest: &Digest, size: usize, platform: &str) -> Value {
    let (os, architecture) = platform.split_once('/').unwrap();
    json!({
        "mediaType": IMAGE, "digest": manifest, "size": size,
        "platform": { "os": os, "architecture": architecture },
    })
}
