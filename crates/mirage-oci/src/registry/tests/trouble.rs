//! What goes wrong in the middle: each with its code, and nothing that was there is lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{UploadLimits, drop_leftovers};
use super::bench::{Bench, OCI_IMAGE, Served, basic, sha256};

/// An ext4 of its own with a few MiB. Dropping it unmounts it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one in the folder, or says why the test is skipped.
    fn mount(test: &str, folder: &Path, mib: u64) -> Option<Self> {
        let (image, at) = (folder.join("disk"), folder.join("mounted"));
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        std::fs::create_dir(&at).unwrap();
        let done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = nix::unistd::geteuid().is_root()
            && done(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))
            && done(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        if !made {
            eprintln!("skipped: {test}: needs root, mkfs.ext4 and loop devices");
        }
        made.then_some(Self(at))
    }

    /// Fills it to the last block with a file; removing that one makes room again.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).and_then(|()| file.sync_all()).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn a_push_onto_a_full_disk_is_refused_and_loses_nothing() {
    let test = "a_push_onto_a_full_disk_is_refused_and_loses_nothing";
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(test, folder.path(), 12) else { return };
    let limits = UploadLimits { sessions: 8, blob_bytes: 64 << 20, idle: Duration::from_secs(3600) };
    let bench = Bench::in_folder(tempfile::tempdir_in(&disk.0).unwrap(), limits);
    let digest = bench.image("web", "1", b"layer").await;
    let next = bench.image_manifest("web", b"another layer", json!({})).await;
    let started = bench.start("web").await;

    // More than there is room for, in one request and in chunks.
    let large = vec![3; 16 << 20];
    let whole = format!("/v2/web/blobs/uploads/?digest={}", sha256(&large));
    assert_eq!(bench.send(Method::POST, &whole, large.clone()).await.fault(), "507 UNKNOWN");
    assert_eq!(bench.send(Method::PATCH, &started, large.clone()).await.fault(), "507 UNKNOWN");
    assert_eq!(bench.get(&started).await.fault(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(bench.unfinished_files(), 0);

    // Not even a manifest fits: the tag stays what it was.
    let ballast = disk.fill();
    let filler = "x".repeat(200_000);
    let mut fat = next.clone();
    fat["annotations"] = json!({ "filler": filler });
    assert_eq!(bench.put_manifest("web", "1", OCI_IMAGE, &fat).await.fault(), "507 UNKNOWN");
    let kept = bench.get("/v2/web/manifests/1").await;
    assert_eq!((kept.status, sha256(&kept.body)), (StatusCode::OK, digest.clone()));
    assert_eq!(bench.get(&format!("/v2/web/blobs/{}", sha256(b"layer"))).await.body, b"layer");
    assert_eq!(bench.unfinished_files(), 0);

    // With room again, the push goes through as if nothing had been.
    std::fs::remove_file(ballast).unwrap();
    let pushed = bench.manifest("web", "1", OCI_IMAGE, &fat).await;
    assert_eq!(bench.get("/v2/web/manifests/1").await.header("docker-content-digest"), pushed.to_string());
    assert_eq!(bench.get(&format!("/v2/web/manifests/{digest}")).await.status, StatusCode::OK);
    drop(bench);
}

/// As they arrive, before any library has tidied them up.
#[tokio::test]
async fn tricks_in_an_address_reach_no_file() {
    let served = Served::new().await;
    served.bench.image("web", "1", b"layer").await;
    let outside = served.folder("outside");
    std::fs::create_dir_all(outside.join("_manifests/sha256")).unwrap();
    std::fs::create_dir_all(outside.join("_tags")).unwrap();
    let before = listing(served.bench.folder.path());
    let hex = sha256(b"layer").hex().to_owned();
    for (method, path, answer) in [
        ("GET", "/v2/../outside/tags/list", "400 NAME_INVALID"),
        ("GET", "/v2/web/../../outside/tags/list", "400 NAME_INVALID"),
        ("PUT", "/v2/../outside/manifests/1", "400 NAME_INVALID"),
        ("POST", "/v2/../outside/blobs/uploads/", "400 NAME_INVALID"),
        ("POST", "/v2/%2e%2e/outside/blobs/uploads/", "400 NAME_INVALID"),
        ("POST", "/v2/web/%2e%2e/outside/blobs/uploads/", "400 NAME_INVALID"),
        ("POST", "/v2/..%2foutside/blobs/uploads/", "404 UNSUPPORTED"),
        ("POST", "/v2/web/_blobs/x/blobs/uploads/", "400 NAME_INVALID"),
        ("POST", "/v2/web%00/blobs/uploads/", "400 NAME_INVALID"),
        ("POST", "/v2//etc/blobs/uploads/", "400 NAME_INVALID"),
        ("GET", "/v2/web/manifests/..", "404 MANIFEST_UNKNOWN"),
        ("PUT", "/v2/web/manifests/..", "400 TAG_INVALID"),
        ("DELETE", "/v2/web/manifests/../../outside", "404 UNSUPPORTED"),
        ("GET", "/v2/web/blobs/sha256:../../../../etc/passwd", "404 UNSUPPORTED"),
        ("GET", "/v2/web/blobs/sha256:..%2f..%2fetc%2fpasswd", "404 UNSUPPORTED"),
        ("DELETE", "/v2/web/blobs/uploads/../../../outside", "404 UNSUPPORTED"),
        ("GET", &format!("/v2/web/blobs/sha256:{}", hex.to_uppercase()), "400 DIGEST_INVALID"),
        ("GET", &format!("/v2/{}/tags/list", "a/".repeat(127) + "aa"), "400 NAME_INVALID"),
    ] {
        assert_eq!(raw(&served.host, method, path).await, answer, "{method} {path}");
    }
    assert_eq!(listing(served.bench.folder.path()), before);
}

#[tokio::test]
async fn a_manifest_that_changed_on_the_disk_is_not_handed_out() {
    let bench = Bench::new();
    let digest = bench.image("web", "1", b"layer").await;
    let path = bench.state.store.blob_path(&digest);
    let changed = std::fs::read_to_string(&path).unwrap().replace("layer.v1.tar", "layer.v1.tat");
    std::fs::write(&path, changed).unwrap();
    assert_eq!(bench.get("/v2/web/manifests/1").await.fault(), "404 MANIFEST_UNKNOWN");
    // Pushed again, it is there again.
    assert_eq!(bench.image("web", "1", b"layer").await, digest);
    assert_eq!(sha256(&bench.get("/v2/web/manifests/1").await.body), digest);
}

/// Status and code of an answer over a socket.
async fn raw(host: &str, method: &str, path: &str) -> String {
    let mut client = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        basic("all")
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body: serde_json::Value =
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default()).unwrap_or_default();
    format!("{status} {}", body["errors"][0]["code"].as_str().unwrap_or_default())
}

/// Every name below a folder.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn blobs_of_a_push_that_was_given_up_go_after_a_day_and_those_of_images_stay() {
    let bench = Bench::new();
    bench.image("web", "1", b"layer").await;
    let leftover = sha256(b"nobody names me");
    bench.blob("web", b"nobody names me").await;
    let pushed = bench.pushed_at("web", &leftover);
    let drop = |hours: u64| {
        let now = pushed + Duration::from_secs(hours * 3600);
        drop_leftovers(&bench.state.store, &bench.state.repositories, now).unwrap()
    };
    assert_eq!(drop(23), 0, "its manifest may still come");
    assert_eq!(drop(25), 1);
    let gone = bench.get(&format!("/v2/web/blobs/{leftover}")).await;
    assert_eq!(gone.fault(), "404 BLOB_UNKNOWN");
    assert_eq!(bench.get(&format!("/v2/web/blobs/{}", sha256(b"layer"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_blob_that_a_push_was_told_of_waits_for_its_manifest() {
    let bench = Bench::new();
    let (web, blob) = ("web".parse().unwrap(), bench.blob("web", b"here already").await);
    let drop = |now| drop_leftovers(&bench.state.store, &bench.state.repositories, now).unwrap();
    let link = std::fs::File::open(bench.state.repositories.blob_file(&web, &blob)).unwrap();
    link.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let path = format!("/v2/web/blobs/{blob}");
    assert_eq!(bench.send(Method::HEAD, &path, "").await.status, StatusCode::OK);
    let now = bench.pushed_at("web", &blob);
    assert_eq!(drop(now + Duration::from_secs(3600)), 0, "whoever asked does not send it");
    assert_eq!(drop(now + Duration::from_secs(25 * 3600)), 1);
}
