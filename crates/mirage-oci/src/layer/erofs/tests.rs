//! What the format asks for, where a whole tree would not show it.

use std::fs;

use crate::layer::testing::{Archive, read_all, unpack_erofs};
use crate::layer::{Compression, LayerLimits, check_erofs, write_erofs};

#[test]
fn a_folder_of_thirty_thousand_names_is_sorted_and_complete() {
    let mut archive = Archive::default();
    for at in 0..30_000u32 {
        // Spread, so that the archive's order is not the folder's.
        archive = archive.file(format!("many/{:x}", at.wrapping_mul(0x9e37_79b9)), b"");
    }
    let found = unpack_erofs(&archive.end()).unwrap();
    assert_eq!(found.len(), 30_002);
    assert_eq!(found[b"/many".as_slice()].size, 30_002);
}

#[test]
fn names_before_the_dot_stand_before_it() {
    let found =
        unpack_erofs(&Archive::default().file("!", b"").file("-", b"").file(".a", b"").end()).unwrap();
    assert_eq!(found.keys().map(Vec::as_slice).collect::<Vec<_>>(), [b"".as_slice(), b"/!", b"/-", b"/.a"]);
}

#[test]
fn the_same_archive_gives_the_same_file() {
    let archive =
        Archive::default().file("b", b"1").folder("a").symlink("a/c", "../b").hard_link("d", "b").end();
    let write = || {
        let file = tempfile::tempfile().unwrap();
        write_erofs(archive.as_slice(), Compression::None, &LayerLimits::default(), &file).unwrap();
        read_all(&file)
    };
    assert!(write() == write());
}

#[test]
fn attributes_larger_than_a_block_and_tails_that_do_not_fit_are_kept() {
    let value = vec![b'v'; 60_000];
    let target = "t".repeat(4000);
    let records: [(&str, &[u8]); 2] = [("SCHILY.xattr.user.big", &value), ("SCHILY.xattr.trusted.t", b"1")];
    let archive = Archive::default()
        .file("a", b"1")
        .pax(&records)
        .file("b", b"2")
        .pax(&records)
        .folder("c")
        .file("c/d", b"3")
        .pax(&[("SCHILY.xattr.trusted.x", &value[..200]), ("linkpath", target.as_bytes())])
        .symlink("e", "")
        .end();
    let found = unpack_erofs(&archive).unwrap();
    for path in [b"/b".as_slice(), b"/c"] {
        assert_eq!(
            found[path].xattrs,
            [(1, b"big".to_vec(), value.clone()), (4, b"t".to_vec(), b"1".to_vec())]
        );
    }
    assert_eq!(found[b"/e".as_slice()].content, target.as_bytes());
    assert_eq!(found[b"/c/d".as_slice()].content, b"3");
}

#[test]
fn the_strict_reader_notices_every_kind_of_damage() {
    let file = tempfile::tempfile().unwrap();
    let archive = Archive::default().file("a", &[b'x'; 5000]).folder("b").symlink("b/c", "a").end();
    write_erofs(archive.as_slice(), Compression::None, &LayerLimits::default(), &file).unwrap();
    let good = read_all(&file);
    check_erofs(&good).unwrap();
    check_erofs(&good[..good.len() - 4096]).unwrap_err();
    let inodes = good.len() - 4096;
    for (at, what) in [
        (1024, "magic"),
        (1024 + 16, "inodes"),
        (inodes + 44, "links"),
        (inodes, "format"),
        (inodes + 64, "entry"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        assert!(check_erofs(&bad).is_err(), "{what}");
    }
}

#[test]
fn a_disk_that_refuses_is_an_error_of_its_own() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let archive = Archive::default().file("a", b"1").end();
    let error =
        write_erofs(archive.as_slice(), Compression::None, &LayerLimits::default(), &full).unwrap_err();
    let digest = mirage_core::Digest::sha256([0; 32]);
    let error = error.into_core(&digest);
    assert_eq!(error.code(), mirage_core::Code::DiskFull);
    assert_eq!(error.message(), "the disk is full, layer `sha256:000000000000` does not fit");
}
