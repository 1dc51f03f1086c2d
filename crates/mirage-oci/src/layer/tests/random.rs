//! Random archives: whatever their entries, a simple model of a file system and the tree agree, and
//! both writers write the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;

use crate::layer::testing::{Archive, Header, unpack_erofs, unpack_folder};

/// An entry out of few names, so that they meet often.
#[derive(Clone, Debug)]
enum Step {
    File(String, Vec<u8>),
    Folder(String, u32),
    HardLink(String, String),
}

/// What a path is: a folder with its mode, or a file by number.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Folder(u32),
    File(usize),
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[a-c]", "[-.a-z]{1,30}"], 1..4)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("means another path", |path| path.split('/').all(|part| !part.starts_with('.')))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (path(), proptest::collection::vec(any::<u8>(), 0..9000)).prop_map(|(path, body)| Step::File(path, body)),
        2 => (path(), 0u32..0o100).prop_map(|(path, mode)| Step::Folder(path, 0o700 | mode)),
        1 => (path(), path()).prop_map(|(path, target)| Step::HardLink(path, target)),
    ]
}

/// What the steps mean, with paths as plain text.
#[derive(Default)]
struct Expected {
    paths: BTreeMap<String, Model>,
    files: Vec<Vec<u8>>,
}

impl Expected {
    /// `false` where the step must be refused.
    fn apply(&mut self, step: &Step) -> bool {
        match step {
            Step::File(path, body) => {
                self.files.push(body.clone());
                self.put(path, Model::File(self.files.len() - 1));
            }
            Step::Folder(path, mode) => {
                if !matches!(self.paths.get(path), Some(Model::Folder(_))) {
                    self.put(path, Model::Folder(*mode));
                }
                self.paths.insert(path.clone(), Model::Folder(*mode));
            }
            Step::HardLink(path, target) => match self.paths.get(target).cloned() {
                Some(file @ Model::File(_)) => self.put(path, file),
                _ => return false,
            },
        }
        true
    }

    fn put(&mut self, path: &str, model: Model) {
        for (at, _) in path.match_indices('/') {
            if !matches!(self.paths.get(&path[..at]), Some(Model::Folder(_))) {
                self.paths.insert(path[..at].to_owned(), Model::Folder(0o755));
            }
        }
        let below = format!("{path}/");
        self.paths.retain(|other, _| !other.starts_with(&below));
        self.paths.insert(path.to_owned(), model);
    }

    fn links(&self, file: usize) -> u64 {
        self.paths.values().filter(|model| **model == Model::File(file)).count() as u64
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_archives_mean_what_a_simple_model_says(steps in proptest::collection::vec(step(), 0..60)) {
        let mut expected = Expected::default();
        let mut archive = Archive::default();
        for step in &steps {
            if expected.apply(step) {
                archive = match step {
                    Step::File(path, body) => archive.file(path, body),
                    Step::Folder(path, mode) => archive.header(&Header { mode: *mode, ..Header::new(b'5', path) }),
                    Step::HardLink(path, target) => archive.hard_link(path, target),
                };
            }
        }
        let archive = archive.end();
        let found = unpack_erofs(&archive).unwrap();
        let folder = tempfile::tempdir().unwrap();
        unpack_folder(&archive, folder.path()).unwrap();
        prop_assert_eq!(found.len(), expected.paths.len() + 1);
        for (path, model) in &expected.paths {
            let entry = &found[format!("/{path}").as_bytes()];
            let on_disk = folder.path().join("root").join(path);
            let metadata = fs::symlink_metadata(&on_disk).unwrap();
            prop_assert_eq!(u32::from(entry.mode), metadata.mode());
            match model {
                Model::Folder(mode) => prop_assert_eq!(u32::from(entry.mode), 0o040_000 | mode),
                Model::File(file) => {
                    prop_assert_eq!(&entry.content, &expected.files[*file]);
                    prop_assert_eq!(u64::from(entry.links), expected.links(*file));
                    prop_assert_eq!(metadata.nlink(), expected.links(*file));
                    prop_assert_eq!(&fs::read(&on_disk).unwrap(), &expected.files[*file]);
                }
            }
        }
        let mut count = 0;
        let mut pending = vec![folder.path().join("root")];
        while let Some(next) = pending.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                count += 1;
                prop_assert!(!path.as_os_str().as_bytes().is_empty());
                if path.is_dir() { pending.push(path) }
            }
        }
        prop_assert_eq!(count, expected.paths.len());
    }

    #[test]
    fn random_bytes_never_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..4096), at in 0usize..2048) {
        // A valid archive with random bytes somewhere in it, its header's checksum made right again.
        let mut archive = Archive::default().pax(&[("path", b"long/name")]).file("a", &[7; 600]).hard_link("b", "a").end();
        let at = at.min(archive.len());
        let count = bytes.len().min(archive.len() - at).min(40);
        archive[at..at + count].copy_from_slice(&bytes[..count]);
        if let Some((header, _)) = archive.split_first_chunk_mut::<512>() {
            crate::layer::testing::seal(header);
        }
        let _ = unpack_erofs(&archive);
        let _ = unpack_erofs(&bytes);
    }
}
