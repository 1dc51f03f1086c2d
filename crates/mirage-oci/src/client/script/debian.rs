//! Debian's `docker-registry`, started for a test, and images pushed into it by `skopeo`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mirage_core::{Reference, RegistryHost};
use serde_json::json;
use tempfile::TempDir;

use super::{TestImage, sha256};

/// A running `docker-registry` with a folder of its own. Dropping it ends it.
pub(crate) struct DebianRegistry {
    pub(crate) host: RegistryHost,
    pub(crate) folder: TempDir,
    process: Child,
}

impl DebianRegistry {
    /// Starts one on a free loopback port, or says why the test is skipped.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, |_| String::new())
    }

    /// The same with TLS, by a certificate for `127.0.0.1` that [`Self::authority`] signed: itself.
    pub(crate) fn start_with_tls(test: &str) -> Option<Self> {
        Self::start_with(test, |folder| {
            let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
                .args(["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate)
                .stderr(Stdio::null())
                .status();
            assert!(made.unwrap().success());
            format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display())
        })
    }

    fn start_with(test: &str, more: impl FnOnce(&Path) -> String) -> Option<Self> {
        for program in ["/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/openssl"] {
            if !Path::new(program).exists() {
                eprintln!("skipped: {test}: needs {program}");
                return None;
            }
        }
        let folder = TempDir::new().unwrap();
        let tls = more(folder.path());
        let storage = folder.path().join("storage");
        let config = format!(
            "version: 0.1\nlog:\n  formatter: json\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:0\n{tls}",
            storage.display()
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let mut process = Command::new("/usr/bin/docker-registry")
            .arg("serve")
            .arg(&file)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !matches!(c, '0'..='9' | '.' | ':')).unwrap_or(rest.len());
            Some(rest[..end].to_owned())
        });
        // Read on, or the registry would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { host: address.unwrap().parse().unwrap(), folder, process })
    }

    /// The file of the certificate, which is its own authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// `acme/web:1` on this registry.
    pub(crate) fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }

    /// Damages a blob behind the registry's back.
    pub(crate) fn damage(&self, blob: &mirage_core::Digest) {
        let blobs = self.folder.path().join("storage/docker/registry/v2/blobs/sha256");
        let file = blobs.join(&blob.hex()[..2]).join(blob.hex()).join("data");
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    }

    /// Ends the registry before its folder goes.
    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Pushes an image with `skopeo`, from an OCI layout.
pub(crate) fn push(image: &TestImage, to: &Reference, options: &[&str]) {
    let layout = TempDir::new().unwrap();
    write_layout(image, layout.path());
    let done = Command::new("/usr/bin/skopeo")
        .args(["copy", "--insecure-policy", "--dest-tls-verify=false", "--quiet"])
        .args(options)
        .arg(format!("oci:{}:it", layout.path().display()))
        .arg(format!("docker://{to}"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
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
        "mediaType": super::IMAGE, "digest": sha256(&manifest), "size": manifest.len(),
        "annotations": { "org.opencontainers.image.ref.name": "it" },
    }]});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}
