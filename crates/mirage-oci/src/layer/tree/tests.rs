//! Stories: the entries of an archive, and the tree that they mean.

use crate::layer::testing::{Archive, Header, outline, refusal, unpack_within};
use crate::layer::{LayerError, LayerLimits};

fn check(archive: Archive, expected: &str) {
    let lines: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(outline(&archive.end()).trim_end(), lines.join("\n"));
}

#[test]
fn an_empty_archive_is_an_empty_layer() {
    check(Archive::default(), "/ 40755");
}

#[test]
fn leading_slashes_and_dots_mean_nothing() {
    let archive = Archive::default().folder("./").file("./a", b"1").file("/b", b"2").file("c//./d", b"3");
    check(
        archive,
        r#"/ 40755
        /a 100644 "1"
        /b 100644 "2"
        /c 40755
        /c/d 100644 "3""#,
    );
}

#[test]
fn folders_that_are_only_implied_belong_to_root_and_are_readable() {
    check(Archive::default().file("a/b/c", b""), "/ 40755\n/a 40755\n/a/b 40755\n/a/b/c 100644 \"\"");
}

#[test]
fn the_last_of_two_entries_with_one_name_wins() {
    check(Archive::default().file("a", b"old").file("a", b"new"), "/ 40755\n/a 100644 \"new\"");
    let private = Header { mode: 0o700, ..Header::new(b'5', "a/") };
    let archive = Archive::default().folder("a").file("a/b", b"stays").header(&private);
    check(archive, "/ 40755\n/a 40700\n/a/b 100644 \"stays\"");
}

#[test]
fn a_file_may_replace_a_folder_and_a_folder_a_file() {
    let archive = Archive::default().file("a/b/c", b"gone").file("a", b"file");
    check(archive.clone(), "/ 40755\n/a 100644 \"file\"");
    check(archive.folder("a").file("a/d", b""), "/ 40755\n/a 40755\n/a/d 100644 \"\"");
}

#[test]
fn hard_links_share_a_file_and_survive_its_first_name() {
    let archive = Archive::default().file("a", b"1").hard_link("b", "a").hard_link("c/d", "./b");
    check(
        archive.clone(),
        r#"/ 40755
        /a 100644 x3 "1"
        /b 100644 x3 "1"
        /c 40755
        /c/d 100644 x3 "1""#,
    );
    check(
        archive.file("a", b"2").folder("b"),
        r#"/ 40755
        /a 100644 "2"
        /b 40755
        /c 40755
        /c/d 100644 "1""#,
    );
}

#[test]
fn hard_links_to_nothing_are_refused() {
    let below = "entry `b` is a hard link to `a`, which this layer does not have";
    assert_eq!(refusal(&Archive::default().hard_link("b", "a").end()), below);
    assert_eq!(refusal(&Archive::default().file(".wh.a", b"").hard_link("b", "a").end()), below);
    let folder = Archive::default().folder("a").hard_link("b", "a").end();
    assert_eq!(refusal(&folder), "entry `b` is a hard link to `a`, which is a folder");
    let root = Archive::default().hard_link("b", "/").end();
    assert_eq!(refusal(&root), "entry `b` is a hard link to `/`, which is a folder");
    let outside = Archive::default().hard_link("b", "../etc/shadow").end();
    assert_eq!(refusal(&outside), "entry `b` is a hard link whose target leads out of its folder with `..`");
    let through = Archive::default().file("a", b"").hard_link("b", "a/c").end();
    assert_eq!(refusal(&through), "entry `b` is a hard link to `a/c`, which this layer does not have");
}

#[test]
fn names_below_a_symbolic_link_land_where_it_points_within_the_layer() {
    let archive = Archive::default()
        .folder("usr/lib")
        .symlink("lib", "usr/lib")
        .file("lib/a", b"1")
        .symlink("deep", "../../../../usr")
        .file("deep/b", b"2")
        .symlink("abs", "/usr/./lib/")
        .file("abs/c", b"3")
        .hard_link("d", "abs/c");
    check(
        archive,
        r#"/ 40755
        /abs 120777 "/usr/./lib/"
        /d 100644 x2 "3"
        /deep 120777 "../../../../usr"
        /lib 120777 "usr/lib"
        /usr 40755
        /usr/b 100644 "2"
        /usr/lib 40755
        /usr/lib/a 100644 "1"
        /usr/lib/c 100644 x2 "3""#,
    );
}

#[test]
fn a_symbolic_link_to_the_hosts_folders_stays_within_the_layer() {
    let archive = Archive::default().symlink("x", "/etc").file("x/passwd", b"mine");
    check(archive, "/ 40755\n/etc 40755\n/etc/passwd 100644 \"mine\"\n/x 120777 \"/etc\"");
}

#[test]
fn a_folder_entry_replaces_a_symbolic_link() {
    let archive = Archive::default().folder("b").symlink("a", "b").folder("a").file("a/c", b"");
    check(archive, "/ 40755\n/a 40755\n/a/c 100644 \"\"\n/b 40755");
}

#[test]
fn links_that_lead_in_circles_are_refused() {
    let archive = Archive::default().symlink("a", "b").symlink("b", "a").file("a/c", b"").end();
    assert_eq!(refusal(&archive), "entry `a/c` lies behind too many symbolic links");
    let archive = Archive::default().symlink("a", &"a/".repeat(40)).file("a/c", b"").end();
    assert!(refusal(&archive).starts_with("entry `a/c` "), "{}", refusal(&archive));
}

#[test]
fn whiteouts_hide_names_of_lower_layers() {
    check(Archive::default().file("a/.wh.b", b""), "/ 40755\n/a 40755\n/a/b 20000 whiteout");
    check(Archive::default().folder("a").file("a/.wh..wh..opq", b""), "/ 40755\n/a 40755 opaque");
}

#[test]
fn whiteouts_spare_what_their_own_layer_has() {
    check(Archive::default().file("a", b"1").file(".wh.a", b""), "/ 40755\n/a 100644 \"1\"");
    check(Archive::default().file(".wh.a", b"").file("a", b"1"), "/ 40755\n/a 100644 \"1\"");
    // The new folder must not show what the lower layer's folder of this name had.
    let new_folder = "/ 40755\n/a 40755 opaque\n/a/b 100644 \"\"";
    check(Archive::default().file(".wh.a", b"").folder("a").file("a/b", b""), new_folder);
    check(Archive::default().file(".wh.a", b"").file("a/b", b""), new_folder);
    check(Archive::default().folder("a").file(".wh.a", b"").file("a/b", b""), new_folder);
}

#[test]
fn leftovers_of_aufs_are_ignored() {
    let archive =
        Archive::default().folder(".wh..wh.plnk").file(".wh..wh.plnk/1.2", b"x").file(".wh..wh.aufs", b"");
    check(archive, "/ 40755");
}

#[test]
fn whiteouts_of_no_name_are_refused() {
    for name in [".wh.", "a/.wh..", ".wh..."] {
        let sentence = refusal(&Archive::default().file(name, b"").end());
        assert_eq!(sentence, format!("entry `{name}` is a whiteout of no name"));
    }
}

#[test]
fn names_that_lead_elsewhere_or_are_too_long_are_refused() {
    let refused = |path: &[u8]| refusal(&Archive::default().gnu_long(b'L', path).file("", b"").end());
    assert_eq!(refused(b"../x"), "entry `../x` leads out of its folder with `..`");
    assert_eq!(refused(b"a/../../x"), "entry `a/../../x` leads out of its folder with `..`");
    assert!(
        refused("n".repeat(256).as_bytes()).ends_with("…` has a name of 256 bytes, at most 255 are possible")
    );
    assert!(
        refused("a/".repeat(2100).as_bytes())
            .ends_with("…` has a path of 4200 bytes, at most 4095 are possible")
    );
    assert!(refused("a/".repeat(257).as_bytes()).ends_with("lies more than 256 folders deep"));
    assert_eq!(refused(b"./."), "entry `./.` stands for the root of the layer, but is no folder");
    let nul = Archive::default().pax(&[("path", b"a\0b")]).file("x", b"").end();
    assert!(refusal(&nul).contains("`path` has a zero byte"), "{}", refusal(&nul));
    let fits = Archive::default().gnu_long(b'L', "n".repeat(255).as_bytes()).file("", b"");
    check(fits, &format!("/ 40755\n/{} 100644 \"\"", "n".repeat(255)));
}

#[test]
fn links_cannot_make_a_path_deeper_than_the_limit() {
    let deep = "a/".repeat(200);
    let archive = Archive::default()
        .gnu_long(b'L', deep.as_bytes())
        .folder("")
        .gnu_long(b'K', deep.as_bytes())
        .symlink("s", "")
        .gnu_long(b'L', format!("s/{deep}").as_bytes())
        .folder("");
    assert!(refusal(&archive.end()).ends_with("lies more than 256 folders deep"));
}

#[test]
fn the_number_of_entries_and_of_implied_folders_is_limited() {
    let limits = LayerLimits { max_entries: 8, ..LayerLimits::default() };
    let too_many = |archive: Archive| match unpack_within(&archive.end(), &limits) {
        Err(LayerError::TooLarge(sentence)) => assert_eq!(sentence, "it has more than 8 entries"),
        other => panic!("{other:?}"),
    };
    too_many((0..9).fold(Archive::default(), |archive, _| archive.file("same", b"")));
    too_many(Archive::default().file("a/b/c/d/e/f/g/h/i", b""));
    unpack_within(
        &(0..7).fold(Archive::default(), |archive, at| archive.file(format!("{at}"), b"")).end(),
        &limits,
    )
    .unwrap();
}

#[test]
fn names_and_attributes_in_memory_are_limited() {
    let limits = LayerLimits { max_metadata_bytes: 1000, ..LayerLimits::default() };
    let archive =
        (0..9).fold(Archive::default(), |archive, at| archive.symlink(format!("{at}"), &"x".repeat(99)));
    unpack_within(&archive.clone().end(), &limits).unwrap();
    let sentence =
        unpack_within(&archive.symlink("last", &"x".repeat(100)).end(), &limits).unwrap_err().to_string();
    assert_eq!(sentence, "what it has of names and attributes is larger than 1000 B");
}

#[test]
fn an_image_cannot_set_the_marks_of_overlayfs() {
    let records: [(&str, &[u8]); 6] = [
        ("SCHILY.xattr.trusted.overlay.redirect", b"/secret"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.note", b"kept"),
        ("SCHILY.xattr.system.nfs4_acl", b"x"),
        ("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    let archive = Archive::default().pax(&records).folder("a").end();
    let (summary, found) = unpack_within(&archive, &LayerLimits::default()).unwrap();
    let names: Vec<_> =
        found[b"/a".as_slice()].xattrs.iter().map(|(space, name, _)| (*space, name.as_slice())).collect();
    assert_eq!(names, [(1, b"note".as_slice()), (6, b"capability")]);
    assert_eq!(summary.warnings, ["extended attributes that only a host may set were left out"]);
}

#[test]
fn an_access_control_list_must_be_one() {
    let acl = |value: &[u8]| {
        Archive::default().pax(&[("SCHILY.xattr.system.posix_acl_access", value)]).file("a", b"")
    };
    assert_eq!(refusal(&acl(b"\x03\0\0\0").end()), "entry `a` has an access control list that is none");
    assert_eq!(refusal(&acl(b"\x02\0\0\0\x01").end()), "entry `a` has an access control list that is none");
    check(acl(b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff"), "/ 40755\n/a 100644 \"\"");
}

#[test]
fn symbolic_links_to_nothing_possible_are_refused() {
    assert!(refusal(&Archive::default().symlink("a", "").end()).ends_with("with an impossible target"));
    let long = Archive::default().gnu_long(b'K', &[b'x'; 4096]).symlink("a", "").end();
    assert!(refusal(&long).ends_with("with an impossible target"));
}
