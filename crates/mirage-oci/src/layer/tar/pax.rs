//! PAX extended headers (POSIX.1-2001, `pax` "Extended Header"): records in front of an entry.

use super::entry::{Time, Xattr};
use super::number;
use super::sparse::{self, Segment};
use crate::layer::limits::{MAX_SEGMENTS, MAX_XATTR_BYTES, MAX_XATTR_VALUE_BYTES};

/// What PAX records say about the next entry. A field that no record names is `None`.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) modified: Option<Time>,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) sparse: PaxSparse,
}

/// GNU's records about sparse files, versions 0.0, 0.1 and 1.0.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// The segments, where the records themselves have them (0.0 and 0.1).
    pub(super) segments: Option<Vec<Segment>>,
    pending_offset: Option<u64>,
}

impl Pax {
    /// Reads all records; the error says what is wrong with one.
    pub(super) fn parse(mut rest: &[u8]) -> Result<Self, String> {
        let mut pax = Self::default();
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or("an extended header has a broken record")?;
            pax.set(key, value)?;
            rest = after;
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let number = || match value {
            b"" => Ok(None),
            _ => number::decimal(value).map(Some).ok_or_else(|| not_a_number(key)),
        };
        match key {
            b"path" => self.path = text(key, value)?,
            b"linkpath" => self.link_target = text(key, value)?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => {
                self.modified = match value {
                    b"" => None,
                    _ => Some(number::time(value).ok_or_else(|| not_a_number(key))?),
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.set_xattr(name, value)?;
                } else if let Some(field) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.set(field, value)?;
                }
            }
        }
        Ok(())
    }

    fn set_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        if name.is_empty() || name.len() > 255 || name.contains(&0) {
            return Err("an extended attribute has an impossible name".to_owned());
        }
        self.xattrs.retain(|xattr| xattr.name != name);
        let total: usize = self.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len()).sum();
        if value.len() > MAX_XATTR_VALUE_BYTES || total + name.len() + value.len() > MAX_XATTR_BYTES {
            return Err(format!("its extended attributes have more than {MAX_XATTR_BYTES} bytes"));
        }
        self.xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
        Ok(())
    }
}

impl PaxSparse {
    /// Whether any record spoke of a sparse file in a way that makes the entry one.
    pub(super) fn is_version_1(&self) -> bool {
        self.major == Some(1) && self.minor == Some(0)
    }

    fn set(&mut self, field: &[u8], value: &[u8]) -> Result<(), String> {
        let number = || number::decimal(value).ok_or_else(|| not_a_number(b"GNU.sparse"));
        match field {
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"name" => self.name = text(b"GNU.sparse.name", value)?,
            b"realsize" | b"size" => self.real_size = Some(number()?),
            b"numblocks" => {
                self.segments.get_or_insert_default();
            }
            b"offset" => self.pending_offset = Some(number()?),
            b"numbytes" => {
                let offset =
                    self.pending_offset.take().ok_or("a sparse file has a length without a place")?;
                let segments = self.segments.get_or_insert_default();
                if segments.len() >= MAX_SEGMENTS {
                    return Err(format!("a sparse file has more than {MAX_SEGMENTS} segments"));
                }
                segments.push(Segment { offset, length: number()? });
            }
            b"map" => self.segments = Some(sparse::parse_list(value.split(|&byte| byte == b','))?),
            _ => {}
        }
        Ok(())
    }
}

/// One record, `<length> <key>=<value>\n`, where the length counts the whole record.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(number::decimal(&bytes[..space])?).ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    (!key.is_empty()).then_some((key, value, &bytes[length..]))
}

/// An empty value takes back what the record would say.
fn text(key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if value.contains(&0) {
        return Err(format!("its `{}` has a zero byte", String::from_utf8_lossy(key)));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn not_a_number(key: &[u8]) -> String {
    format!("its `{}` is no number", String::from_utf8_lossy(key))
}
