//! Amounts as people write them: `256MiB`, `0.5` cores.

/// Bytes: a number of them, or text with a unit. Units are powers of 1024, as Docker's are. `None` where it is no
/// amount, or more than 2^63.
pub fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        _ => return None,
    };
    let bytes = (u128::from(thousandths_of(number)?) << shift) / 1000;
    u64::try_from(bytes).ok().filter(|bytes| *bytes <= i64::MAX as u64)
}

/// Thousandths of a core: of a number of cores, or of text such as `500m`.
pub fn cores_of(text: &str) -> Option<u32> {
    let thousandths = match text.strip_suffix('m') {
        Some(thousandths) if thousandths.bytes().all(|b| b.is_ascii_digit()) => thousandths.parse().ok()?,
        Some(_) => return None,
        None => thousandths_of(text)?,
    };
    u32::try_from(thousandths).ok()
}

/// A decimal number, times a thousand; further decimals are cut off.
pub fn thousandths_of(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let decimals: u64 = format!("{decimals:0<3}")[..3].parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(decimals)
}

/// Bytes in the largest unit that says them exactly, as [`bytes_of`] reads them back.
pub fn bytes_text(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes.is_multiple_of(1 << shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// Thousandths as a decimal number, as [`thousandths_of`] reads them back.
pub fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_and_without_a_unit() {
        assert_eq!(bytes_of("256MiB"), Some(256 << 20));
        assert_eq!(bytes_of("1.5 g"), Some(3 << 29));
        assert_eq!([bytes_of(""), bytes_of("1 parsec"), bytes_of("9999999999t")], [None; 3]);
        assert_eq!([cores_of("0.5"), cores_of("250m"), cores_of("xm")], [Some(500), Some(250), None]);
    }

    #[test]
    fn amounts_are_read_back_as_they_were() {
        for bytes in [6 << 20, 256 << 20, 3 << 29, 1 << 30, 1000, 1_234_567] {
            assert_eq!(bytes_of(&bytes_text(bytes)), Some(bytes));
        }
        assert_eq!((bytes_text(256 << 20), bytes_text(1 << 30)), ("256MiB".into(), "1GiB".into()));
        for millis in [1, 10, 500, 1000, 1250, 60_000] {
            assert_eq!(thousandths_of(&decimal(millis)), Some(millis));
            assert_eq!(cores_of(&decimal(millis)).map(u64::from), Some(millis));
        }
        assert_eq!((decimal(500), decimal(2000)), ("0.5".into(), "2".into()));
    }
}
