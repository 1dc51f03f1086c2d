//! Amounts as people and programs write them: `256MiB`, `0.5` cores, seconds.

use std::fmt;

use mirage_core::{bytes_of, cores_of, thousandths_of};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Memory: a number of bytes, or text with a unit. Units are powers of 1024, as Docker's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) u64);

/// Processor time: a number of cores, or text such as `0.5` or `500m`. Kept in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores(pub(crate) u32);

/// A duration in seconds, with up to three decimals. Kept in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u64);

/// The longest duration that is taken.
const DAY_MILLIS: u64 = 86_400_000;

/// Reads a number or a text by the same rule.
struct Read<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text.trim()).ok_or_else(|| E::custom(format!("`{text}` is not {}", self.expected)))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&format!("{number:.3}"))
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Read {
            expected: "an amount of memory such as `256MiB`",
            parse: |text| bytes_of(text).map(Self),
        })
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Read {
            expected: "a number of cores such as `0.5`",
            parse: |text| cores_of(text).map(Self),
        })
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let millis = json.deserialize_any(Read { expected: "a number of seconds", parse: thousandths_of })?;
        match millis {
            1..=DAY_MILLIS => Ok(Self(millis)),
            _ => Err(D::Error::custom("a number of seconds must be above 0 and at most 86400")),
        }
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.serialize_u64(self.0)
    }
}

impl Serialize for Cores {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        in_thousands(u64::from(self.0), json)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        in_thousands(self.0, json)
    }
}

/// Whole numbers as such, so that five seconds are `5` and not `5.0`.
fn in_thousands<S: Serializer>(thousandths: u64, json: S) -> Result<S::Ok, S::Error> {
    match thousandths % 1000 {
        0 => json.serialize_u64(thousandths / 1000),
        _ => json.serialize_f64(thousandths as f64 / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bytes_or_text_with_a_unit() {
        for (json, expected) in [
            ("1024", Some(1024)),
            (r#""256MiB""#, Some(256 << 20)),
            (r#""256m""#, Some(256 << 20)),
            (r#""1.5 GiB""#, Some(3 << 29)),
            (r#""1GB""#, Some(1 << 30)),
            (r#""7""#, Some(7)),
            (r#""""#, None),
            (r#""MiB""#, None),
            (r#""-1MiB""#, None),
            (r#""1 parsec""#, None),
            (r#""99999999999999999999g""#, None),
            (r#""9999999999t""#, None),
            ("-1", None),
            ("null", None),
        ] {
            assert_eq!(serde_json::from_str::<Memory>(json).ok().map(|m| m.0), expected, "{json}");
        }
    }

    #[test]
    fn cores_and_seconds_have_three_decimals() {
        for (json, expected) in [
            ("2", Some(2000)),
            ("0.5", Some(500)),
            (r#""500m""#, Some(500)),
            (r#""1.25""#, Some(1250)),
            (r#""x""#, None),
        ] {
            assert_eq!(serde_json::from_str::<Cores>(json).ok().map(|c| c.0), expected, "{json}");
        }
        for (json, expected) in [
            ("5", Some(5000)),
            ("0.25", Some(250)),
            ("86400", Some(86_400_000)),
            ("86401", None),
            ("0", None),
            ("-1", None),
        ] {
            assert_eq!(serde_json::from_str::<Seconds>(json).ok().map(|s| s.0), expected, "{json}");
        }
        assert_eq!(serde_json::to_string(&(Seconds(5000), Cores(1500), Memory(7))).unwrap(), "[5,1.5,7]");
    }
}
