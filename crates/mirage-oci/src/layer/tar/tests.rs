//! Headers of every dialect, and damaged ones.

use crate::layer::LayerLimits;
use crate::layer::testing::{Archive, Header, outline, refusal, seal, unpack_erofs, unpack_within};

const LONG: &str = "a/very/long/path/that/does/not/fit/into/the/hundred/bytes/of/a/header/because/it/has/more/of/them/than/that";

#[test]
fn names_longer_than_the_header_come_from_pax_gnu_and_ustar_prefixes() {
    let names = |archive: Vec<u8>| unpack_erofs(&archive).unwrap().into_keys().last().unwrap();
    let expected = format!("/{LONG}").into_bytes();
    assert_eq!(
        names(Archive::default().pax(&[("path", LONG.as_bytes())]).file("short", b"").end()),
        expected
    );
    assert_eq!(names(Archive::default().gnu_long(b'L', LONG.as_bytes()).file("short", b"").end()), expected);
    let (prefix, name) = LONG.split_at(60);
    let mut block = Header::new(b'0', name.strip_prefix('/').unwrap_or(name)).block();
    block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
    seal(&mut block);
    let ustar = Archive::default().bytes(&block).end();
    let expected = format!("/{prefix}/{}", name.strip_prefix('/').unwrap_or(name)).into_bytes();
    assert_eq!(names(ustar.clone()), expected);
    // star ends its prefix earlier and marks that.
    let mut star = ustar;
    if let Some((block, _)) = star.split_first_chunk_mut::<512>() {
        block[476..500].copy_from_slice(&[b'7'; 24]);
        block[508..512].copy_from_slice(b"tar\0");
        seal(block);
    }
    assert_eq!(names(star), expected);
}

#[test]
fn link_targets_longer_than_the_header_come_from_pax_and_gnu() {
    let expected = format!("/ 40755\n/l 120777 {LONG:?}\n");
    assert_eq!(
        outline(&Archive::default().pax(&[("linkpath", LONG.as_bytes())]).symlink("l", "x").end()),
        expected
    );
    assert_eq!(
        outline(&Archive::default().gnu_long(b'K', LONG.as_bytes()).symlink("l", "x").end()),
        expected
    );
}

#[test]
fn pax_records_win_over_the_header_and_empty_ones_mean_nothing() {
    let records: [(&str, &[u8]); 6] = [
        ("uid", b"4000000000"),
        ("gid", b"7"),
        ("mtime", b"-1.5"),
        ("size", b"3"),
        ("path", b""),
        ("comment", b"ignored\nwith = signs"),
    ];
    let header = Header { owner: (1, 2), size: 9, modified: 5, ..Header::new(b'0', "a") };
    let archive = Archive::default().pax(&records).header(&header).bytes(b"abc").end();
    let found = &unpack_erofs(&archive).unwrap()[b"/a".as_slice()];
    assert_eq!(
        (found.owner, found.modified, found.content.as_slice()),
        ((4_000_000_000, 7), (-2, 500_000_000), b"abc".as_slice())
    );
    // They concern one entry alone.
    let archive =
        Archive::default().pax(&records).header(&header).bytes(b"abc").header(&Header { size: 0, ..header });
    let found = &unpack_erofs(&archive.end()).unwrap()[b"/a".as_slice()];
    assert_eq!((found.owner, found.modified), ((1, 2), (5, 0)));
}

#[test]
fn numbers_too_large_for_octal_are_read_in_base_256() {
    let header = Header { owner: (3_000_000_000, 16_777_216), modified: -100, ..Header::new(b'0', "a") };
    let found = &unpack_erofs(&Archive::default().header(&header).end()).unwrap()[b"/a".as_slice()];
    assert_eq!((found.owner, found.modified), ((3_000_000_000, 16_777_216), (-100, 0)));
}

#[test]
fn global_headers_are_ignored() {
    let records = crate::layer::testing::pax_records(&[("path", b"everywhere"), ("uid", b"5")]);
    let archive =
        Archive::default().with_body(&Header::new(b'g', "pax_global_header"), &records).file("a", b"1");
    assert_eq!(outline(&archive.end()), "/ 40755\n/a 100644 \"1\"\n");
}

#[test]
fn version_7_headers_have_neither_magic_nor_folders() {
    let header = |path: &str, kind| Header { magic: &[0; 8], ..Header::new(kind, path) };
    let archive = Archive::default().header(&header("old/", 0)).with_body(&header("old/file", 0), b"1").end();
    assert_eq!(outline(&archive), "/ 40755\n/old 40644\n/old/file 100644 \"1\"\n");
}

#[test]
fn bytes_behind_a_link_or_folder_are_headers_as_in_go() {
    let header = Header { size: 512, link: b"target".to_vec(), ..Header::new(b'2', "link") };
    assert_eq!(
        outline(&Archive::default().header(&header).file("next", b"").end()),
        "/ 40755\n/link 120777 \"target\"\n/next 100644 \"\"\n"
    );
}

#[test]
fn an_archive_ends_at_zeros_or_at_the_end_of_the_stream() {
    let archive = Archive::default().file("a", b"1");
    assert_eq!(outline(&archive.0), "/ 40755\n/a 100644 \"1\"\n");
    assert_eq!(
        outline(&archive.clone().bytes(&[0; 512]).file("hidden", b"").end()),
        "/ 40755\n/a 100644 \"1\"\n"
    );
}

#[test]
fn damaged_archives_are_refused_with_the_place() {
    let archive = Archive::default().file("a", &[b'x'; 600]).file("b", b"2").end();
    let mut wrong_sum = archive.clone();
    wrong_sum[1536] ^= 1;
    assert_eq!(
        refusal(&wrong_sum),
        "its archive is damaged at byte 1536: there is no header where one must be"
    );
    assert_eq!(refusal(&archive[..1000]), "its archive is damaged at byte 1000: it ends within an entry");
    assert_eq!(refusal(&archive[..100]), "its archive is damaged at byte 100: it ends within a block");
    let unknown = Archive::default().header(&Header::new(b'V', "label")).end();
    assert_eq!(refusal(&unknown), "entry `label` is of the type `V`, which layers cannot have");
}

#[test]
fn impossible_fields_are_refused() {
    let one = |header: Header| refusal(&Archive::default().header(&header).end());
    let plain = |kind| Header::new(kind, "a");
    assert_eq!(one(Header { owner: (1 << 32, 0), ..plain(b'0') }), "entry `a` has no valid owner");
    // chown(2) takes this one for "leave the owner".
    assert_eq!(one(Header { owner: (0, u32::MAX.into()), ..plain(b'0') }), "entry `a` has no valid group");
    assert_eq!(one(Header { device: (5000, 0), ..plain(b'3') }), "entry `a` has impossible device numbers");
    assert_eq!(one(Header { size: u64::MAX, ..plain(b'0') }), "entry `a` has no valid size");
    assert_eq!(
        one(Header { size: u64::MAX, ..plain(b'x') }),
        "its archive is damaged at byte 0: a header has an impossible size"
    );
    let huge = Archive::default().header(&Header { size: 2 << 20, ..plain(b'x') }).end();
    assert_eq!(refusal(&huge), "an extended header is larger than 1.0 MiB");
    let broken = Archive::default().with_body(&plain(b'x'), b"12 path=a\n").end();
    assert!(refusal(&broken).ends_with("an extended header has a broken record"));
    let no_number = Archive::default().pax(&[("size", b"-1")]).file("a", b"").end();
    assert!(refusal(&no_number).ends_with("its `size` is no number"));
}

#[test]
fn extended_attributes_are_limited() {
    let value = vec![b'x'; 65_535];
    let pair: [(&str, &[u8]); 2] = [("SCHILY.xattr.user.a", &value), ("SCHILY.xattr.user.b", &value)];
    let found = unpack_erofs(&Archive::default().pax(&pair[..1]).file("a", b"").end()).unwrap();
    assert_eq!(found[b"/a".as_slice()].xattrs, [(1, b"a".to_vec(), value.clone())]);
    assert!(refusal(&Archive::default().pax(&pair).file("a", b"").end()).contains("more than 131072 bytes"));
    let long = vec![b'x'; 65_536];
    assert!(
        refusal(&Archive::default().pax(&[("SCHILY.xattr.user.a", &long)]).file("a", b"").end())
            .contains("bytes")
    );
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let sparse = |map: &[u8], size: &[u8], body: &[u8]| {
        let records: [(&str, &[u8]); 3] =
            [("GNU.sparse.map", map), ("GNU.sparse.size", size), ("GNU.sparse.name", b"real")];
        Archive::default().pax(&records).file("GNUSparseFile.0/real", body).end()
    };
    assert_eq!(outline(&sparse(b"2,1,4,2", b"8", b"abc")), "/ 40755\n/real 100644 \"\\0\\0a\\0bc\\0\\0\"\n");
    assert_eq!(outline(&sparse(b"", b"2", b"")), "/ 40755\n/real 100644 \"\\0\\0\"\n");
    let lies: [(&[u8], &[u8], &str); 8] = [
        (b"4,2,2,1", b"8", "segments overlap"),
        (b"2,1,4,2", b"5", "segment lies past its end"),
        (b"2,1", b"8", "segments have 1 bytes, the archive has 3"),
        (b"2,1,4", b"8", "has a place without a length"),
        (b"2,x", b"8", "is not made of numbers"),
        (b"18446744073709551615,3", b"8", "lies past its end"),
        (b"0,3", b"9223372036854775808", "has no valid size"),
        (b"0,3", b"x", "is no number"),
    ];
    for (map, size, expected) in lies {
        let sentence = refusal(&sparse(map, size, b"abc"));
        assert!(sentence.ends_with(expected), "{sentence}");
    }
    let version_1: [(&str, &[u8]); 3] =
        [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    let body = |map: &[u8]| Archive::default().pax(&version_1).file("a", map).end();
    for map in [b"x\n".as_slice(), b"99999999999\n", b"2\n1\n", b"", &[b'1'; 600]] {
        assert!(refusal(&body(map)).starts_with("entry `a` is damaged: "), "{}", refusal(&body(map)));
    }
}

#[test]
fn holes_count_towards_a_limit_of_their_own() {
    let limits = LayerLimits { max_apparent_bytes: 1 << 30, ..LayerLimits::default() };
    let records: [(&str, &[u8]); 2] = [("GNU.sparse.map", b"0,1"), ("GNU.sparse.size", b"600000000")];
    let one = Archive::default().pax(&records).file("a", b"x");
    unpack_within(&one.clone().end(), &limits).unwrap();
    let sentence = unpack_within(&one.pax(&records).file("b", b"x").end(), &limits).unwrap_err().to_string();
    assert_eq!(sentence, "the size of its files together is larger than 1.0 GiB");
}
