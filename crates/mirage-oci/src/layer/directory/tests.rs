//! What only the folder writer can get wrong.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::xattr;
use crate::layer::testing::{Archive, Header, unpack_folder};

#[test]
fn nothing_is_written_through_a_link() {
    let place = tempfile::tempdir().unwrap();
    let outside = place.path().join("outside");
    let folder = place.path().join("layer");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(&folder).unwrap();
    let target = outside.to_str().unwrap();
    let archive =
        Archive::default().symlink("evil", target).file("evil/planted", b"x").symlink("root", "/").end();
    unpack_folder(&archive, &folder).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let contained = folder.join("root").join(target.trim_start_matches('/')).join("planted");
    assert_eq!(fs::read(contained).unwrap(), b"x");
}

#[test]
fn files_whose_names_were_taken_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::default().file("a", b"1").file("a", b"2").file("b/c", b"3").file("b", b"4").end();
    unpack_folder(&archive, folder.path()).unwrap();
    assert_eq!(fs::read(folder.path().join("root/a")).unwrap(), b"2");
    assert_eq!(fs::read(folder.path().join("root/b")).unwrap(), b"4");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn folders_that_nobody_may_enter_are_filled_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let closed = Header { mode: 0, ..Header::new(b'5', "closed") };
    let archive = Archive::default().header(&closed).file("closed/a", b"1").end();
    unpack_folder(&archive, folder.path()).unwrap();
    let metadata = fs::metadata(folder.path().join("root/closed")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0, 0));
    fs::set_permissions(folder.path().join("root/closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn an_ordinary_user_gets_what_it_may_have_and_a_warning() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: an_ordinary_user_gets_what_it_may_have_and_a_warning: needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer");
    fs::create_dir(&path).unwrap();
    for place in [folder.path(), &path] {
        std::os::unix::fs::chown(place, Some(65534), Some(65534)).unwrap();
    }
    let archive = Archive::default()
        .header(&Header { owner: (5, 6), ..Header::new(b'0', "a") })
        .header(&Header { device: (1, 3), ..Header::new(b'3', "null") })
        .file(".wh.gone", b"")
        .file("b/.wh..wh..opq", b"")
        .end();
    let summary =
        as_nobody(move || unpack_folder(&archive, &path).map_err(|error| error.to_string())).unwrap();
    assert_eq!(summary.warnings.len(), 2, "{:?}", summary.warnings);
    let root = folder.path().join("layer/root");
    assert!(!root.join("null").exists());
    assert!(root.join("a").exists());
    assert!(fs::symlink_metadata(root.join("gone")).unwrap().file_type().is_char_device());
    assert_eq!(xattr::all(&root.join("b")), [(b"user.overlay.opaque".to_vec(), b"y".to_vec())]);
}

/// Runs in a thread that is nobody and has no capabilities; the raw call concerns that thread alone.
fn as_nobody<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        // SAFETY: the call changes the calling thread's identity and touches no memory.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
        assert_eq!(result, 0);
        work()
    })
    .join()
    .unwrap()
}
