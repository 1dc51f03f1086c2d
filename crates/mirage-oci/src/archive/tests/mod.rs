//! Archives by hand and by skopeo, into and out of the built-in registry on a loopback port.

mod hostile;
mod loading;
mod saving;
mod skopeo;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mirage_core::port::{Progress, PullProgress};
use mirage_core::{Digest, Error, Secret};
use serde_json::{Value, json};

use super::{Archive, Input, Loaded, Rename};
use crate::client::PlatformRegistry;
use crate::client::script::{TestImage, options, sha256};
use crate::layer::testing;
use crate::registry::tests::bench::Served;

pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A built-in registry, and a folder for archives.
pub(super) struct Stage {
    pub(super) served: Served,
    pub(super) folder: tempfile::TempDir,
}

/// What a load came to: `127.0.0.1:…/acme/web:1` without its host, and how many blobs were sent of how many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) names: Vec<String>,
    pub(super) sent: (u32, u32),
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self { served: Served::new().await, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn registry(&self) -> PlatformRegistry {
        let (url, token) = (format!("http://{}", self.served.host), Secret::from("secret".to_owned()));
        PlatformRegistry::new(&url, Some(&token), options(), 7).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Loads an archive of these bytes.
    pub(super) async fn load(&self, archive: &[u8], rename: Option<&str>) -> Result<Outcome, Error> {
        let path = self.path("loaded.tar");
        std::fs::write(&path, archive).unwrap();
        self.load_file(&path, rename).await
    }

    pub(super) async fn load_file(&self, path: &Path, rename: Option<&str>) -> Result<Outcome, Error> {
        self.load_from(Input::File(File::open(path).unwrap()), rename).await
    }

    pub(super) async fn load_from(&self, input: Input, rename: Option<&str>) -> Result<Outcome, Error> {
        let archive = Archive::read("x.tar", input, self.folder.path())?;
        let rename = rename.map(|text| text.parse::<Rename>().unwrap());
        let heard = Heard::default();
        let loaded = super::load(archive, rename, &self.registry(), &heard).await?;
        let host = format!("{}/", self.served.host);
        let name = |image: &Loaded| image.reference.familiar().strip_prefix(&host).unwrap().to_owned();
        let last = heard.0.lock().unwrap().clone();
        assert_eq!(last.bytes_done, last.bytes_total);
        Ok(Outcome { names: loaded.iter().map(name).collect(), sent: (last.layers_moved, last.layers_total) })
    }

    /// Code and sentence of an archive that is refused; nothing of it has a name then.
    pub(super) async fn refused(&self, archive: &[u8]) -> String {
        let error = self.load(archive, Some("acme/web:1")).await.unwrap_err();
        assert!(error.next_step().is_some(), "{error:?}");
        assert_eq!(self.served.bench.state.repositories.list().unwrap(), [], "{error:?}");
        format!("{} {}", error.code(), error.message())
    }

    /// A manifest of the registry, and its digest.
    pub(super) async fn manifest(&self, name: &str) -> (Value, Digest) {
        let (repository, tag) = name.rsplit_once(':').unwrap();
        let answer = self.served.bench.get(&format!("/v2/{repository}/manifests/{tag}")).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        (answer.json(), sha256(&answer.body))
    }

    pub(super) async fn blob(&self, repository: &str, digest: &Value) -> Vec<u8> {
        let digest = digest.as_str().unwrap();
        self.served.bench.get(&format!("/v2/{repository}/blobs/{digest}")).await.body
    }
}

/// Keeps the last report.
#[derive(Default)]
pub(super) struct Heard(Mutex<PullProgress>);

impl Progress for Heard {
    fn report(&self, progress: &PullProgress) {
        *self.0.lock().unwrap() = progress.clone();
    }
}

/// A tar of these files, in this order.
pub(super) fn tar(files: &[(&str, &[u8])]) -> testing::Archive {
    let add = |archive: testing::Archive, (path, bytes): &(&str, &[u8])| archive.file(path, bytes);
    files.iter().fold(testing::Archive::default(), add)
}

/// A layer with one file.
pub(super) fn layer(content: &str) -> Vec<u8> {
    testing::Archive::default().folder("srv").file("srv/index.html", content.as_bytes()).end()
}

/// An image of two layers.
pub(super) fn image() -> TestImage {
    TestImage::new("amd64", vec![layer("below"), layer("above")])
}

/// The members of an oci-archive of these images: a media type and bytes for each blob, and what `index.json` has.
pub(super) struct Layout {
    blobs: Vec<Vec<u8>>,
    entries: Vec<Value>,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self { blobs: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn blob(mut self, bytes: &[u8]) -> Self {
        self.blobs.push(bytes.to_vec());
        self
    }

    /// Everything of an image but its entry.
    pub(super) fn image(self, image: &TestImage) -> Self {
        let with = self.blob(&image.config).blob(&image.manifest());
        image.layers.iter().fold(with, |layout, layer| layout.blob(layer))
    }

    pub(super) fn entry(mut self, media_type: &str, manifest: &[u8], annotations: Value) -> Self {
        self.entries.push(json!({
            "mediaType": media_type, "digest": sha256(manifest), "size": manifest.len(), "annotations": annotations,
        }));
        self
    }

    pub(super) fn without(mut self, bytes: &[u8]) -> Self {
        self.blobs.retain(|blob| blob != bytes);
        self
    }

    pub(super) fn archive(self) -> testing::Archive {
        let index = json!({ "schemaVersion": 2, "manifests": self.entries }).to_string();
        let start =
            tar(&[("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index.as_bytes())]);
        let add = |archive: testing::Archive, blob: &Vec<u8>| {
            archive.file(format!("blobs/sha256/{}", sha256(blob).hex()), blob)
        };
        self.blobs.iter().fold(start.folder("blobs").folder("blobs/sha256"), add)
    }
}

/// The name that the image specification knows.
pub(super) fn ref_name(name: &str) -> Value {
    json!({ "org.opencontainers.image.ref.name": name })
}
