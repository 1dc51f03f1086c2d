//! The store as its users see it.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use mirage_core::{Code, Digest, DigestAlgorithm};

use super::{ContentStore, LayerFormat, StoreConfig};
use crate::hash::digest_of;
use crate::layer::testing::Archive;
use crate::layer::{Compression, LayerLimits};

/// A store in a folder of its own; unmounts everything when the test is over.
struct House {
    folder: tempfile::TempDir,
    store: Option<ContentStore>,
    format: Option<LayerFormat>,
}

impl House {
    fn new(format: Option<LayerFormat>) -> Self {
        let folder = tempfile::Builder::new().prefix("mirage content:,").tempdir().unwrap();
        let mut house = Self { folder, store: None, format };
        house.reopen();
        house
    }

    fn config(&self) -> StoreConfig {
        let at = |name: &str| self.folder.path().join(name);
        StoreConfig { root: at("root"), run: at("run"), layer_format: self.format }
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(ContentStore::open(self.config()).unwrap());
    }

    fn store(&self) -> &ContentStore {
        self.store.as_ref().unwrap()
    }

    fn add(&self, archive: Archive) -> Digest {
        let bytes = archive.end();
        let digest = sha256(&bytes);
        let limits = LayerLimits::default();
        let draft = self.store().write_layer(&digest, Compression::None, bytes.as_slice(), &limits).unwrap();
        draft.commit().unwrap();
        digest
    }

    fn in_progress(&self) -> usize {
        fs::read_dir(self.folder.path().join("root/tmp")).unwrap().count()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.reopen();
        self.store().unmount_all().unwrap();
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    digest_of(DigestAlgorithm::Sha256, bytes)
}

fn mount_count(below: &Path) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let name = below.file_name().unwrap().to_str().unwrap().replace(' ', "\\040");
    table.lines().filter(|line| line.contains(&name)).count()
}

/// The formats this machine and user can use, loudly fewer than all.
fn formats(test: &str) -> Vec<LayerFormat> {
    let house = House::new(None);
    if house.store().format() == LayerFormat::Erofs {
        return vec![LayerFormat::Erofs, LayerFormat::Directory];
    }
    eprintln!("skipped: {test}, in part: {}", house.store().format_reason());
    vec![LayerFormat::Directory]
}

#[test]
fn a_blob_comes_back_as_it_was_put() {
    let house = House::new(Some(LayerFormat::Directory));
    let store = house.store();
    let digest = sha256(b"manifest");
    assert!(store.blob(&digest, 100).unwrap().is_none() && !store.has_blob(&digest));
    store.put_blob(&digest, b"manifest").unwrap();
    store.put_blob(&digest, b"manifest").unwrap();
    assert!(store.has_blob(&digest));
    assert_eq!(store.blob(&digest, 8).unwrap().unwrap(), b"manifest");
    assert_eq!(store.blob(&digest, 7).unwrap_err().code(), Code::ImageTooLarge);
    assert_eq!(house.in_progress(), 0);
}

#[test]
fn bytes_of_another_digest_are_refused_and_leave_nothing() {
    let house = House::new(Some(LayerFormat::Directory));
    let digest = sha256(b"promised");
    let error = house.store().put_blob(&digest, b"something else").unwrap_err();
    assert_eq!(error.code(), Code::ImagePullError);
    assert!(
        error.message().starts_with(&format!("the bytes received for `{digest}` have the digest `sha256:"))
    );
    assert!(!house.store().has_blob(&digest));
    assert_eq!(house.in_progress(), 0);
}

#[test]
fn a_blob_may_arrive_in_pieces_and_with_sha512() {
    let house = House::new(Some(LayerFormat::Directory));
    let bytes = vec![7; 1_000_000];
    for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
        let mut writer = house.store().blob_writer().unwrap();
        for piece in bytes.chunks(300_000) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(writer.offset(), 1_000_000);
        let digest = digest_of(algorithm, &bytes);
        assert_eq!(writer.finish(&digest).unwrap(), 1_000_000);
        assert_eq!(house.store().blob(&digest, u64::MAX).unwrap().unwrap(), bytes);
    }
    drop(house.store().blob_writer().unwrap());
    assert_eq!(house.in_progress(), 0);
}

#[test]
fn a_blob_that_changed_on_the_disk_is_never_handed_out() {
    let house = House::new(Some(LayerFormat::Directory));
    let digest = sha256(b"whole");
    house.store().put_blob(&digest, b"whole").unwrap();
    fs::write(house.store().blob_path(&digest), b"who").unwrap();
    assert_eq!(house.store().blob(&digest, 100).unwrap(), None);
    assert!(!house.store().has_blob(&digest));
}

#[test]
fn a_layer_appears_when_it_is_committed_and_not_before() {
    for format in formats("a_layer_appears_when_it_is_committed_and_not_before") {
        let house = House::new(Some(format));
        let bytes = Archive::default().file("etc/motd", b"hello").end();
        let digest = sha256(&bytes);
        let write = || {
            let limits = LayerLimits::default();
            house.store().write_layer(&digest, Compression::None, bytes.as_slice(), &limits).unwrap()
        };
        drop(write());
        assert!(!house.store().has_layer(&digest));
        assert_eq!(house.in_progress(), 0);
        let (first, second) = (write(), write());
        assert_eq!(house.store().mount_layer(&digest).unwrap_err().code(), Code::NotFound);
        assert_eq!(first.commit().unwrap().entries, 1);
        second.commit().unwrap();
        assert!(house.store().has_layer(&digest));
        assert_eq!(house.in_progress(), 0);
        let path = house.store().mount_layer(&digest).unwrap();
        assert_eq!(fs::read(path.join("etc/motd")).unwrap(), b"hello");
    }
}

#[test]
fn a_layer_that_breaks_off_leaves_nothing() {
    for format in formats("a_layer_that_breaks_off_leaves_nothing") {
        let house = House::new(Some(format));
        let bytes = Archive::default().file("a", &[1; 10_000]).end();
        let digest = sha256(&bytes);
        let torn = io::Read::chain(&bytes[..5000], Broken);
        let error = house
            .store()
            .write_layer(&digest, Compression::None, torn, &LayerLimits::default())
            .err()
            .unwrap();
        assert_eq!(error.code(), Code::ImagePullError);
        assert_eq!(error.message(), format!("layer `sha256:{}` broke off while it was read", digest.short()));
        assert_eq!(house.in_progress(), 0);
    }
}

struct Broken;

impl io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn what_a_crash_left_half_made_is_gone_at_the_next_start() {
    let mut house = House::new(Some(LayerFormat::Directory));
    let tmp = house.folder.path().join("root/tmp");
    fs::write(tmp.join("7"), b"torn").unwrap();
    fs::create_dir_all(tmp.join("8/root/closed")).unwrap();
    house.reopen();
    assert_eq!(house.in_progress(), 0);
}

#[test]
fn only_one_process_has_the_store_open() {
    let house = House::new(Some(LayerFormat::Directory));
    let error = ContentStore::open(house.config()).err().unwrap();
    assert_eq!(error.code(), Code::Conflict);
    assert!(error.message().ends_with("root` is in use by another process"), "{}", error.message());
}

#[test]
fn a_layer_is_mounted_once_and_taken_over_after_a_restart() {
    if formats("a_layer_is_mounted_once_and_taken_over_after_a_restart").len() < 2 {
        return;
    }
    let mut house = House::new(None);
    let digest = house.add(Archive::default().file("a", b"1"));
    let path = house.store().mount_layer(&digest).unwrap();
    assert_eq!(house.store().mount_layer(&digest).unwrap(), path);
    assert_eq!(mount_count(house.folder.path()), 1);
    assert!(path.ends_with(format!("run/layers/{}", &digest.hex()[..16])));
    house.reopen();
    assert_eq!(house.store().mount_layer(&digest).unwrap(), path);
    assert_eq!(mount_count(house.folder.path()), 1);
    assert_eq!(fs::read(path.join("a")).unwrap(), b"1");
    house.store().unmount_unused(&HashSet::from([digest.clone()])).unwrap();
    assert_eq!(mount_count(house.folder.path()), 1);
    house.store().unmount_all().unwrap();
    assert_eq!((mount_count(house.folder.path()), path.exists()), (0, false));
}

#[test]
fn a_loop_device_serves_where_files_cannot_be_mounted() {
    if formats("a_loop_device_serves_where_files_cannot_be_mounted").len() < 2 {
        return;
    }
    if !Path::new("/dev/loop-control").exists() {
        eprintln!("skipped: a_loop_device_serves_where_files_cannot_be_mounted: no /dev/loop-control");
        return;
    }
    use super::mounts::{Carrier, Mounts};
    let house = House::new(None);
    let digest = house.add(Archive::default().file("a", b"by loop"));
    let (folder, layers) = (house.folder.path().join("run/layers"), house.store().root().join("layers"));
    let mut mounts = Mounts::adopt(&folder, &layers, Carrier::Loop).unwrap();
    let path = mounts.mount(&digest, &house.store().layer_file(&digest)).unwrap();
    assert_eq!(fs::read(path.join("a")).unwrap(), b"by loop");
    // The next life finds out which layer is behind the device.
    let mut mounts = Mounts::adopt(&folder, &layers, Carrier::Loop).unwrap();
    assert_eq!(mounts.mounted(), std::slice::from_ref(&digest));
    mounts.unmount(&digest).unwrap();
    assert_eq!(mount_count(house.folder.path()), 0);
}

#[test]
fn collection_spares_what_is_named_held_or_in_progress() {
    for format in formats("collection_spares_what_is_named_held_or_in_progress") {
        let house = House::new(Some(format));
        let store = house.store();
        let named = house.add(Archive::default().file("a", b"named"));
        let held = house.add(Archive::default().file("a", b"held"));
        let gone = house.add(Archive::default().file("a", &[b'x'; 9000]));
        let blobs: Vec<Digest> = [b"named".as_slice(), b"held", b"gone"].map(sha256).into();
        for (digest, bytes) in blobs.iter().zip([b"named".as_slice(), b"held", b"gone"]) {
            store.put_blob(digest, bytes).unwrap();
        }
        let bytes = Archive::default().file("a", b"draft").end();
        let draft = sha256(&bytes);
        let limits = LayerLimits::default();
        let drafted = store.write_layer(&draft, Compression::None, bytes.as_slice(), &limits).unwrap();
        let hold = store.hold([held.clone(), blobs[1].clone(), draft.clone()]);
        let path = store.mount_layer(&gone).unwrap();
        let (keep_blobs, keep_layers) = (HashSet::from([blobs[0].clone()]), HashSet::from([named.clone()]));
        let freed = store.collect(&keep_blobs, &keep_layers).unwrap();
        assert!(freed > 9000, "{freed}");
        assert!(!path.exists());
        drafted.commit().unwrap();
        assert_eq!(store.collect(&keep_blobs, &keep_layers).unwrap(), 0);
        let layers = [&named, &held, &gone, &draft].map(|digest| store.has_layer(digest));
        assert_eq!(layers, [true, true, false, true]);
        assert_eq!([0, 1, 2].map(|at| store.has_blob(&blobs[at])), [true, true, false]);
        drop(hold);
        store.collect(&keep_blobs, &keep_layers).unwrap();
        assert_eq!([&named, &held, &draft].map(|digest| store.has_layer(digest)), [true, false, false]);
        assert_eq!(house.in_progress(), 0);
    }
}

#[test]
fn a_collected_layer_stays_readable_for_those_who_use_it() {
    if formats("a_collected_layer_stays_readable_for_those_who_use_it").len() < 2 {
        return;
    }
    let house = House::new(None);
    let digest = house.add(Archive::default().file("a", &[b'x'; 100_000]));
    let path = house.store().mount_layer(&digest).unwrap();
    let mut open = fs::File::open(path.join("a")).unwrap();
    house.store().collect(&HashSet::new(), &HashSet::new()).unwrap();
    assert!(!house.store().has_layer(&digest) && !path.exists());
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open, &mut bytes).unwrap();
    assert_eq!(bytes, [b'x'; 100_000]);
}

#[test]
fn the_store_says_how_it_keeps_layers_and_why() {
    let house = House::new(Some(LayerFormat::Directory));
    assert_eq!(house.store().format(), LayerFormat::Directory);
    assert_eq!(house.store().format_reason(), "layers are folders because the settings say so");
    let house = House::new(None);
    assert!(house.store().format_reason().starts_with("layers are "), "{}", house.store().format_reason());
    eprintln!("{}", house.store().format_reason());
}
