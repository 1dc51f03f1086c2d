//! Records of what a header of a tar has no place for: `LENGTH NAME=VALUE\n`.

use std::io;

/// A record, appended to others.
pub(super) fn put(records: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    // The length counts its own digits.
    while length != rest + digits(length) {
        length = rest + digits(length);
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(name);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Every record, in order.
///
/// # Errors
/// `InvalidData` where it is none.
pub(super) fn records(mut bytes: &[u8]) -> io::Result<Vec<(&[u8], &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = split(bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a record of a header is written wrong")
        })?;
        all.push(record);
        bytes = rest;
    }
    Ok(all)
}

type Record<'a> = (&'a [u8], &'a [u8]);

fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), &bytes[length..]))
}
