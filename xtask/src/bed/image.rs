//! Images as OCI layouts on disk, pushed by skopeo.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use ring::digest::{Context as Hash, SHA256};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::layer::{Compression, Layer};
use super::process::run;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image to be written.
#[derive(Clone)]
pub struct Image {
    /// From the lowest to the topmost.
    pub layers: Vec<Layer>,
    /// `amd64`, by default this machine's.
    pub architecture: String,
    /// The image's `config` object: `Entrypoint`, `Cmd`, `Env`, `ExposedPorts`, `User`, …
    pub config: Value,
}

/// Several images under one name.
#[derive(Clone, Default)]
pub struct Index {
    /// One for each platform.
    pub images: Vec<Image>,
}

/// An image on disk, ready to be pushed as often as one likes.
pub struct Layout {
    folder: TempDir,
}

/// What a layout says of a blob.
#[derive(Clone, Debug)]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
}

impl Image {
    /// An image for this machine with these layers.
    pub fn new(layers: Vec<Layer>) -> Self {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        Self { layers, architecture: architecture.to_owned(), config: json!({}) }
    }

    /// Sets one field of the configuration, in the spelling of the OCI image specification.
    #[must_use]
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// Sets the entrypoint.
    #[must_use]
    pub fn entrypoint(self, words: &[&str]) -> Self {
        self.set("Entrypoint", json!(words))
    }

    /// Declares a TCP port.
    #[must_use]
    pub fn expose(mut self, port: u16) -> Self {
        self.config["ExposedPorts"][format!("{port}/tcp")] = json!({});
        self
    }

    /// Pushes it to a registry without TLS; answers with its digest there.
    ///
    /// # Errors
    /// Where the layout cannot be written or skopeo refuses.
    pub fn push(&self, reference: &str) -> Result<String> {
        push(reference, &["--format", "oci"], |layout| self.write(layout))
    }

    /// The same at a registry that wants a login, with this user name and password.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_as(&self, reference: &str, (user, password): (&str, &str)) -> Result<String> {
        let login = format!("--dest-creds={user}:{password}");
        push(reference, &["--format", "oci", &login], |layout| self.write(layout))
    }

    /// The same as a Docker schema 2 manifest.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_as_docker(&self, reference: &str) -> Result<String> {
        push(reference, &["--format", "v2s2"], |layout| self.write(layout))
    }

    /// Writes it to disk.
    ///
    /// # Errors
    /// Where the layout cannot be written.
    pub fn layout(&self) -> Result<Layout> {
        Layout::write(|layout| self.write(layout))
    }

    fn write(&self, layout: &Path) -> Result<Descriptor> {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for layer in &self.layers {
            let (descriptor, diff_id) = write_layer(layout, layer)?;
            layers.push(descriptor.json());
            diff_ids.push(diff_id);
        }
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = write_json(layout, CONFIG, &config)?;
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config.json(), "layers": layers});
        write_json(layout, MANIFEST, &manifest)
    }
}

impl Index {
    /// Pushes the index and all its images; answers with the digest of the index.
    ///
    /// # Errors
    /// As [`Image::push`].
    pub fn push(&self, reference: &str) -> Result<String> {
        push(reference, &["--all"], |layout| {
            let mut manifests = Vec::new();
            for image in &self.images {
                let mut descriptor = image.write(layout)?.json();
                descriptor["platform"] = json!({"os": "linux", "architecture": image.architecture});
                manifests.push(descriptor);
            }
            write_json(
                layout,
                INDEX,
                &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}),
            )
        })
    }
}

impl Layout {
    fn write(write: impl FnOnce(&Path) -> Result<Descriptor>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-image-").tempdir()?;
        let layout = folder.path();
        std::fs::create_dir_all(layout.join("blobs/sha256"))?;
        let mut top = write(layout)?.json();
        top["annotations"] = json!({"org.opencontainers.image.ref.name": "it"});
        let index = json!({"schemaVersion": 2, "manifests": [top]});
        std::fs::write(layout.join("index.json"), index.to_string())?;
        std::fs::write(layout.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        Ok(Self { folder })
    }

    /// Pushes it by skopeo to a registry without TLS, with more options; answers with its digest there.
    ///
    /// # Errors
    /// Where skopeo refuses.
    pub fn push(&self, reference: &str, options: &[&str]) -> Result<String> {
        let digest = self.folder.path().join("digest");
        let digest_option = format!("--digestfile={}", digest.display());
        let (from, to) =
            (format!("oci:{}:it", self.folder.path().display()), format!("docker://{reference}"));
        let fixed = ["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", &digest_option];
        run("skopeo", &[&fixed, options, &[from.as_str(), to.as_str()]].concat())?;
        Ok(std::fs::read_to_string(digest)?.trim().to_owned())
    }

    /// The size of its largest blob in bytes.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn largest_blob(&self) -> Result<u64> {
        let mut largest = 0;
        for blob in std::fs::read_dir(self.folder.path().join("blobs/sha256"))? {
            largest = largest.max(blob?.metadata()?.len());
        }
        Ok(largest)
    }
}

impl Descriptor {
    fn json(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

fn push(
    reference: &str,
    options: &[&str],
    write: impl FnOnce(&Path) -> Result<Descriptor>,
) -> Result<String> {
    Layout::write(write)?.push(reference, options)
}

fn write_json(layout: &Path, media_type: &'static str, value: &Value) -> Result<Descriptor> {
    let bytes = value.to_string().into_bytes();
    let mut hash = Hash::new(&SHA256);
    hash.update(&bytes);
    let digest = digest(hash);
    std::fs::write(blob(layout, &digest), &bytes)?;
    Ok(Descriptor { media_type, digest, size: bytes.len() as u64 })
}

/// Writes the blob of a layer; answers with its descriptor and its diff id.
fn write_layer(layout: &Path, layer: &Layer) -> Result<(Descriptor, String)> {
    let draft = layout.join("draft");
    let file = Hashing::new(BufWriter::with_capacity(1 << 20, File::create(&draft)?));
    let (media_type, file, diff_id) = match layer.compression {
        Compression::None => {
            let mut tar = Hashing::new(file);
            layer.write(&mut tar)?;
            ("application/vnd.oci.image.layer.v1.tar", tar.inner, digest(tar.hash))
        }
        Compression::Gzip => {
            let mut tar = Hashing::new(flate2::write::GzEncoder::new(file, flate2::Compression::new(6)));
            layer.write(&mut tar)?;
            ("application/vnd.oci.image.layer.v1.tar+gzip", tar.inner.finish()?, digest(tar.hash))
        }
        Compression::Zstd => {
            let mut tar = Hashing::new(zstd::Encoder::new(file, 3)?);
            layer.write(&mut tar)?;
            ("application/vnd.oci.image.layer.v1.tar+zstd", tar.inner.finish()?, digest(tar.hash))
        }
    };
    file.inner.into_inner().context("the layer could not be written")?;
    let digest = digest(file.hash);
    let size = std::fs::metadata(&draft)?.len();
    std::fs::rename(&draft, blob(layout, &digest))?;
    Ok((Descriptor { media_type, digest, size }, diff_id))
}

fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn digest(hash: Hash) -> String {
    let hex: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Hashes what is written through it.
struct Hashing<W> {
    inner: W,
    hash: Hash,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Hash::new(&SHA256) }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed::{Registry, is_installed, skipped};

    #[test]
    fn an_image_and_an_index_arrive_in_the_registry_as_they_were_written() {
        if !is_installed("docker-registry") || !is_installed("skopeo") {
            return skipped(
                "an image and an index arrive in the registry",
                "needs docker-registry and skopeo",
            );
        }
        let registry = Registry::start().unwrap();
        let mut image = Image::new(vec![
            Layer::new().directory("www", 0o755).file("www/index.html", 0o644, "hello"),
            Layer::new().whiteout("www/index.html").packed(Compression::Zstd),
        ])
        .entrypoint(&["/bin/true"])
        .expose(8080);
        let digest = image.push(&registry.reference("acme/web:1")).unwrap();
        let url = format!("docker://{}", registry.reference("acme/web:1"));
        let shown = run("skopeo", &["inspect", "--tls-verify=false", "--raw", &url]).unwrap();
        assert!(shown.contains("tar+zstd") && shown.contains("tar+gzip"), "{shown}");
        assert!(registry.blob(&digest).exists());

        image.architecture = "arm64".to_owned();
        image.layers.pop();
        let index = Index { images: vec![image.clone()] };
        index.push(&registry.reference("acme/web:arm")).unwrap();
        image.push_as_docker(&registry.reference("acme/web:docker")).unwrap();
        let puts = registry
            .requests()
            .into_iter()
            .filter(|access| access.method == "PUT" && access.path.contains("manifests"));
        assert_eq!(puts.count(), 4);
    }
}
