//! Archives that skopeo writes and reads.

use std::path::Path;
use std::process::Command;

use mirage_core::Digest;
use serde_json::Value;

use super::{Heard, Stage, image, layer};
use crate::archive::{Draft, Format, ImageSource, Wish, save};
use crate::client::script::{DebianRegistry, TestImage, push, sha256, write_layout};

fn absent(test: &str) -> bool {
    let absent = !Path::new("/usr/bin/skopeo").exists();
    if absent {
        eprintln!("skipped: {test}: needs /usr/bin/skopeo");
    }
    absent
}

async fn skopeo(words: &[&str]) -> Vec<u8> {
    let mut command = tokio::process::Command::new("/usr/bin/skopeo");
    let output = command.arg("--insecure-policy").args(words).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Stage {
    /// An image layout of an image, tagged `it`, as skopeo calls it.
    fn layout(&self, image: &TestImage) -> String {
        let folder = self.path("layout");
        std::fs::create_dir_all(&folder).unwrap();
        write_layout(image, &folder);
        format!("oci:{}:it", folder.display())
    }

    fn remote(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.served.host)
    }

    /// Configuration and unpacked layers of an image, as skopeo brings them.
    async fn content(&self, from: &str) -> (Vec<u8>, Vec<Digest>) {
        let folder = self.path("content");
        std::fs::remove_dir_all(&folder).ok();
        let to = format!("dir:{}", folder.display());
        let login = ["--src-tls-verify=false", "--src-creds=all:secret"];
        let login = if from.starts_with("docker:") { &login[..] } else { &[] };
        skopeo(&[&["copy", "--dest-decompress"], login, &[from, &to]].concat()).await;
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        let hex = |told: &Value| told["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let layers = layers.map(|layer| sha256(&std::fs::read(folder.join(hex(layer))).unwrap())).collect();
        (std::fs::read(folder.join(hex(&manifest["config"]))).unwrap(), layers)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_skopeo_writes_is_loaded_and_skopeo_reads_the_same_back() {
    if absent("what_skopeo_writes_is_loaded_and_skopeo_reads_the_same_back") {
        return;
    }
    let stage = Stage::new().await;
    let layout = stage.layout(&image());
    let unpacked: Vec<Digest> = image().layers.iter().map(|layer| sha256(layer)).collect();
    for transport in ["docker-archive", "oci-archive"] {
        let file = stage.path(&format!("{transport}.tar"));
        let name = format!("ghcr.io/acme/{transport}:1");
        let archive = format!("{transport}:{}:{name}", file.display());
        skopeo(&["copy", &layout, &archive]).await;

        let loaded = stage.load_file(&file, None).await.unwrap();
        assert_eq!(loaded.names, [format!("acme/{transport}:1")]);
        assert_eq!(loaded.sent, (3, 3));
        let remote = stage.remote(&format!("acme/{transport}:1"));
        let (config, layers) = stage.content(&remote).await;
        assert_eq!((&config, &layers), (&image().config, &unpacked), "{transport}");
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", "--creds=all:secret", &remote]).await;
        assert_eq!(stage.manifest(&format!("acme/{transport}:1")).await.1, sha256(&raw));
        if transport == "oci-archive" {
            assert_eq!(skopeo(&["inspect", "--raw", &archive]).await, raw, "the digest stays");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_skopeo_reads() {
    if absent("what_is_saved_skopeo_reads") {
        return;
    }
    let stage = Stage::new().await;
    let layout = stage.layout(&image());
    // As skopeo pushes it, with gzip; in both forms of a manifest.
    for form in ["oci", "v2s2"] {
        let name = format!("acme/{form}:1");
        let remote = stage.remote(&name);
        let login = ["--dest-tls-verify=false", "--dest-creds=all:secret"];
        skopeo(&[&["copy", "--format", form, "--dest-compress"], &login[..], &[&layout, &remote]].concat())
            .await;
        let pushed = stage.content(&remote).await;
        for (format, transport) in [(Format::Oci, "oci-archive"), (Format::Docker, "docker-archive")] {
            let file = stage.path(&format!("{form}-{transport}.tar"));
            let digest = stage.save(&name, format, &file).await;
            let full = format!("{}/{name}", stage.served.host);
            let from = format!("{transport}:{}:{full}", file.display());
            let (config, layers) = stage.content(&from).await;
            assert_eq!((&config, &layers), (&pushed.0, &pushed.1), "{form} {transport}");
            let again = format!("again/{form}/{transport}:1");
            stage.load_file(&file, Some(&again)).await.unwrap();
            if format == Format::Oci {
                assert_eq!(stage.manifest(&again).await.1, digest);
                // A layout has no place for a manifest of Docker's.
                assert_eq!(stage.manifest(&name).await.1 == digest, form == "oci");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_any_registry_is_saved() {
    let test = "an_image_of_any_registry_is_saved";
    let Some(registry) = DebianRegistry::start(test) else { return };
    let stage = Stage::new().await;
    let image = TestImage::new("amd64", vec![layer("of another registry")]);
    let reference = registry.reference("acme/web:1");
    push(&image, &reference, &[]);
    let file = stage.path("web.tar");
    let draft = Draft::of(&file, stage.folder.path()).unwrap();
    let wish =
        Wish { reference, platform: None, here: "linux/amd64".parse().unwrap(), format: Format::Docker };
    let source = ImageSource { client: crate::client::script::client(), login: None };
    save(&source, &wish, &draft, &Heard::default()).await.unwrap();
    draft.keep().unwrap();
    assert_eq!(stage.load_file(&file, None).await.unwrap().names, ["acme/web:1"]);
    let (manifest, _) = stage.manifest("acme/web:1").await;
    assert_eq!(stage.blob("acme/web", &manifest["layers"][0]["digest"]).await, image.layers[0]);
}

/// Podman and Docker read what they are given by other code than skopeo's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_loads_what_was_saved_under_the_same_name() {
    let test = "podman_loads_what_was_saved_under_the_same_name";
    if absent(test) || Command::new("podman").arg("--version").output().is_err() {
        eprintln!("skipped: {test}: needs podman");
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: {test}: needs root");
        return;
    }
    let stage = Stage::new().await;
    let layout = stage.layout(&image());
    let login = ["--dest-tls-verify=false", "--dest-creds=all:secret"];
    skopeo(&[&["copy"], &login[..], &[&layout, &stage.remote("acme/web:1")]].concat()).await;
    let (root, state) = (stage.path("podman"), stage.path("podman-run"));
    let [root, state] = [root, state].map(|path| path.display().to_string());
    let podman = |words: &[&str]| {
        let fixed = ["--root", &root, "--runroot", &state, "--storage-driver", "vfs"];
        let output = Command::new("podman").args(fixed).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for format in [Format::Oci, Format::Docker] {
        let file = stage.path("podman.tar");
        stage.save("acme/web:1", format, &file).await;
        let told = podman(&["load", "--quiet", "--input", &file.display().to_string()]);
        let name = format!("{}/acme/web:1", stage.served.host);
        assert!(told.contains(&name), "{format:?}: {told}");
        podman(&["rmi", "--force", &name]);
    }
    for below in ["vfs", "overlay", ""] {
        let _ = nix::mount::umount2(&Path::new(&root).join(below), nix::mount::MntFlags::MNT_DETACH);
    }
}
