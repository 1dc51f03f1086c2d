//! Reading folders. A name that satisfies no grammar is not ours and is passed over.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use mirage_core::{Digest, Repository, Tag};

use super::{BLOBS, MANIFESTS};

/// Every repository below `root` that holds a manifest, in byte order.
pub(super) fn repositories(root: &Path) -> io::Result<Vec<Repository>> {
    let mut found = all(root)?;
    let mut error = None;
    found.retain(|repository| match digests(&root.join(repository.as_str()).join(MANIFESTS)) {
        Ok(manifests) => !manifests.is_empty(),
        Err(cause) => {
            error = Some(cause);
            false
        }
    });
    error.map_or(Ok(found), Err)
}

/// Every repository below `root` that holds anything, in byte order.
pub(super) fn all(root: &Path) -> io::Result<Vec<Repository>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    // Repository names are at most 255 characters, which bounds the depth.
    while let Some(name) = waiting.pop() {
        let here = root.join(&name);
        if (here.join(MANIFESTS).is_dir() || here.join(BLOBS).is_dir())
            && let Some(repository) = name.to_str().and_then(|name| name.parse().ok())
        {
            found.push(repository);
        }
        waiting.extend(
            folder_names(&here)?
                .into_iter()
                .filter(|part| !part.starts_with('_'))
                .map(|part| name.join(part)),
        );
    }
    found.sort_unstable();
    Ok(found)
}

/// The tags in a folder, in byte order.
pub(super) fn tags(folder: &Path) -> io::Result<Vec<Tag>> {
    let mut tags: Vec<Tag> = names(folder)?.iter().filter_map(|name| name.parse().ok()).collect();
    tags.sort_unstable();
    Ok(tags)
}

/// The digests in a folder of the form `<algorithm>/<hex>`, in order.
pub(super) fn digests(folder: &Path) -> io::Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for algorithm in folder_names(folder)? {
        let names = names(&folder.join(&algorithm))?;
        digests.extend(names.iter().filter_map(|hex| format!("{algorithm}:{hex}").parse::<Digest>().ok()));
    }
    digests.sort_unstable();
    Ok(digests)
}

/// The digests in a folder of the form `<algorithm>/<hex>` that are folders themselves, in order.
pub(super) fn folders_of_digests(folder: &Path) -> io::Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for algorithm in folder_names(folder)? {
        let names = folder_names(&folder.join(&algorithm))?;
        digests.extend(names.iter().filter_map(|hex| format!("{algorithm}:{hex}").parse::<Digest>().ok()));
    }
    digests.sort_unstable();
    Ok(digests)
}

/// The digests in a folder of the form `<algorithm>-<hex>`, in order.
pub(super) fn referrers(folder: &Path) -> io::Result<Vec<Digest>> {
    let names = names(folder)?;
    let mut digests: Vec<Digest> =
        names.iter().filter_map(|name| name.replacen('-', ":", 1).parse().ok()).collect();
    digests.sort_unstable();
    Ok(digests)
}

/// The names in a folder, none where it does not exist.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    entries(folder)?.map(|entry| Ok(text(&entry?.file_name()))).collect()
}

/// The names of the folders in a folder, none where it does not exist.
fn folder_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(text(&entry.file_name()));
        }
    }
    Ok(names)
}

fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>> + use<>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
    }
}

/// A name that is not UTF-8 satisfies no grammar in its replaced form either.
fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}
