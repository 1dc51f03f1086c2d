//! The two range headers: `Range` of a download (RFC 9110, 14.2) and `Content-Range` of a chunk,
//! which the distribution specification writes without a unit: `0-1023`.

use super::fault::{Fault, FaultCode};

/// Which bytes a download asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole: no range, or one that a server may ignore (other units, several ranges, no numbers).
    Whole,
    /// From `first` up to and including `last`.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// Nothing of it lies within the content, or it ends before it begins: 416.
    Unsatisfiable,
}

/// Reads a `Range` header against a content of `size` bytes.
pub(super) fn wanted(header: &str, size: u64) -> Wanted {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Wanted::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => match size {
            0 => Wanted::Unsatisfiable,
            _ => Wanted::Part { first: size.saturating_sub(count), last: size - 1 },
        },
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, size),
        (Some(first), Some(last)) if first <= last => part(first, last, size),
        (Some(_), Some(_)) => Wanted::Unsatisfiable,
        _ => Wanted::Whole,
    }
}

/// Reads the `Content-Range` of an uploaded chunk: offset of its first byte, and its length.
pub(super) fn chunk(header: &str) -> Result<(u64, u64), Fault> {
    let bare = header.trim().trim_start_matches("bytes ").trim_start_matches("bytes=");
    // Some clients append the total, as in an HTTP answer: `0-1023/*`.
    let bare = bare.split('/').next().unwrap_or(bare);
    bare.split_once('-')
        .and_then(|(first, last)| Some((number(first)?, number(last)?)))
        .filter(|(first, last)| first <= last && *last < u64::MAX)
        .map(|(first, last)| (first, last - first + 1))
        .ok_or_else(|| {
            let shown: String = header.chars().take(60).collect();
            Fault::bad_request(
                FaultCode::BlobUploadInvalid,
                format!("`{shown}` is not a `Content-Range` of the form `first-last`"),
            )
        })
}

fn part(first: u64, last: u64, size: u64) -> Wanted {
    if first >= size {
        return Wanted::Unsatisfiable;
    }
    Wanted::Part { first, last: last.min(size - 1) }
}

/// Digits only: `parse` alone would take a leading plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_may_ask_for_a_part() {
        for (header, size, expected) in [
            ("bytes=0-9", 100, Wanted::Part { first: 0, last: 9 }),
            ("bytes=90-", 100, Wanted::Part { first: 90, last: 99 }),
            ("bytes=-10", 100, Wanted::Part { first: 90, last: 99 }),
            ("bytes=-1000", 100, Wanted::Part { first: 0, last: 99 }),
            ("bytes=50-5000", 100, Wanted::Part { first: 50, last: 99 }),
            ("bytes=100-", 100, Wanted::Unsatisfiable),
            ("bytes=100-200", 100, Wanted::Unsatisfiable),
            ("bytes=-0", 100, Wanted::Unsatisfiable),
            ("bytes=0-", 0, Wanted::Unsatisfiable),
            ("bytes=-5", 0, Wanted::Unsatisfiable),
            ("bytes=5-4", 100, Wanted::Unsatisfiable),
            ("bytes=0-1,4-5", 100, Wanted::Whole),
            ("bytes=-", 100, Wanted::Whole),
            ("bytes=+1-2", 100, Wanted::Whole),
            ("bytes=99999999999999999999-", 100, Wanted::Whole),
            ("lines=0-9", 100, Wanted::Whole),
            ("", 100, Wanted::Whole),
        ] {
            assert_eq!(wanted(header, size), expected, "{header} of {size}");
        }
    }

    #[test]
    fn a_chunk_says_where_it_belongs() {
        assert_eq!(chunk("0-1023").ok(), Some((0, 1024)));
        assert_eq!(chunk("7-7").ok(), Some((7, 1)));
        assert_eq!(chunk("bytes 0-9/*").ok(), Some((0, 10)));
        for wrong in ["", "5", "5-4", "-5", "a-b", "0-18446744073709551615", "0-99999999999999999999", "+1-2"]
        {
            assert!(chunk(wrong).is_err(), "{wrong}");
        }
    }
}
