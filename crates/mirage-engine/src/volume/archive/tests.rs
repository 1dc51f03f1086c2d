//! What goes into an archive comes out again, and what somebody else put into one does no harm.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use nix::mount::{MsFlags, mount, umount};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use tar::{EntryType, Header};

use super::*;
use crate::volume::tree::Tree;

fn archived(folder: &Path) -> Vec<u8> {
    write(&File::open(folder).unwrap().into(), Vec::new()).unwrap()
}

fn taken(archive: &[u8]) -> (tempfile::TempDir, std::io::Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let done = read(archive, &Tree::open(folder.path()).unwrap());
    (folder, done)
}

/// An archive of these entries.
fn hostile(entries: &[(EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, path, link, content) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    zstd::encode_all(&tar[..], 1).unwrap()
}

fn refusal(entries: &[(EntryType, &str, &str, &[u8])]) -> String {
    taken(&hostile(entries)).1.unwrap_err().to_string()
}

#[test]
fn everything_about_a_file_comes_back() {
    let from = tempfile::tempdir().unwrap();
    let top = from.path();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    fs::create_dir_all(top.join(&long).parent().unwrap()).unwrap();
    fs::write(top.join(&long), "long").unwrap();
    fs::write(top.join("plain"), "hello").unwrap();
    fs::hard_link(top.join("plain"), top.join("same")).unwrap();
    fs::write(top.join("tool"), "").unwrap();
    fs::set_permissions(top.join("tool"), fs::Permissions::from_mode(0o4750)).unwrap();
    symlink("../".repeat(60) + "etc/passwd", top.join("link")).unwrap();
    fs::create_dir(top.join("private")).unwrap();
    fs::set_permissions(top.join("private"), fs::Permissions::from_mode(0o1700)).unwrap();
    nix::unistd::mkfifo(&top.join("pipe"), Mode::S_IRUSR).unwrap();
    let when = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    File::options().write(true).open(top.join("plain")).unwrap().set_modified(when).unwrap();
    let mut holes = File::create(top.join("holes")).unwrap();
    holes.write_all(b"start").unwrap();
    holes.set_len(64 << 20).unwrap();
    let plain = File::open(top.join("plain")).unwrap();
    let marked = rustix::fs::fsetxattr(&plain, "user.note", b"kept", rustix::fs::XattrFlags::empty()).is_ok();

    let (to, done) = taken(&archived(top));
    done.unwrap();
    let at = |name: &str| fs::symlink_metadata(to.path().join(name)).unwrap();
    assert_eq!(fs::read_to_string(to.path().join(&long)).unwrap(), "long");
    assert_eq!(fs::read_to_string(to.path().join("same")).unwrap(), "hello");
    assert_eq!((at("plain").ino(), at("plain").nlink()), (at("same").ino(), 2));
    assert_eq!(at("plain").modified().unwrap(), when);
    assert_eq!(at("tool").mode() & 0o7777, 0o4750);
    assert_eq!(at("private").mode() & 0o7777, 0o1700);
    assert_eq!(fs::read_link(to.path().join("link")).unwrap(), fs::read_link(top.join("link")).unwrap());
    assert!(at("pipe").file_type().is_fifo());
    assert_eq!(at("holes").len(), 64 << 20);
    assert!(at("holes").blocks() < 1000, "holes stay holes: {}", at("holes").blocks());
    let mut value = [0; 16];
    let plain = File::open(to.path().join("plain")).unwrap();
    if marked {
        let length = rustix::fs::fgetxattr(&plain, "user.note", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"kept");
    }
}

#[test]
fn owners_come_back() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: owners_come_back: needs root");
        return;
    }
    let from = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(from.path(), Some(70), Some(71)).unwrap();
    fs::write(from.path().join("file"), "").unwrap();
    std::os::unix::fs::chown(from.path().join("file"), Some(3_000_000_000), Some(5)).unwrap();
    symlink("x", from.path().join("link")).unwrap();
    std::os::unix::fs::lchown(from.path().join("link"), Some(6), Some(7)).unwrap();
    let (to, done) = taken(&archived(from.path()));
    done.unwrap();
    let owner = |name: &str| {
        let meta = fs::symlink_metadata(to.path().join(name)).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!([owner(""), owner("file"), owner("link")], [(70, 71), (3_000_000_000, 5), (6, 7)]);
}

#[test]
fn nothing_is_written_outside_of_the_folder() {
    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;
    let outside = tempfile::tempdir().unwrap();
    let there = outside.path().to_str().unwrap();
    for entries in [
        vec![(FILE, "../escaped", "", &b"x"[..])],
        vec![(FILE, "a/../../escaped", "", b"x")],
        vec![(FILE, "/tmp/escaped", "", b"x")],
        vec![(LINK, "out", there, b""), (FILE, "out/escaped", "", b"x")],
        vec![(LINK, "out", there, b""), (EntryType::Directory, "out/escaped", "", b"")],
        vec![(LINK, "out", "..", b""), (FILE, "out/escaped", "", b"x")],
        vec![(LINK, "out", there, b""), (EntryType::Directory, "out", "", b"")],
        vec![(EntryType::Link, "passwd", "../../../etc/passwd", b"")],
        vec![(EntryType::Link, "passwd", "/etc/passwd", b"")],
        vec![(LINK, "out", "/etc", b""), (EntryType::Link, "passwd", "out/passwd", b"")],
        vec![(LINK, "out", "/etc/passwd", b""), (EntryType::Link, "again", "out", b"")],
        vec![(LINK, "twice", "/etc/passwd", b""), (FILE, "twice", "", b"x")],
        vec![(FILE, "", "", b"x")],
        vec![(FILE, ".", "", b"x")],
        vec![(FILE, "missing/file", "", b"x")],
        vec![(EntryType::Char, "null", "", b"")],
        vec![(EntryType::Block, "disk", "", b"")],
        vec![(EntryType::GNUSparse, "sparse", "", b"")],
        vec![(EntryType::Directory, "fat", "", b"content")],
        vec![],
    ] {
        let told = refusal(&entries);
        assert!(!told.is_empty(), "{entries:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{entries:?}");
    }
    assert_eq!(refusal(&[(FILE, "../x", "", b"")]), "`../x` leads out of the volume");
}

#[test]
fn an_archive_that_costs_more_than_it_is_worth_is_refused() {
    // A header of two gibibytes, of which not one byte is there.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(2 << 30);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let archive = zstd::encode_all(&header.as_bytes()[..], 1).unwrap();
    assert!(taken(&archive).1.unwrap_err().to_string().contains("too large"));
    let sizes = b"30 size=18446744073709551615\n\n";
    let lying = hostile(&[(EntryType::XHeader, "x", "", &sizes[..]), (EntryType::Regular, "file", "", b"x")]);
    assert!(taken(&lying).1.is_err());
    // Headers that are all small enough, and of which an entry would have to remember every one.
    let mut attribute = Vec::new();
    pax::put(&mut attribute, b"SCHILY.xattr.user.note", &vec![0; 60 << 10]);
    let one = (EntryType::XHeader, "x", "", &attribute.repeat(10)[..]);
    let file = (EntryType::Regular, "file", "", &b"x"[..]);
    assert!(refusal(&[one, one, file]).contains("too large"));
    let long = (EntryType::GNULongName, "x", "", &[b'n'; 600 << 10][..]);
    assert!(refusal(&[long, long, file]).contains("too large"));
    let mut comment = Vec::new();
    pax::put(&mut comment, b"comment", &vec![b'x'; 600 << 10]);
    let said = (EntryType::XHeader, "x", "", &comment[..]);
    let (_folder, apart) = taken(&hostile(&[said, file, said, (EntryType::Regular, "other", "", b"x")]));
    apart.unwrap();
}

#[test]
fn a_disk_is_not_filled_with_entries_that_have_no_content() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a_disk_is_not_filled_with_entries_that_have_no_content: needs root");
        return;
    }
    let told = std::thread::spawn(|| {
        // Mounts of its own, which go with the thread.
        nix::sched::unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kinds = [EntryType::Directory, EntryType::Symlink, EntryType::Fifo];
        // Few bytes, or few entries.
        ["size=16m,nr_inodes=0", "size=1g,nr_inodes=200"].map(|small| {
            mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(small)).unwrap();
            (0..196).for_each(|number| drop(File::create(folder.path().join(number.to_string())).unwrap()));
            let told = kinds.map(|kind| {
                let archive = hostile(&[(kind, "entry", "anywhere", b"")]);
                read(&archive[..], &Tree::open(folder.path()).unwrap()).map_err(|error| error.kind())
            });
            umount(folder.path()).unwrap();
            told
        })
    });
    assert_eq!(told.join().unwrap(), [[Err(std::io::ErrorKind::StorageFull); 3]; 2]);
}

#[test]
fn folders_keep_their_times_whatever_is_put_into_them() {
    let from = tempfile::tempdir().unwrap();
    let top = from.path();
    fs::create_dir_all(top.join("old/inner")).unwrap();
    for name in ["old/file", "old/inner/file"] {
        fs::write(top.join(name), "").unwrap();
    }
    fs::hard_link(top.join("old/file"), top.join("old/same")).unwrap();
    symlink("file", top.join("old/link")).unwrap();
    nix::unistd::mkfifo(&top.join("old/pipe"), Mode::S_IRUSR).unwrap();
    let when = |seconds| UNIX_EPOCH + Duration::new(seconds, 987_654_321);
    let folders =
        [("old/inner", when(1_500_000_000)), ("old", when(1_400_000_000)), ("", when(1_300_000_000))];
    for (name, when) in folders {
        File::open(top.join(name)).unwrap().set_modified(when).unwrap();
    }
    let (to, done) = taken(&archived(top));
    done.unwrap();
    let times = folders.map(|(name, _)| fs::metadata(to.path().join(name)).unwrap().modified().unwrap());
    assert_eq!(times, folders.map(|(_, when)| when));
}

#[test]
fn every_torn_or_twisted_archive_is_survived() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), "hello".repeat(1000)).unwrap();
    symlink("file", from.path().join(format!("link{}", "x".repeat(120)))).unwrap();
    let whole = archived(from.path());
    for length in 0..whole.len() {
        assert!(taken(&whole[..length]).1.is_err(), "cut at {length}");
    }
    for at in 0..whole.len() {
        let mut twisted = whole.clone();
        twisted[at] ^= 0x55;
        // The checksum of zstd finds it, wherever it is, but for what says that there is one.
        let _ = taken(&twisted);
    }
    let mut tar = Vec::new();
    zstd::stream::read::Decoder::new(&whole[..]).unwrap().read_to_end(&mut tar).unwrap();
    for at in (0..tar.len()).step_by(7) {
        let mut twisted = tar.clone();
        twisted[at] ^= 0x55;
        let _ = taken(&zstd::encode_all(&twisted[..], 1).unwrap());
    }
}
