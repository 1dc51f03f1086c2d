//! The files of the workspace, read once for all rules.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::Source;

/// Folders that hold no hand-written text. In a second working tree `.git` is a file.
const SKIPPED: &[&str] = &["target", ".git", "artifacts", "coverage", "corpus", "node_modules"];

/// Larger files are data.
const MAX_BYTES: u64 = 1 << 20;

/// The text files of a workspace.
pub(super) struct Tree {
    files: Vec<TextFile>,
}

/// A text file.
pub(super) struct TextFile {
    /// Its path from the root, with `/`.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
    /// The same as Rust sees it, where it is Rust.
    pub(super) source: Option<Source>,
}

impl Tree {
    /// Reads every text file below `root`.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        Ok(Self::new(files))
    }

    /// A tree from paths and texts.
    pub(super) fn new(mut texts: Vec<(String, String)>) -> Self {
        texts.sort();
        let mut files: Vec<TextFile> = texts
            .into_iter()
            .map(|(path, text)| {
                let source = path.ends_with(".rs").then(|| Source::parse(&path, &text));
                TextFile { path, text, source }
            })
            .collect();
        let only_tests: Vec<String> = files.iter().flat_map(TextFile::test_modules).collect();
        for file in &mut files {
            let is_test = only_tests.iter().any(|module| {
                file.path == format!("{module}.rs") || file.path.starts_with(&format!("{module}/"))
            });
            if let Some(source) = file.source.as_mut().filter(|_| is_test) {
                source.is_test = true;
            }
        }
        Self { files }
    }

    /// Every text file, in order of paths.
    pub(super) fn files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter()
    }

    /// Every Rust file, with its path.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.files.iter().filter_map(|file| Some((file.path.as_str(), file.source.as_ref()?)))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Whether there is a file or folder of this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&inside))
    }

    /// Names of what stands directly in a folder.
    pub(super) fn folder(&self, path: &str) -> BTreeSet<&str> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let rest = self.files.iter().filter_map(|file| file.path.strip_prefix(&prefix));
        rest.filter_map(|rest| rest.split('/').next()).collect()
    }
}

impl TextFile {
    /// Paths, without `.rs`, of the modules that this file declares for tests alone.
    fn test_modules(&self) -> Vec<String> {
        let Some(source) = &self.source else { return Vec::new() };
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let base = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            other => format!("{folder}/{}", other.trim_end_matches(".rs")),
        };
        source.test_modules.iter().map(|module| format!("{base}/{module}")).collect()
    }
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, into)?;
        } else if kind.is_file()
            && entry.metadata()?.len() <= MAX_BYTES
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            into.push((relative.to_string_lossy().into_owned(), text));
        }
    }
    Ok(())
}
