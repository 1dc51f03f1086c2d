//! Artifacts that are about an image: which of them are signatures, and which are lists of its parts.

use mirage_core::{Attachments, Presence};
use serde::Deserialize;

use super::annotations::Annotations;

/// The most lines of a listing that are looked at.
const MAX_LINES: usize = 1_000;

/// Under these names it is written what an attestation says: cosign's, BuildKit's, Sigstore's.
const PREDICATES: &[&str] =
    &["predicateType", "in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType"];

/// The kinds of artifacts that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    /// A signature.
    pub(crate) signature: bool,
    /// A list of the parts of the image.
    pub(crate) sbom: bool,
    /// A record of its build.
    pub(crate) provenance: bool,
    /// Something that could not be asked for or understood: what was not seen may be there all the same.
    pub(crate) unclear: bool,
}

impl Kinds {
    /// Nothing could be found out.
    pub(crate) const UNCLEAR: Self = Self { signature: false, sbom: false, provenance: false, unclear: true };
    /// A signature.
    pub(crate) const SIGNATURE: Self =
        Self { signature: true, sbom: false, provenance: false, unclear: false };
    /// A list of parts.
    pub(crate) const SBOM: Self = Self { signature: false, sbom: true, provenance: false, unclear: false };

    /// Both together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            signature: self.signature || other.signature,
            sbom: self.sbom || other.sbom,
            provenance: self.provenance || other.provenance,
            unclear: self.unclear || other.unclear,
        }
    }

    /// The artifacts that a listing names: the answer of the referrers API, or the index under a
    /// subject's referrers tag (OCI distribution-spec, "Listing Referrers").
    pub(crate) fn of_listing(bytes: &[u8]) -> Self {
        let Ok(listing) = serde_json::from_slice::<Listing>(bytes) else { return Self::UNCLEAR };
        let lines = listing.manifests.unwrap_or_default();
        let cut = Self { unclear: lines.len() > MAX_LINES, ..Self::default() };
        let lines = lines.iter().take(MAX_LINES);
        lines.map(|line| Self::of(line.artifact_type.as_deref(), &line.annotations)).fold(cut, Self::and)
    }

    /// What the manifest of an artifact holds.
    pub(crate) fn of_manifest(bytes: &[u8]) -> Self {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else { return Self::UNCLEAR };
        let config = manifest.config.and_then(|config| config.media_type);
        let whole = Self::of(manifest.artifact_type.or(config).as_deref(), &manifest.annotations);
        let layers = manifest.layers.unwrap_or_default();
        if whole.signature || whole.sbom || whole.provenance || layers.is_empty() {
            return whole;
        }
        let layers = layers.iter().take(MAX_LINES);
        let kinds = layers.map(|layer| Self::of(layer.media_type.as_deref(), &layer.annotations));
        kinds.fold(Self::default(), Self::and)
    }

    /// What somebody is told, where this is all there is to see.
    pub(crate) fn attachments(self) -> Attachments {
        let presence = |seen: bool| match (seen, self.unclear) {
            (true, _) => Presence::Present,
            (false, true) => Presence::Unknown,
            (false, false) => Presence::Absent,
        };
        Attachments {
            signature: presence(self.signature),
            sbom: presence(self.sbom),
            provenance: presence(self.provenance),
        }
    }

    /// The kind of one artifact: what it is about, where it says so, else what it is.
    fn of(media_type: Option<&str>, annotations: &Annotations) -> Self {
        let predicate = PREDICATES.iter().find_map(|name| annotations.text(name));
        let lower = predicate.or(media_type).unwrap_or_default().to_ascii_lowercase();
        let speaks_of = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let sbom = speaks_of(&["spdx", "cyclonedx", "sbom", "syft"]);
        match predicate {
            Some(_) => Self {
                signature: speaks_of(&["sigstore.dev/cosign/sign"]),
                sbom,
                provenance: speaks_of(&["slsa.dev/provenance"]),
                unclear: false,
            },
            None => Self {
                signature: speaks_of(&[
                    "vnd.dev.cosign.artifact.sig",
                    "vnd.dev.cosign.simplesigning",
                    "vnd.cncf.notary.signature",
                ]),
                sbom,
                provenance: false,
                // A statement about the image that does not say what it states.
                unclear: speaks_of(&["in-toto", "attestation", "vnd.dsse", "vnd.dev.sigstore.bundle"]),
            },
        }
    }
}

#[derive(Deserialize)]
struct Listing {
    manifests: Option<Vec<Line>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    artifact_type: Option<String>,
    config: Option<Part>,
    layers: Option<Vec<Part>>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: Option<String>,
    #[serde(default)]
    annotations: Annotations,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(kinds: Kinds) -> String {
        let Kinds { signature, sbom, provenance, unclear } = kinds;
        let words =
            [(signature, "signature"), (sbom, "sbom"), (provenance, "provenance"), (unclear, "unclear")];
        words.iter().filter(|(seen, _)| *seen).map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    }

    fn line(artifact_type: &str, annotations: Value) -> Value {
        json!({ "artifactType": artifact_type, "annotations": annotations, "digest": "sha256:00", "size": 1 })
    }

    fn listed(lines: &[Value]) -> String {
        told(Kinds::of_listing(json!({ "schemaVersion": 2, "manifests": lines }).to_string().as_bytes()))
    }

    #[test]
    fn artifacts_of_known_tools_have_their_kinds() {
        let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let says = |predicate: &str| json!({ "dev.sigstore.bundle.predicateType": predicate });
        for (artifact_type, annotations, expected) in [
            ("application/vnd.dev.cosign.artifact.sig.v1+json", json!(null), "signature"),
            ("application/vnd.cncf.notary.signature", json!({}), "signature"),
            (bundle, says("https://sigstore.dev/cosign/sign/v1"), "signature"),
            (bundle, says("https://slsa.dev/provenance/v1"), "provenance"),
            (bundle, says("https://spdx.dev/Document/v2.3"), "sbom"),
            (bundle, says("https://cyclonedx.org/bom"), "sbom"),
            (bundle, json!({}), "unclear"),
            ("application/vnd.oci.empty.v1+json", says("https://sigstore.dev/cosign/sign/v1"), "signature"),
            ("application/spdx+json", json!({}), "sbom"),
            ("application/vnd.CycloneDX+json", json!({}), "sbom"),
            ("application/vnd.syft+json", json!({}), "sbom"),
            ("application/vnd.in-toto+json", json!({ "in-toto.io/predicate-type": 7 }), "unclear"),
            ("application/vnd.acme.picture", json!({}), ""),
        ] {
            assert_eq!(
                listed(&[line(artifact_type, annotations.clone())]),
                expected,
                "{artifact_type} {annotations}"
            );
        }
        let both = [
            line("application/spdx+json", json!(null)),
            line("application/vnd.cncf.notary.signature", json!({})),
        ];
        assert_eq!(listed(&both), "signature sbom");
        assert_eq!(listed(&[json!({ "digest": "sha256:00" })]), "");
    }

    #[test]
    fn the_manifest_of_attestations_says_what_they_are() {
        let layer = |predicate: &str| json!({ "mediaType": "application/vnd.in-toto+json", "annotations": { "in-toto.io/predicate-type": predicate } });
        let manifest = json!({
            "schemaVersion": 2, "config": { "mediaType": "application/vnd.oci.image.config.v1+json" },
            "layers": [layer("https://spdx.dev/Document"), layer("https://slsa.dev/provenance/v0.2")],
        });
        assert_eq!(told(Kinds::of_manifest(manifest.to_string().as_bytes())), "sbom provenance");
        let bundle = json!({
            "schemaVersion": 2, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "annotations": { "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1" },
            "layers": [{ "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json" }],
        });
        assert_eq!(told(Kinds::of_manifest(bundle.to_string().as_bytes())), "signature");
        let cosign = json!({ "schemaVersion": 2, "layers": [
            { "mediaType": "application/vnd.dsse.envelope.v1+json", "annotations": { "predicateType": "cosign.sigstore.dev/attestation/v1" } },
            { "mediaType": "application/vnd.dsse.envelope.v1+json" },
        ]});
        assert_eq!(told(Kinds::of_manifest(cosign.to_string().as_bytes())), "unclear");
    }

    #[test]
    fn what_cannot_be_read_is_unclear_and_long_listings_are_cut() {
        for text in ["", "<html>", "[]", r#"{"manifests":{}}"#, &"[".repeat(100_000)] {
            assert_eq!(Kinds::of_listing(text.as_bytes()), Kinds::UNCLEAR);
        }
        let many = vec![line("application/vnd.acme.picture", json!({})); MAX_LINES + 1];
        assert_eq!(listed(&many), "unclear");
        assert_eq!(listed(&many[1..]), "");
    }

    #[test]
    fn what_was_seen_is_certain_and_what_was_not_only_where_all_was_clear() {
        let seen = Kinds::SIGNATURE.and(Kinds::UNCLEAR).attachments();
        assert_eq!((seen.signature, seen.sbom), (Presence::Present, Presence::Unknown));
        let seen = Kinds::SBOM.attachments();
        assert_eq!((seen.signature, seen.sbom), (Presence::Absent, Presence::Present));
    }
}
