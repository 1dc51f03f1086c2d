//! What the registry reads of a manifest before it believes it.

use std::collections::BTreeMap;

use mirage_core::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::{Fault, FaultCode};

/// The largest manifest that is taken, in bytes; the distribution specification asks for at least this.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// An OCI index is also the form of a referrers answer.
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image.
pub(super) const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest that is well-formed and of a kind the registry takes.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Its media type, one of four.
    pub(crate) media_type: &'static str,
    /// What it names: everything here must be present before the manifest is.
    pub(crate) needs: Needs,
    /// The manifest it is about, which may come later or never.
    pub(super) subject: Option<Digest>,
    /// What kind of artifact it is: its own word, or else the media type of its configuration.
    pub(super) artifact_type: Option<String>,
    /// Its annotations, which a referrers answer repeats.
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

/// What a manifest names.
#[derive(Debug)]
pub(crate) enum Needs {
    /// An image: its configuration and its layers.
    Blobs(Vec<Descriptor>),
    /// An index: other manifests.
    Manifests(Vec<Descriptor>),
}

/// Content named by a manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    /// What it says it is.
    pub(crate) media_type: String,
    /// What it is.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// For what an image of an index was built, in whatever form.
    platform: Option<Value>,
}

impl Descriptor {
    /// Whether this is no image but something said about the others, as BuildKit marks it.
    pub(crate) fn is_attestation(&self) -> bool {
        self.platform.as_ref().is_some_and(|platform| platform["os"] == "unknown")
    }
}

/// One line of a referrers answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Referrer {
    media_type: &'static str,
    size: u64,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Reads a manifest. Its own `mediaType` and the request's `Content-Type` must not contradict
    /// each other; where one is absent the other decides.
    pub(super) fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Self, Fault> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| invalid(format!("the manifest cannot be read: {error}")))?;
        if document.schema_version != 2 {
            return Err(invalid(format!(
                "the manifest has schema version {}, only version 2 is taken",
                document.schema_version
            )));
        }
        let media_type = media_type(document.media_type.as_deref(), content_type)?;
        let config_type = document.config.as_ref().map(|config| config.media_type.clone());
        let is_image = matches!(media_type, OCI_IMAGE | DOCKER_IMAGE);
        // A document that can be read both as an image and as an index means different things to
        // different clients (CVE-2021-41190).
        let needs = match (is_image, document.config, document.layers, document.manifests) {
            (true, Some(config), Some(layers), None) => {
                let blobs = std::iter::once(config).chain(layers);
                Needs::Blobs(blobs.filter(|blob| !stays_elsewhere(&blob.media_type)).collect())
            }
            (true, ..) => {
                return Err(invalid("an image manifest has `config` and `layers`, and no `manifests`"));
            }
            (false, None, None, Some(manifests)) => Needs::Manifests(manifests),
            (false, ..) => {
                return Err(invalid("an index has `manifests`, and neither `config` nor `layers`"));
            }
        };
        Ok(Self {
            media_type,
            needs,
            subject: document.subject.map(|subject| subject.digest),
            artifact_type: document.artifact_type.filter(|kind| !kind.is_empty()).or(config_type),
            annotations: document.annotations,
        })
    }

    /// Reads a manifest of this media type.
    ///
    /// # Errors
    /// In words, why the registry does not take it.
    pub(crate) fn checked(bytes: &[u8], media_type: &str) -> Result<Self, String> {
        Self::read(bytes, Some(media_type)).map_err(Fault::into_message)
    }

    /// The line about this manifest in the answer to "who refers to its subject".
    pub(super) fn into_referrer(self, digest: Digest, size: u64) -> Referrer {
        Referrer {
            media_type: self.media_type,
            size,
            digest,
            artifact_type: self.artifact_type,
            annotations: self.annotations,
        }
    }
}

fn media_type(own: Option<&str>, header: Option<&str>) -> Result<&'static str, Fault> {
    let header = header.map(|header| header.split(';').next().unwrap_or(header).trim());
    let stated = match (own, header) {
        (Some(own), Some(header)) if own != header => {
            return Err(invalid(format!("the manifest says it is `{own}`, the request says `{header}`")));
        }
        (Some(stated), _) | (None, Some(stated)) => stated,
        (None, None) => return Err(invalid("neither the manifest nor the request states a media type")),
    };
    [OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST].into_iter().find(|known| *known == stated).ok_or_else(
        || invalid(format!("`{stated}` is not a manifest this registry takes, push OCI or Docker schema 2")),
    )
}

/// Layers that a licence forbids to pass on are fetched from where their `urls` point.
fn stays_elsewhere(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar")
        || media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::bad_request(FaultCode::ManifestInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"mediaType":"a/b","size":1,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;

    fn read(json: &str, content_type: Option<&str>) -> Result<Manifest, String> {
        let json = json.replace("$A", A).replace("$IMAGE", OCI_IMAGE).replace("$INDEX", OCI_INDEX);
        Manifest::read(json.as_bytes(), content_type).map_err(|fault| format!("{fault:?}"))
    }

    #[test]
    fn the_kind_comes_from_the_document_or_the_request() {
        let by_itself =
            r#"{"schemaVersion":2,"mediaType":"$IMAGE","config":$A,"layers":[$A,$A],"unknown":{"x":[1]}}"#;
        let image = read(by_itself, None).unwrap();
        assert!(matches!(&image.needs, Needs::Blobs(blobs) if blobs.len() == 3));
        assert_eq!(image.artifact_type.as_deref(), Some("a/b"));
        let by_request = r#"{"schemaVersion":2,"manifests":[$A],"artifactType":"c/d","subject":$A}"#;
        let index = read(by_request, Some("application/vnd.oci.image.index.v1+json; charset=utf-8")).unwrap();
        assert!(matches!(&index.needs, Needs::Manifests(manifests) if manifests.len() == 1));
        assert_eq!(index.artifact_type.as_deref(), Some("c/d"));
        assert!(index.subject.is_some());
    }

    #[test]
    fn foreign_layers_need_not_be_here() {
        let foreign = A.replace("a/b", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
        let json = format!(r#"{{"schemaVersion":2,"mediaType":"$IMAGE","config":$A,"layers":[{foreign}]}}"#);
        assert!(matches!(read(&json, None).unwrap().needs, Needs::Blobs(blobs) if blobs.len() == 1));
    }

    #[test]
    fn what_means_two_things_or_nothing_is_refused() {
        for (json, content_type) in [
            ("", None),
            ("[]", None),
            ("{}", Some(OCI_IMAGE)),
            (r#"{"schemaVersion":1,"mediaType":"$IMAGE","config":$A,"layers":[]}"#, None),
            (r#"{"schemaVersion":2,"config":$A,"layers":[]}"#, None),
            (r#"{"schemaVersion":2,"config":$A,"layers":[]}"#, Some("text/html")),
            (r#"{"schemaVersion":2,"mediaType":"$IMAGE","config":$A,"layers":[]}"#, Some(OCI_INDEX)),
            (r#"{"schemaVersion":2,"mediaType":"$IMAGE","config":$A,"layers":[],"manifests":[]}"#, None),
            (r#"{"schemaVersion":2,"mediaType":"$IMAGE","manifests":[]}"#, None),
            (r#"{"schemaVersion":2,"mediaType":"$INDEX","config":$A,"layers":[]}"#, None),
            (r#"{"schemaVersion":2,"mediaType":"$INDEX","manifests":[],"layers":[]}"#, None),
            (r#"{"schemaVersion":2,"mediaType":"$INDEX","manifests":[],"manifests":[$A]}"#, None),
            (
                r#"{"schemaVersion":2,"mediaType":"$INDEX","manifests":[{"mediaType":"a","size":-1,"digest":"x"}]}"#,
                None,
            ),
        ] {
            let fault = read(json, content_type).unwrap_err();
            assert!(fault.contains("ManifestInvalid"), "{json}: {fault}");
        }
        let deep = format!(r#"{{"schemaVersion":2,"x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep, Some(OCI_INDEX)).is_err());
    }
}
