//! `skopeo`, somebody else's client, and the images it pushes.

use std::fs;
use std::path::Path;
use std::process::Command;

use mirage_core::Reference;
use serde_json::json;
use tempfile::TempDir;

use super::{IMAGE, TestImage, sha256};

/// Runs `skopeo` away from the logins and settings of whoever runs the test; answers with its stdout or
/// its stderr.
pub(crate) fn skopeo(words: &[&str]) -> Result<String, String> {
    let home = TempDir::new().unwrap();
    let done = Command::new("/usr/bin/skopeo")
        .arg("--insecure-policy")
        .args(words)
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env_remove("REGISTRY_AUTH_FILE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// Pushes an image with `skopeo`, from an OCI layout. Options are those of `skopeo copy`, such as
/// `--dest-creds`.
pub(crate) fn push(image: &TestImage, to: &Reference, options: &[&str]) {
    let layout = TempDir::new().unwrap();
    write_layout(image, layout.path());
    let (from, to) = (format!("oci:{}:it", layout.path().display()), format!("docker://{to}"));
    let start = ["copy", "--dest-tls-verify=false", "--quiet"];
    let words: Vec<&str> = start.iter().chain(options).copied().chain([from.as_str(), &to]).collect();
    skopeo(&words).unwrap();
}

/// An OCI image layout (image-spec, `image-layout.md`) with one image.
pub(crate) fn write_layout(image: &TestImage, folder: &Path) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let manifest = image.manifest();
    for blob in image.layers.iter().chain([&image.config, &manifest]) {
        fs::write(blobs.join(sha256(blob).hex()), blob).unwrap();
    }
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": IMAGE, "digest": sha256(&manifest), "size": manifest.len(),
        "annotations": { "org.opencontainers.image.ref.name": "it" },
    }]});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}
