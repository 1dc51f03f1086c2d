//! skopeo, buildah and podman of the machine, against the registry on a loopback port.

use std::path::{Path, PathBuf};
use std::process::Command;

use mirage_core::Digest;
use serde_json::Value;

use super::bench::{Served, sha256};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_pushes_and_pulls_the_same_bytes() {
    if absent("skopeo_pushes_and_pulls_the_same_bytes", "skopeo") {
        return;
    }
    let served = Served::new().await;
    let layout = served.folder("layout");
    let manifest = oci_layout(&layout);
    let source = format!("oci:{}:1", layout.display());
    for format in ["oci", "v2s2"] {
        let remote = format!("docker://{}/acme/{format}:1", served.host);
        run(
            "skopeo",
            &[
                "copy",
                "--dest-tls-verify=false",
                "--dest-creds=all:secret",
                "--format",
                format,
                &source,
                &remote,
            ],
        )
        .await;
        let back = served.folder(format);
        let target = format!("dir:{}", back.display());
        run("skopeo", &["copy", "--src-tls-verify=false", "--src-creds=all:secret", &remote, &target]).await;
        let pulled = std::fs::read(back.join("manifest.json")).unwrap();
        let stored = served.bench.get(&format!("/v2/acme/{format}/manifests/1")).await;
        assert_eq!(stored.body, pulled);
        let layer = layer_of(&pulled);
        assert_eq!(sha256(&std::fs::read(back.join(layer.hex())).unwrap()), layer);
    }
    let pulled = std::fs::read(served.folder("oci").join("manifest.json")).unwrap();
    assert_eq!(sha256(&pulled), manifest);
    assert_eq!(served.bench.pushed.lock().unwrap().len(), 2);
    assert_eq!(served.bench.unfinished_files(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_pushes_an_index_and_lists_and_deletes_tags() {
    if absent("skopeo_pushes_an_index_and_lists_and_deletes_tags", "skopeo") {
        return;
    }
    let served = Served::new().await;
    let layout = served.folder("layout");
    oci_layout(&layout);
    wrap_in_index(&layout);
    let source = format!("oci:{}:1", layout.display());
    let remote = format!("docker://{}/acme/index:all", served.host);
    run("skopeo", &["copy", "--all", "--dest-tls-verify=false", "--dest-creds=all:secret", &source, &remote])
        .await;
    let stored = served.bench.get("/v2/acme/index/manifests/all").await;
    assert_eq!(stored.header("content-type"), super::bench::OCI_INDEX);

    let repository = format!("docker://{}/acme/index", served.host);
    let tags = run("skopeo", &["list-tags", "--tls-verify=false", "--creds=all:secret", &repository]).await;
    assert!(tags.contains("\"all\""), "{tags}");
    run("skopeo", &["delete", "--tls-verify=false", "--creds=all:secret", &remote]).await;
    assert_eq!(served.bench.get("/v2/acme/index/manifests/all").await.fault(), "404 MANIFEST_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_is_refused_without_the_right_token() {
    if absent("skopeo_is_refused_without_the_right_token", "skopeo") {
        return;
    }
    let served = Served::new().await;
    let layout = served.folder("layout");
    oci_layout(&layout);
    let source = format!("oci:{}:1", layout.display());
    let remote = format!("docker://{}/acme/web:1", served.host);
    for credentials in ["reader:secret", "nobody:at-all"] {
        let credentials = format!("--dest-creds={credentials}");
        let output =
            spawn("skopeo", &["copy", "--dest-tls-verify=false", &credentials, &source, &remote]).await;
        assert!(!output.status.success());
    }
    assert!(served.bench.state.repositories.list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buildah_builds_pushes_and_pulls() {
    if absent("buildah_builds_pushes_and_pulls", "buildah") || not_root("buildah_builds_pushes_and_pulls") {
        return;
    }
    let served = Served::new().await;
    let storage = Storage(served.folder("storage"));
    let root = format!("--root={}", storage.0.join("root").display());
    let run_root = format!("--runroot={}", storage.0.join("run").display());
    let own = [root.as_str(), run_root.as_str(), "--storage-driver=vfs"];
    let buildah = |arguments: &[&str]| {
        let all: Vec<String> = own.iter().chain(arguments).map(ToString::to_string).collect();
        async move { run("buildah", &all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let name = format!("{}/acme/built:1", served.host);
    let container = buildah(&["from", "scratch"]).await;
    let file = served.folder("hello.txt");
    std::fs::write(&file, "hello").unwrap();
    buildah(&["copy", container.trim(), &file.display().to_string(), "/hello.txt"]).await;
    buildah(&["commit", "--rm", container.trim(), &name]).await;
    buildah(&["push", "--tls-verify=false", "--creds=all:secret", &name]).await;
    let digest =
        served.bench.get("/v2/acme/built/manifests/1").await.header("docker-content-digest").to_owned();
    assert_eq!(*served.bench.pushed.lock().unwrap(), [format!("acme/built:1@{digest}")]);

    buildah(&["rmi", "--all", "--force"]).await;
    buildah(&[
        "pull",
        "--tls-verify=false",
        "--creds=all:secret",
        &format!("{}/acme/built@{digest}", served.host),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_pushes_and_pulls() {
    if absent("podman_pushes_and_pulls", "podman") || not_root("podman_pushes_and_pulls") {
        return;
    }
    let served = Served::new().await;
    let archive = served.folder("root.tar");
    std::fs::write(&archive, crate::layer::testing::Archive::default().file("hello.txt", b"hello").end())
        .unwrap();
    let storage = Storage(served.folder("storage"));
    let root = format!("--root={}", storage.0.join("root").display());
    let run_root = format!("--runroot={}", storage.0.join("run").display());
    let own = [root.as_str(), run_root.as_str(), "--storage-driver=vfs"];
    let podman = |arguments: &[&str]| {
        let all: Vec<String> = own.iter().chain(arguments).map(ToString::to_string).collect();
        async move { run("podman", &all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let id = podman(&["import", "--quiet", &archive.display().to_string()]).await;
    let name = format!("{}/acme/podman:1", served.host);
    podman(&["push", "--quiet", "--tls-verify=false", "--creds=all:secret", id.trim(), &name]).await;
    let stored = served.bench.get("/v2/acme/podman/manifests/1").await;
    let digest = stored.header("docker-content-digest").to_owned();
    assert_eq!(*served.bench.pushed.lock().unwrap(), [format!("acme/podman:1@{digest}")]);
    // The second push finds everything there.
    let again = format!("{}/acme/podman:2", served.host);
    podman(&["push", "--quiet", "--tls-verify=false", "--creds=all:secret", id.trim(), &again]).await;
    assert_eq!(served.bench.get("/v2/acme/podman/manifests/2").await.body, stored.body);

    podman(&["rmi", "--all", "--force"]).await;
    let pinned = format!("{}/acme/podman@{digest}", served.host);
    podman(&["pull", "--quiet", "--tls-verify=false", "--creds=all:secret", &pinned]).await;
    assert_eq!(served.bench.unfinished_files(), 0);
}

/// Containers' storage may leave a mount of itself behind, which would keep the folder.
struct Storage(PathBuf);

impl Drop for Storage {
    fn drop(&mut self) {
        for below in ["root/vfs", "root/overlay", "root", "run"] {
            let _ = nix::mount::umount2(&self.0.join(below), nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// An image of one gzip layer, made by hand as an OCI layout with the tag `1`.
fn oci_layout(folder: &Path) -> Digest {
    let tree = folder.with_extension("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(tree.join("noise"), noise).unwrap();
    let archive = Command::new("tar").arg("-C").arg(&tree).args(["-cz", "."]).output().unwrap();
    let layer = blob(folder, &archive.stdout);
    let plain = Command::new("tar").arg("-C").arg(&tree).args(["-c", "."]).output().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/noise"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&plain.stdout)]},
    });
    let config = config.to_string().into_bytes();
    let config_digest = blob(folder, &config);
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": super::bench::OCI_IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": layer, "size": archive.stdout.len(),
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = blob(folder, &manifest);
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    tag_in_layout(folder, super::bench::OCI_IMAGE, &digest, manifest.len());
    digest
}

/// Makes the tag `1` of a layout mean an index of its one image.
fn wrap_in_index(folder: &Path) {
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let mut image = index["manifests"][0].clone();
    image.as_object_mut().unwrap().remove("annotations");
    image["platform"] = serde_json::json!({"architecture": "amd64", "os": "linux"});
    let list = serde_json::json!({
        "schemaVersion": 2, "mediaType": super::bench::OCI_INDEX, "manifests": [image],
    });
    let list = list.to_string().into_bytes();
    let digest = blob(folder, &list);
    tag_in_layout(folder, super::bench::OCI_INDEX, &digest, list.len());
}

fn tag_in_layout(folder: &Path, kind: &str, digest: &Digest, size: usize) {
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [{
        "mediaType": kind, "digest": digest, "size": size,
        "annotations": {"org.opencontainers.image.ref.name": "1"},
    }]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

fn blob(folder: &Path, bytes: &[u8]) -> Digest {
    let digest = sha256(bytes);
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
    digest
}

fn layer_of(manifest: &[u8]) -> Digest {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap()
}

async fn run(program: &str, arguments: &[&str]) -> String {
    let output = spawn(program, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn spawn(program: &str, arguments: &[&str]) -> std::process::Output {
    tokio::process::Command::new(program).args(arguments).kill_on_drop(true).output().await.unwrap()
}

fn absent(test: &str, program: &str) -> bool {
    let absent = Command::new(program).arg("--version").output().is_err();
    if absent {
        eprintln!("skipped: {test}: needs {program}");
    }
    absent
}

fn not_root(test: &str) -> bool {
    let other = !nix::unistd::geteuid().is_root();
    if other {
        eprintln!("skipped: {test}: needs root");
    }
    other
}
