//! Sparse files: which parts of a file the archive has.

use super::number;
use crate::layer::limits::MAX_SEGMENTS;

/// A part of a file that has bytes in the archive; everything else is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// Segments from alternating offsets and lengths.
pub(super) fn parse_list<'a>(numbers: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    let mut numbers = numbers.peekable();
    // An empty map is one empty number.
    if numbers.peek().is_some_and(|text| text.is_empty()) {
        numbers.next();
    }
    while let Some(offset) = numbers.next() {
        let length = numbers.next().ok_or("a sparse file has a place without a length")?;
        let parsed = number::decimal(offset).zip(number::decimal(length));
        let (offset, length) = parsed.ok_or("a sparse file's map is not made of numbers")?;
        if segments.len() >= MAX_SEGMENTS {
            return Err(format!("a sparse file has more than {MAX_SEGMENTS} segments"));
        }
        segments.push(Segment { offset, length });
    }
    Ok(segments)
}

/// Segments of GNU's own header blocks: pairs of twelve-byte fields, ended by an empty one.
pub(super) fn parse_fields(fields: &[u8], segments: &mut Vec<Segment>) -> Result<(), String> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 || pair[12] == 0 {
            break;
        }
        let numbers = number::parse(&pair[..12]).zip(number::parse(&pair[12..]));
        let numbers = numbers.and_then(|(offset, length)| {
            Some(Segment { offset: u64::try_from(offset).ok()?, length: u64::try_from(length).ok()? })
        });
        if segments.len() >= MAX_SEGMENTS {
            return Err(format!("a sparse file has more than {MAX_SEGMENTS} segments"));
        }
        segments.push(numbers.ok_or("a sparse file's map is not made of numbers")?);
    }
    Ok(())
}

/// Checks that the segments lie in order within `size` bytes, and that together they are the
/// `stored` bytes which the archive has.
pub(super) fn check(segments: &[Segment], size: u64, stored: u64) -> Result<(), String> {
    let mut end = 0;
    let mut total = 0u64;
    for segment in segments {
        if segment.offset < end {
            return Err("a sparse file's segments overlap".to_owned());
        }
        end = segment
            .offset
            .checked_add(segment.length)
            .filter(|end| *end <= size)
            .ok_or("a sparse file's segment lies past its end")?;
        total += segment.length;
    }
    if total != stored {
        return Err(format!("a sparse file's segments have {total} bytes, the archive has {stored}"));
    }
    Ok(())
}
