//! A folder as an archive.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::{SFlag, fstat};
use tar::{EntryType, Header};

use super::{BLOCK, EXTENDED, pax};
use crate::volume::attributes::Attributes;
use crate::volume::links::Links;
use crate::volume::walk::walk;

/// Longest path and link that fit into a header.
const MAX_FIELD: usize = 100;

/// How much work the compression is.
const LEVEL: i32 = 3;

/// Writes everything in a folder, and answers with the sink. Others may write to the folder meanwhile: a file
/// that grows is cut at the size it had, one that shrinks is filled with zeros. Sockets and devices are
/// left out.
///
/// # Errors
/// Those of the sink and whatever reading gives.
pub(in crate::volume) fn write<W: Write>(top: &OwnedFd, sink: W) -> io::Result<W> {
    let mut encoder = zstd::stream::write::Encoder::new(sink, LEVEL)?;
    encoder.include_checksum(true)?;
    let attributes = Attributes::of(&fstat(top)?).with_extended(top)?;
    entry(&mut encoder, EntryType::Directory, Path::new("."), None, 0, &attributes)?;
    let mut links = Links::new();
    walk(top, |found| {
        let attributes = Attributes::of(&found.stat);
        let path = &found.path;
        match found.kind() {
            SFlag::S_IFDIR => {
                if let Some((folder, _)) = found.open()? {
                    let attributes = attributes.with_extended(&folder)?;
                    entry(&mut encoder, EntryType::Directory, path, None, 0, &attributes)?;
                }
            }
            SFlag::S_IFREG => {
                if let Some(first) = links.first(&found.stat) {
                    let first = Some(first.as_os_str().as_bytes());
                    entry(&mut encoder, EntryType::Link, path, first, 0, &attributes)?;
                } else if let Some((file, stat)) = found.open()? {
                    let attributes = Attributes::of(&stat).with_extended(&file)?;
                    let size = u64::try_from(stat.st_size).unwrap_or(0);
                    entry(&mut encoder, EntryType::Regular, path, None, size, &attributes)?;
                    body(&mut encoder, file, size)?;
                    links.remember(&stat, path);
                }
            }
            SFlag::S_IFLNK => {
                if let Some(target) = found.target()? {
                    entry(&mut encoder, EntryType::Symlink, path, Some(&target), 0, &attributes)?;
                }
            }
            SFlag::S_IFIFO => entry(&mut encoder, EntryType::Fifo, path, None, 0, &attributes)?,
            _ => {}
        }
        Ok(true)
    })?;
    encoder.write_all(&[0; 2 * BLOCK])?;
    encoder.finish()
}

/// A header, with one of records before it where it has no place for everything.
fn entry(
    sink: &mut impl Write,
    kind: EntryType,
    path: &Path,
    link: Option<&[u8]>,
    size: u64,
    attributes: &Attributes,
) -> io::Result<()> {
    let path = path.as_os_str().as_bytes();
    let mut records = Vec::new();
    let (seconds, nanos) = (attributes.modified.0.max(0), attributes.modified.1);
    if nanos != 0 {
        pax::put(&mut records, b"mtime", format!("{seconds}.{nanos:09}").as_bytes());
    }
    if path.len() > MAX_FIELD {
        pax::put(&mut records, b"path", path);
    }
    if let Some(link) = link.filter(|link| link.len() > MAX_FIELD) {
        pax::put(&mut records, b"linkpath", link);
    }
    for (name, value) in &attributes.extended {
        pax::put(&mut records, &[EXTENDED, name.to_bytes()].concat(), value);
    }
    if !records.is_empty() {
        let length = records.len() as u64;
        let ahead = header(EntryType::XHeader, b"./PaxHeaders/x", None, length, &Attributes::default());
        sink.write_all(ahead.as_bytes())?;
        sink.write_all(&records)?;
        pad(sink, length)?;
    }
    let mut header = header(kind, path, link, size, attributes);
    header.set_mtime(seconds.unsigned_abs());
    header.set_cksum();
    sink.write_all(header.as_bytes())
}

fn header(kind: EntryType, path: &[u8], link: Option<&[u8]>, size: u64, attributes: &Attributes) -> Header {
    let mut header = Header::new_gnu();
    put(&mut header.as_old_mut().name, path);
    put(&mut header.as_old_mut().linkname, link.unwrap_or_default());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid.into());
    header.set_gid(attributes.gid.into());
    header.set_mtime(0);
    header.set_cksum();
    header
}

/// As much as there is room for; the records have the whole.
fn put(field: &mut [u8; MAX_FIELD], text: &[u8]) {
    let length = text.len().min(MAX_FIELD);
    field[..length].copy_from_slice(&text[..length]);
}

fn body(sink: &mut impl Write, file: File, size: u64) -> io::Result<()> {
    let copied = io::copy(&mut file.take(size), sink)?;
    io::copy(&mut io::repeat(0).take(size - copied), sink)?;
    pad(sink, size)
}

/// Zeros up to the next block.
fn pad(sink: &mut impl Write, length: u64) -> io::Result<()> {
    let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    sink.write_all(&[0; BLOCK][..(BLOCK - over) % BLOCK])
}
