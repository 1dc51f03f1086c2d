//! The writers against GNU tar: a folder is packed, unpacked by both, and compared path by path.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::layer::directory::xattr;
use crate::layer::{Compression, LayerLimits, write_directory, write_erofs};

/// Everything about a path that a program can see.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    kind_and_mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    links: u64,
    size: u64,
    device: u64,
    content: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[test]
fn a_mounted_layer_shows_what_gnu_tar_extracts() {
    if !is_root("a_mounted_layer_shows_what_gnu_tar_extracts") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    make_tree(&source);
    for format in ["--format=posix", "--format=gnu"] {
        let archive = place.path().join("layer.tar");
        let extracted = place.path().join(format);
        fs::create_dir(&extracted).unwrap();
        tar(&[format, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-cf"], &archive, &source, &["."]);
        tar(&["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"], &archive, &extracted, &[]);
        let expected = see(&extracted);
        assert!(expected.len() > 500, "{} paths", expected.len());

        let image = place.path().join("image");
        let file = File::create(&image).unwrap();
        let stream = File::open(&archive).unwrap();
        write_erofs(stream, Compression::None, &LayerLimits::default(), &file).unwrap();
        fsck(&image);
        let mounted = place.path().join("mounted");
        fs::create_dir_all(&mounted).unwrap();
        with_mount(&image, &mounted, || same(&expected, &see(&mounted)));

        let folder = place.path().join("folder").join(format);
        fs::create_dir_all(&folder).unwrap();
        let stream = File::open(&archive).unwrap();
        let summary = write_directory(stream, Compression::None, &LayerLimits::default(), &folder).unwrap();
        assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
        same(&expected, &see(&folder.join("root")));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}

#[test]
fn sparse_files_of_every_dialect_keep_their_holes() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    fs::create_dir(&source).unwrap();
    sparse_file(&source.join("middle"), 10 << 20, &[(1 << 20, 5000), (7 << 20, 1), ((10 << 20) - 3, 3)]);
    sparse_file(&source.join("front"), 300_000, &[(0, 1)]);
    sparse_file(&source.join("many"), 4 << 20, &(0..40).map(|at| (at * 100_000, 10)).collect::<Vec<_>>());
    sparse_file(&source.join("empty"), 8 << 20, &[]);
    fs::write(source.join("dense"), b"dense").unwrap();
    let dialects: [&[&str]; 4] = [
        &["--format=gnu"],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ];
    for dialect in dialects {
        let archive = place.path().join("layer.tar");
        tar(&[dialect, &["--sparse", "-cf"]].concat(), &archive, &source, &["."]);
        assert!(fs::metadata(&archive).unwrap().len() < 2 << 20, "{dialect:?} is not sparse");
        let file = tempfile::tempfile().unwrap();
        write_erofs(File::open(&archive).unwrap(), Compression::None, &LayerLimits::default(), &file)
            .unwrap();
        assert!(file.metadata().unwrap().blocks() * 512 < 4 << 20, "holes were filled");
        let found = crate::layer::check_erofs(&crate::layer::testing::read_all(&file)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stream = File::open(&archive).unwrap();
        write_directory(stream, Compression::None, &LayerLimits::default(), folder.path()).unwrap();
        for name in ["middle", "front", "many", "empty", "dense"] {
            let expected = fs::read(source.join(name)).unwrap();
            assert!(found[format!("/{name}").as_bytes()].content == expected, "{name} in {dialect:?}");
            assert!(
                fs::read(folder.path().join("root").join(name)).unwrap() == expected,
                "{name} in {dialect:?}"
            );
        }
    }
}

#[test]
fn an_overlay_of_layers_obeys_whiteouts_and_opaque_folders() {
    if !is_root("an_overlay_of_layers_obeys_whiteouts_and_opaque_folders") {
        return;
    }
    use crate::layer::testing::{Archive, Header};
    let setuid = Header { mode: 0o4755, ..Header::new(b'0', "bin/su") };
    let null = Header { mode: 0o666, device: (1, 3), ..Header::new(b'3', "null") };
    let lower = Archive::default()
        .file("gone", b"1")
        .file("kept", b"2")
        .file("opaque/hidden", b"3")
        .file("merged/lower", b"4")
        .file("again/hidden", b"5")
        .with_body(&setuid, &fs::read("/usr/bin/id").unwrap())
        .header(&null)
        .end();
    let upper = Archive::default()
        .file(".wh.gone", b"")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"6")
        .file("merged/upper", b"7")
        .file(".wh.again", b"")
        .file("again/new", b"8")
        .end();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["lower", "upper", "work", "change", "merged", "folders", "folders/lower", "folders/upper"] {
        fs::create_dir(at(name)).unwrap();
    }
    for (name, archive) in [("lower", &lower), ("upper", &upper)] {
        let file = File::create(at(&format!("{name}.erofs"))).unwrap();
        write_erofs(archive.as_slice(), Compression::None, &LayerLimits::default(), &file).unwrap();
        fsck(&at(&format!("{name}.erofs")));
        let folder = at("folders").join(name);
        write_directory(archive.as_slice(), Compression::None, &LayerLimits::default(), &folder).unwrap();
    }
    let check = |upper: &Path, lower: &Path| {
        let merged = at("merged");
        let options = format!(
            "lowerdir={}:{},upperdir={},workdir={}",
            upper.display(),
            lower.display(),
            at("change").display(),
            at("work").display()
        );
        mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
        let names = |folder: &str| {
            let entries = fs::read_dir(merged.join(folder)).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let seen = [names(""), names("opaque"), names("merged"), names("again")];
        let kept = fs::read(merged.join("kept")).unwrap();
        let device = File::open(merged.join("null")).and_then(io::read_to_string).unwrap();
        let as_somebody = run_as_nobody(&merged.join("bin/su"));
        umount2(&merged, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(seen[0], ["again", "bin", "kept", "merged", "null", "opaque"]);
        assert_eq!(seen[1..], [vec!["new"], vec!["lower", "upper"], vec!["new"]]);
        assert_eq!((kept.as_slice(), device.as_str()), (b"2".as_slice(), ""));
        assert!(as_somebody.contains("euid=0(root)"), "setuid is lost in the overlay: {as_somebody}");
    };
    with_mount(&at("lower.erofs"), &at("lower"), || {
        assert!(File::open(at("lower").join("null")).is_err(), "the host can use a device of a layer");
        let directly = run_as_nobody(&at("lower").join("bin/su"));
        assert!(!directly.contains("euid=0"), "the host can use a setuid program of a layer: {directly}");
        with_mount(&at("upper.erofs"), &at("upper"), || check(&at("upper"), &at("lower")));
    });
    let folders = at("folders");
    check(&folders.join("upper/root"), &folders.join("lower/root"));
}

/// Files of many sizes and names, links, devices, attributes, deep and large folders.
fn make_tree(root: &Path) {
    fs::create_dir(root).unwrap();
    let bytes = |length: usize, seed: usize| {
        (0..length).map(|at| ((at * 31 + seed) % 251) as u8).collect::<Vec<u8>>()
    };
    for (at, length) in
        [0, 1, 511, 512, 513, 4000, 4095, 4096, 4097, 8192, 100_000, 3_000_000].into_iter().enumerate()
    {
        fs::write(root.join(format!("size-{length}")), bytes(length, at)).unwrap();
    }
    let many = root.join("many");
    fs::create_dir(&many).unwrap();
    for at in 0..400 {
        fs::write(many.join(format!("{at}-{}", "x".repeat(at % 240))), bytes(at % 50, at)).unwrap();
    }
    for name in ["-dash", ".hidden", "..two", "!", "ümlaut ✓", "back\\slash", "new\nline", "~"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe")), "no text").unwrap();
    // Folders whose entries end around the place where they stop fitting behind their inode.
    for length in (3500..4200).step_by(50) {
        let folder = root.join(format!("edge-{length}"));
        fs::create_dir(&folder).unwrap();
        (0..length / 100).for_each(|at| fs::write(folder.join(format!("{at:088}")), "").unwrap());
        fs::write(folder.join("y".repeat((length % 100).max(1))), "").unwrap();
    }
    let deep = (0..40).fold(root.join("deep"), |path, at| path.join(format!("level-with-a-long-name-{at}")));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), "here").unwrap();
    for length in [1, 59, 60, 100, 101, 3000, 3950, 4090] {
        symlink("t".repeat(length), root.join(format!("link-{length}"))).unwrap();
    }
    fs::hard_link(root.join("size-4097"), root.join("other-name")).unwrap();
    fs::hard_link(root.join("size-4097"), deep.join("third-name")).unwrap();
    let path = |name: &str| root.join(name).into_os_string().into_string().unwrap();
    run("mknod", &[&path("null"), "c", "1", "3"]);
    run("mknod", &[&path("large"), "b", "259", "70000"]);
    run("mkfifo", &[&path("fifo")]);
    run("chown", &["4000000000:123456", &path("size-1")]);
    run("chown", &["-h", "7:8", &path("link-59")]);
    fs::set_permissions(root.join("size-511"), fs::Permissions::from_mode(0o6711)).unwrap();
    fs::set_permissions(root.join("deep"), fs::Permissions::from_mode(0o1777)).unwrap();
    run("setcap", &["cap_net_raw=ep", &path("size-4096")]);
    let attribute = |name: &str, attribute: &str, value: &[u8]| {
        xattr::set(xattr::Subject::Path(&root.join(name)), attribute.as_bytes(), value).unwrap();
    };
    attribute("size-512", "user.comment", &[b'c'; 3000]);
    attribute("size-512", "user.empty", b"");
    attribute("many", "trusted.some", b"\0binary\n");
    attribute("null", "trusted.device", b"d");
    // Owner and others may read, user 5 may read and write (`acl(5)` as the kernel has it).
    let acl = "0200000001000600ffffffff02000600050000000400040 0ffffffff10000600ffffffff20000400ffffffff"
        .replace(' ', "");
    let acl: Vec<u8> =
        (0..acl.len()).step_by(2).map(|at| u8::from_str_radix(&acl[at..at + 2], 16).unwrap()).collect();
    attribute("size-4000", "system.posix_acl_access", &acl);
    attribute("deep", "system.posix_acl_default", &acl);
    run("touch", &["-d", "1955-11-05 06:15:00.25 UTC", &path("size-8192")]);
    run("touch", &["-d", "2286-11-20 17:46:40.123456789 UTC", &path("size-513")]);
}

fn sparse_file(path: &Path, size: u64, parts: &[(u64, usize)]) {
    use std::os::unix::fs::FileExt;
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    parts.iter().for_each(|(at, length)| file.write_all_at(&vec![b'x'; *length], *at).unwrap());
}

fn see(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut seen = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        if kind.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let content = match () {
            () if kind.is_file() => fs::read(&path).unwrap(),
            () if kind.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
            () => Vec::new(),
        };
        let entry = Seen {
            kind_and_mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            links: metadata.nlink(),
            size: if kind.is_dir() { 0 } else { metadata.size() },
            device: if kind.is_char_device() || kind.is_block_device() { metadata.rdev() } else { 0 },
            content,
            xattrs: xattrs(&path),
        };
        seen.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), entry);
    }
    seen
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    xattr::all(path).into_iter().collect()
}

fn same(expected: &BTreeMap<Vec<u8>, Seen>, found: &BTreeMap<Vec<u8>, Seen>) {
    let show = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    for (path, expected) in expected {
        let found = found.get(path).unwrap_or_else(|| panic!("`{}` is missing", show(path)));
        assert!(found.content == expected.content, "`{}` has other bytes", show(path));
        assert_eq!(
            Seen { content: Vec::new(), ..clone_of(found) },
            Seen { content: Vec::new(), ..clone_of(expected) },
            "`{}`",
            show(path)
        );
    }
    assert_eq!(found.len(), expected.len());
}

fn clone_of(seen: &Seen) -> Seen {
    Seen { content: Vec::new(), xattrs: seen.xattrs.clone(), ..*seen }
}

fn with_mount(image: &Path, point: &Path, inside: impl FnOnce()) {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some(image), point, Some("erofs"), flags, None::<&str>).unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(inside));
    umount2(point, MntFlags::MNT_DETACH).unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn run_as_nobody(program: &Path) -> String {
    use std::os::unix::process::CommandExt;
    let parents = program.ancestors().skip(1).filter(|folder| folder.starts_with(std::env::temp_dir()));
    for folder in parents.filter(|folder| *folder != std::env::temp_dir()) {
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    }
    let output = Command::new(program).uid(65534).gid(65534).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fsck(image: &Path) {
    match Command::new("fsck.erofs").arg(image).output() {
        Err(error) => eprintln!("skipped: fsck.erofs: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "fsck.erofs: {}{text}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

fn tar(options: &[&str], archive: &Path, folder: &Path, what: &[&str]) {
    let output =
        Command::new("tar").args(options).arg(archive).arg("-C").arg(folder).args(what).output().unwrap();
    assert!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: {test}: needs root");
    }
    root
}
