//! An archive as it lies on this machine.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use mirage_core::{Digest, DigestAlgorithm, Result};
use serde::de::DeserializeOwned;

use super::error::{damaged, no_images, of_reader, too_large, unreadable, unwritable};
use crate::client::Content;
use crate::hash::{Hasher, digest_of};
use crate::layer::{Compression, LayerError, LayerLimits, MemberKind, Members};

/// The largest archive, in bytes.
const MAX_BYTES: u64 = 512 << 30;
/// The most members. An image of 500 layers has 1,500 in the oldest of the forms.
const MAX_MEMBERS: usize = 100_000;
/// All names together, in bytes.
const MAX_NAME_BYTES: usize = 16 << 20;
/// The most links from one name to the next.
const MAX_LINKS: usize = 8;

/// Where an archive comes from.
pub enum Input {
    /// A file, read from its start.
    File(File),
    /// A stream, which goes through a file without a name.
    Stream(Box<dyn Read + Send>),
}

/// An archive that has been looked through: where each of its files lies, and what it is.
pub struct Archive {
    name: String,
    file: Arc<File>,
    members: HashMap<String, Member>,
}

enum Member {
    File(Part),
    /// Another name, from the root of the archive on.
    Link(String),
    /// What is there but cannot be used.
    Other,
}

/// A file of the archive.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) at: u64,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl Archive {
    /// Reads an archive to its end. `name` is what it is called in messages; a stream, and an archive that
    /// is compressed, is written to a file without a name in `spool`. Blocks.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where it cannot be read, `IMAGE_PULL_ERROR` where it is damaged or has names that
    /// lead elsewhere, `IMAGE_TOO_LARGE` beyond a limit, `DISK_FULL` where `spool` has no room.
    pub fn read(name: &str, input: Input, spool: &Path) -> Result<Self> {
        let limits = LayerLimits { max_unpacked_bytes: MAX_BYTES, ..LayerLimits::default() };
        let spooled = format!("{}/…", spool.display());
        let refuse = |error| of_reader(name, &spooled, error);
        let (stream, own): (Box<dyn Read + Send>, _) = match input {
            Input::Stream(stream) => (stream, None),
            Input::File(file) => {
                let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
                let stream = file.try_clone().map_err(|cause| unreadable(name, cause))?;
                (Box::new(stream), regular.then_some(file))
            }
        };
        let mut members = Members::new(stream, &limits).map_err(refuse)?;
        let file = match own.filter(|_| members.compression() == Compression::None) {
            Some(file) => file,
            None => {
                let file = nameless(spool).map_err(|cause| unwritable(&spooled, cause))?;
                members.copy_to(file.try_clone().map_err(|cause| unwritable(&spooled, cause))?);
                file
            }
        };
        let mut archive = Self { name: name.to_owned(), file: Arc::new(file), members: HashMap::new() };
        let mut name_bytes = 0;
        while let Some(member) = members.next_member().map_err(refuse)? {
            name_bytes += member.path.len();
            if archive.members.len() == MAX_MEMBERS {
                return Err(refuse(LayerError::more_than("files", MAX_MEMBERS as u64)));
            }
            if name_bytes > MAX_NAME_BYTES {
                return Err(too_large(name, "the list of files", MAX_NAME_BYTES as u64));
            }
            let Some(path) = archive.inside("", &member.path)? else { continue };
            let found = match member.kind {
                MemberKind::Folder => continue,
                MemberKind::Other => Member::Other,
                MemberKind::HardLink(target) => archive.link("", &path, &target)?,
                MemberKind::Symlink(target) => archive.link(&path, &path, &target)?,
                MemberKind::File { at, size } => {
                    let mut hasher = Hasher::new(algorithm_of(&path));
                    members.read(|bytes| hasher.update(bytes)).map_err(refuse)?;
                    Member::File(Part { at, size, digest: hasher.finish() })
                }
            };
            if archive.members.insert(path.clone(), found).is_some() {
                return Err(archive.damaged(format!("it has `{}` twice", shown(path.as_bytes()))));
            }
        }
        members.finish().map_err(refuse)?;
        Ok(archive)
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is anything of this name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.members.contains_key(path)
    }

    /// A file, through links, if it is there.
    pub(super) fn file(&self, path: &str) -> Result<Option<&Part>> {
        let mut path = path;
        for _ in 0..=MAX_LINKS {
            match self.members.get(path) {
                None => return Ok(None),
                Some(Member::File(part)) => return Ok(Some(part)),
                Some(Member::Link(target)) => path = target,
                Some(Member::Other) => {
                    let path = shown(path.as_bytes());
                    return Err(self.damaged(format!("`{path}` is a device, a pipe or a file with holes")));
                }
            }
        }
        Err(self.damaged(format!("`{}` is behind more than {MAX_LINKS} links", shown(path.as_bytes()))))
    }

    /// The blob of an OCI layout with this digest, if it is there.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<&Part>> {
        let found = self.file(&format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex()))?;
        match found {
            Some(part) if part.digest != *digest => {
                Err(self.damaged(format!("the blob `{digest}` has the digest `{}`", part.digest)))
            }
            found => Ok(found),
        }
    }

    /// The bytes of a small file; `what` it is for the message.
    pub(super) fn bytes(&self, part: &Part, what: &str, limit: u64) -> Result<Bytes> {
        if part.size > limit {
            return Err(too_large(&self.name, what, limit));
        }
        let mut bytes = vec![0; usize::try_from(part.size).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, part.at).map_err(|cause| unreadable(&self.name, cause))?;
        match digest_of(part.digest.algorithm(), &bytes) == part.digest {
            true => Ok(bytes.into()),
            false => Err(self.damaged(format!("{what} changed while it was read"))),
        }
    }

    /// A small file as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str, limit: u64) -> Result<T> {
        let part = self.file(path)?.ok_or_else(|| no_images(&self.name, format!("it has no `{path}`")))?;
        let bytes = self.bytes(part, &format!("`{path}`"), limit)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.damaged(format!("`{path}` cannot be read: {error}")))
    }

    /// A file to be sent.
    pub(super) fn content(&self, part: &Part) -> Content {
        Content::Part { file: Arc::clone(&self.file), at: part.at, size: part.size }
    }

    /// A file to be read, from its start.
    pub(super) fn reader(&self, part: &Part) -> impl Read + use<> {
        Reader { file: Arc::clone(&self.file), at: part.at, left: part.size }
    }

    /// This archive is not what it should be.
    pub(super) fn damaged(&self, why: impl AsRef<str>) -> mirage_core::Error {
        damaged(&self.name, why)
    }

    fn link(&self, from: &str, path: &str, target: &[u8]) -> Result<Member> {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        match self.inside(folder, target)? {
            Some(target) => Ok(Member::Link(target)),
            None => Err(self.damaged(format!("the link `{}` leads to no file", shown(path.as_bytes())))),
        }
    }

    /// A name within the archive, seen from one of its folders; `None` for its root.
    fn inside(&self, folder: &str, name: &[u8]) -> Result<Option<String>> {
        let refuse = |why: &str| self.damaged(format!("its entry `{}` {why}", shown(name)));
        let text = str::from_utf8(name).map_err(|_| refuse("has a name that is not UTF-8"))?;
        if text.starts_with('/') || text.contains('\0') {
            return Err(refuse("leads out of the archive"));
        }
        let is_link = !folder.is_empty();
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                // Docker's old links are `../<id>/layer.tar`; a name of its own needs no such thing.
                ".." if is_link && !parts.is_empty() => drop(parts.pop()),
                ".." => return Err(refuse("leads out of the archive")),
                part => parts.push(part),
            }
        }
        Ok((!parts.is_empty()).then(|| parts.join("/")))
    }
}

struct Reader {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read_at(&mut out[..most], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

fn algorithm_of(path: &str) -> DigestAlgorithm {
    match path.starts_with("blobs/sha512/") {
        true => DigestAlgorithm::Sha512,
        false => DigestAlgorithm::Sha256,
    }
}

/// A name of others, fit for a message.
fn shown(name: &[u8]) -> String {
    const SHOWN: usize = 100;
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.chars().map(|c| if c == '`' { '\u{fffd}' } else { c }).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A file that is gone when its last user is.
pub(super) fn nameless(folder: &Path) -> io::Result<File> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    if let Ok(mut file) = options.clone().custom_flags(libc::O_TMPFILE).open(folder) {
        file.rewind()?;
        return Ok(file);
    }
    // Not every file system has files without names.
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = folder.join(format!(".mirage-{}-{number}", std::process::id()));
    let file = options.create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
