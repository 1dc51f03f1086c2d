//! Words of the command line that several verbs understand.

use mirage_core::{Code, Error, Result, env_lines};

/// `NAME=value` as its two sides.
pub(crate) fn pair(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("`{text}` is not a variable"))
            .hint("write it as `NAME=value`")
    })?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The variables of a file, as [`env_lines`] reads them.
pub(crate) fn env_file(path: &std::path::Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(Code::InvalidRequest, format!("`{}` cannot be read", path.display()))
            .hint("check the path, and who may read the file")
            .because(error)
    })?;
    // The line itself may be part of a secret, such as a key of several lines.
    env_lines(&text).map_err(|line| {
        let what = format!("line {line} of `{}` is not a variable", path.display());
        Error::new(Code::InvalidRequest, what).hint(
            "write it as `NAME=value`; a value of several lines goes in by `mirage variables set --sealed-stdin NAME`",
        )
    })
}

/// A span in seconds: a number of them, or with units such as `500ms`, `90s`, `2m`, `1h30m`.
pub(crate) fn seconds(text: &str) -> std::result::Result<f64, String> {
    let span = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => text
            .parse::<jiff::SignedDuration>()
            .map_err(|_| format!("`{text}` is no span; write `30`, `30s` or `2m`"))?
            .as_secs_f64(),
    };
    if span.is_finite() && span > 0.0 { Ok(span) } else { Err(format!("`{text}` is no time to wait")) }
}

/// A time for `--since`: a timestamp, or a span back from now such as `90s`, `10m`, `2h`, `1d`.
pub(crate) fn since(text: &str, now: jiff::Timestamp) -> Result<jiff::Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let refuse = || {
        Error::new(Code::InvalidRequest, format!("`{text}` is neither a time nor a span"))
            .hint("write `10m`, `2h`, or `2026-11-21T08:00:00Z`")
    };
    let at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(refuse)?;
    let number: i64 = text[..at].parse().map_err(|_| refuse())?;
    let seconds = match &text[at..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refuse()),
    };
    let span = jiff::SignedDuration::from_secs(number.checked_mul(seconds).ok_or_else(refuse)?);
    now.checked_sub(span).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_units_or_none() {
        let cases =
            [("30", 30.0), ("0.5", 0.5), ("500ms", 0.5), ("4s", 4.0), ("2m", 120.0), ("1h30m", 5_400.0)];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        assert_eq!(seconds("soon"), Err("`soon` is no span; write `30`, `30s` or `2m`".into()));
        for wrong in ["", "0", "-3s", "inf", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_that_is_no_variable_is_told_by_its_number_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.env");
        std::fs::write(&file, "# two\nA=1\nKEY=-----BEGIN\nhunter2\n").unwrap();
        let error = env_file(&file).unwrap_err();
        assert!(error.message().starts_with("line 4 of `"), "{}", error.message());
        assert!(!format!("{error:?}").contains("hunter2"));
        std::fs::write(&file, "export A='x y'\n B = \"=\"\n").unwrap();
        let expected = [("A", "x y"), ("B", "=")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(env_file(&file).unwrap(), expected);
    }

    #[test]
    fn since_takes_times_and_spans() {
        let now: jiff::Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let read =
            |text| since(text, now).map(|time| time.to_string()).map_err(|error| error.message().to_owned());
        assert_eq!(read("10m"), Ok("2026-11-21T07:50:00Z".into()));
        assert_eq!(read("2026-11-20T00:00:00Z"), Ok("2026-11-20T00:00:00Z".into()));
        assert_eq!(read("soon"), Err("`soon` is neither a time nor a span".into()));
        assert!(read("").is_err());
    }
}
