//! Numbers in headers.

use super::entry::Time;

/// A numeric field: octal text, or the base-256 form for what octal cannot hold. An empty field is
/// zero. `None` where it is neither, or does not fit.
pub(super) fn parse(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let is_filler = |byte: &u8| matches!(byte, 0 | b' ');
    let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !is_filler(byte)).map_or(start, |last| last + 1);
    let digits = field[start..end].split(|&byte| byte == 0).next().unwrap_or_default();
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big-endian; the highest bit only marks the form, the next one is the sign.
fn base256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let negative = first & 0x40 != 0;
    let start = i64::from(if negative { *first as i8 } else { (*first & 0x7f) as i8 });
    rest.iter().try_fold(start, |value, byte| value.checked_mul(256)?.checked_add(i64::from(*byte)))
}

/// Decimal digits and nothing else, as PAX records have them.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A time of a PAX record: `[-]seconds[.fraction]`; what is finer than a nanosecond is cut off.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds = (0..9)
        .fold(0u32, |value, at| value * 10 + u32::from(fraction.get(at).map_or(0, |digit| digit - b'0')));
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let cases: [(&[u8], Option<i64>); 11] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"", Some(0)),
            (b"0000888\0", None),
            (b"-1", None),
            (b"77777777777", Some(0o77_777_777_777)),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\x80\0\0\0\0\0\0\0", None),
            (b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
        ];
        for (field, expected) in cases {
            assert_eq!(parse(field), expected, "{field:?}");
        }
    }

    #[test]
    fn times_may_be_negative_and_fractional() {
        let time = |text: &str| super::time(text.as_bytes()).map(|time| (time.seconds, time.nanoseconds));
        assert_eq!(time("1350244992.023960108"), Some((1_350_244_992, 23_960_108)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("12.5000000009"), Some((12, 500_000_000)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("-3"), Some((-3, 0)));
        for bad in ["", "-", ".5", "1.x", "1e9", "+1", "99999999999999999999"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
