use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::IntoResponse;
use bytes::Bytes;
use mirage_core::port::ImageStore;
use mirage_core::{Code, Digest, Error, ResolvedImage};
use serde_json::Value;

use super::{Heard, Machine, large_layer, layer};
use crate::client::script::{IMAGE, Script, Seen, Shelf, TestImage, broken_off, sha256, stalled, status};

/// Serves one image; `odd` may answer for its first layer.
async fn serve(
    image: &TestImage,
    odd: impl Fn(&Seen, &Bytes) -> Option<axum::response::Response> + Send + Sync + 'static,
) -> Script {
    let mut shelf = Shelf::default();
    shelf.image(Some("1"), image);
    let first = Bytes::from(image.layers[0].clone());
    let digest = sha256(&first);
    Script::start(move |seen| {
        let odd = if seen.is_blob(&digest) { odd(seen, &first) } else { None };
        odd.unwrap_or_else(|| shelf.answer(seen))
    })
    .await
}

fn asked_for(script: &Script, digest: &Digest) -> usize {
    script.requests().iter().filter(|seen| seen.is_blob(digest)).count()
}

async fn resolved(machine: &Machine, script: &Script) -> ResolvedImage {
    machine.resolve(&script.reference("acme/web:1")).await
}

async fn refused(machine: &Machine, script: &Script) -> Error {
    let image = resolved(machine, script).await;
    let error = machine.pull(&image).await.unwrap_err();
    machine.settled().await;
    assert!(!machine.images.is_present(&image).await);
    error
}

#[tokio::test]
async fn wrong_bytes_are_asked_for_once_more_and_then_refused() {
    let image = TestImage::new("amd64", vec![large_layer(1, 50_000)]);
    let digest = sha256(&image.layers[0]);
    let other = Bytes::from(large_layer(2, 50_000));
    let wrong = other.clone();
    let script = serve(&image, move |_, _| Some(wrong.clone().into_response())).await;
    let machine = Machine::new();
    let error = refused(&machine, &script).await;
    assert_eq!(error.code(), Code::ImagePullError);
    assert!(error.message().contains(&format!(
        "asked for `{}`, got `{}`",
        digest.short(),
        sha256(&other).short()
    )));
    assert_eq!((asked_for(&script, &digest), machine.kept_layers()), (2, 0));

    let script = serve(&image, move |seen, _| (seen.nth == 0).then(|| other.clone().into_response())).await;
    let image = resolved(&machine, &script).await;
    let progress = machine.pull(&image).await.unwrap();
    assert_eq!(progress.bytes_done, progress.bytes_total);
}

#[tokio::test]
async fn a_layer_that_broke_off_is_continued_into_the_same_file() {
    let image = TestImage::new("amd64", vec![large_layer(1, 400_000)]);
    let script = serve(&image, |seen, all| match seen.nth {
        0 => Some(broken_off(all, 150_000)),
        1 => Some(status(502)),
        _ => None,
    })
    .await;
    let machine = Machine::new();
    let image = resolved(&machine, &script).await;
    machine.pull(&image).await.unwrap();
    assert!(machine.read(&image, "large-1").await.unwrap().len() == 400_000);
    let ranges: Vec<_> =
        script.requests().iter().filter_map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=150000-", "bytes=150000-"]);
}

#[tokio::test]
async fn bytes_that_are_right_and_no_layer_are_the_images_fault() {
    let mut torn = layer(&[("name", "it")]);
    torn[148..156].copy_from_slice(b"no sum  ");
    let image = TestImage::new("amd64", vec![torn]);
    let script = serve(&image, |_, _| None).await;
    let machine = Machine::new();
    let error = refused(&machine, &script).await;
    assert_eq!(error.code(), Code::ImagePullError);
    assert!(!error.message().contains("sent wrong bytes"), "{}", error.message());
    assert_eq!(asked_for(&script, &sha256(&image.layers[0])), 1);
}

#[tokio::test]
async fn a_registry_that_hangs_in_a_layer_is_given_up_and_named() {
    let image = TestImage::new("amd64", vec![large_layer(1, 400_000), large_layer(2, 400_000)]);
    let script = serve(&image, |_, all| Some(stalled(all, 0))).await;
    let machine = Machine::new();
    let error = refused(&machine, &script).await;
    assert_eq!(error.code(), Code::RegistryUnreachable);
    assert!(error.message().contains(script.host.as_str()), "{}", error.message());
}

#[tokio::test]
async fn a_pull_that_is_dropped_leaves_nothing_and_the_next_one_takes_over() {
    let image = TestImage::new("amd64", vec![large_layer(1, 400_000)]);
    let hangs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&hangs);
    let script =
        serve(&image, move |_, all| still.load(Ordering::Relaxed).then(|| stalled(all, 100_000))).await;
    let machine = Machine::new();
    let image = resolved(&machine, &script).await;
    let heard = Arc::new(Heard::default());
    tokio::select! {
        _ = machine.images.pull(&image, None, heard.clone()) => panic!("it cannot end"),
        () = heard.bytes(100_000) => {}
    }
    machine.settled().await;
    assert_eq!((machine.kept_layers(), machine.images.is_present(&image).await), (0, false));
    hangs.store(false, Ordering::Relaxed);
    machine.pull(&image).await.unwrap();
}

#[tokio::test]
async fn what_a_running_pull_needs_is_not_collected() {
    let (small, large) = (layer(&[("small", "small")]), large_layer(1, 400_000));
    let image = TestImage::new("amd64", vec![large, small.clone()]);
    let hangs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&hangs);
    let script =
        serve(&image, move |_, all| still.load(Ordering::Relaxed).then(|| stalled(all, 100_000))).await;
    let machine = Machine::new();
    let image = resolved(&machine, &script).await;
    let heard = Arc::new(Heard::default());
    let collecting = async {
        heard.bytes(100_000 + small.len() as u64).await;
        machine.images.collect(&[].into()).await.unwrap();
        // The connection that hangs is given up soon, and the next one is served.
        hangs.store(false, Ordering::Relaxed);
    };
    let (pulled, ()) = tokio::join!(machine.images.pull(&image, None, heard.clone()), collecting);
    pulled.unwrap();
    assert!(machine.images.is_present(&image).await);
    assert_eq!(asked_for(&script, &sha256(&small)), 1);
}

#[tokio::test]
async fn an_image_larger_than_the_disk_is_refused_before_it_is_fetched() {
    let mut shelf = Shelf::default();
    let image = TestImage::new("amd64", vec![layer(&[])]);
    shelf.image(None, &image);
    let mut manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
    manifest["layers"][0]["size"] = (255_u64 << 30).into();
    shelf.manifest(Some("1"), IMAGE, manifest.to_string().as_bytes());
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let machine = Machine::new();
    let free = nix::sys::statvfs::statvfs(machine.folder.path()).unwrap();
    if free.blocks_available() * free.fragment_size() > 255 << 30 {
        eprintln!(
            "skipped: an_image_larger_than_the_disk_is_refused_before_it_is_fetched: the disk is too large"
        );
        return;
    }
    let error = refused(&machine, &script).await;
    assert_eq!(error.code(), Code::ImageTooLarge);
    assert!(
        error.message().contains("does not fit on the disk: 255 GiB are to be pulled"),
        "{}",
        error.message()
    );
    assert_eq!(asked_for(&script, &sha256(&image.layers[0])), 0);
}

#[tokio::test]
async fn a_disk_that_runs_full_is_named_and_nothing_stays() {
    let test = "a_disk_that_runs_full_is_named_and_nothing_stays";
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: {test}: needs root");
        return;
    }
    let image = TestImage::new("amd64", vec![compressible_layer(64 << 20)]);
    let packed = {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&image.layers[0]).unwrap();
        packer.finish().unwrap()
    };
    let image = TestImage { layers: vec![packed], ..image };
    let manifest =
        String::from_utf8(image.manifest()).unwrap().replace("layer.v1.tar\"", "layer.v1.tar+gzip\"");
    let mut shelf = Shelf::default();
    shelf.image(None, &image);
    shelf.manifest(Some("1"), IMAGE, manifest.as_bytes());
    let script = Script::start(move |seen| shelf.answer(seen)).await;
    let small = SmallDisk::new();
    {
        let machine = Machine::in_folder(Arc::clone(&small.folder), |_| None);
        let error = refused(&machine, &script).await;
        assert_eq!(error.code(), Code::DiskFull, "{error:?}");
        assert!(error.message().contains("ran full while"), "{}", error.message());
        assert_eq!(machine.kept_layers(), 0);
    }
}

fn compressible_layer(bytes: usize) -> Vec<u8> {
    layer(&[("large", &"mirage ".repeat(bytes / 7))])
}

/// A folder on a file system of 16 MiB.
struct SmallDisk {
    folder: Arc<tempfile::TempDir>,
}

impl SmallDisk {
    fn new() -> Self {
        use nix::mount::{MsFlags, mount};
        let folder = tempfile::tempdir().unwrap();
        mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some("size=16m")).unwrap();
        Self { folder: Arc::new(folder) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        nix::mount::umount2(self.folder.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}
