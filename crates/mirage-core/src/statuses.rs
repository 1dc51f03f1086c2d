//! Which statuses of an HTTP answer count as good.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The most ranges that may be named.
const MAX_RANGES: usize = 16;

/// Statuses, as `200-299` or `200,204,301-302`: 1 to 16 ranges between 100 and 599.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Whether this status is one of them.
    pub fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// What is expected unless somebody says otherwise: an answer that is no error. A redirect is one too; it is not
/// followed.
impl Default for Statuses {
    fn default() -> Self {
        Self(vec![(200, 399)])
    }
}

impl FromStr for Statuses {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let status = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|status| digits && (100..=599).contains(status))
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (status(first.trim())?, status(last.trim())?);
            (first <= last).then_some((first, last))
        };
        let ranges: Option<Vec<_>> = text.split(',').take(MAX_RANGES + 1).map(range).collect();
        match ranges {
            Some(ranges) if ranges.len() <= MAX_RANGES => Ok(Self(ranges)),
            _ => {
                let shown: String = text.chars().take(80).collect();
                Err(Error::new(Code::InvalidRequest, format!("`{shown}` is no list of statuses"))
                    .field("healthcheck.status")
                    .hint("statuses look like `200`, `200-299` or `200,301-302`, from 100 to 599"))
            }
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<Statuses> for String {
    fn from(statuses: Statuses) -> Self {
        statuses.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_written_as_they_are_read() {
        for text in ["200", "200-299", "200,204,301-302", "100-599"] {
            assert_eq!(text.parse::<Statuses>().unwrap().to_string(), text);
        }
        assert_eq!(" 200 , 301 - 302".parse::<Statuses>().unwrap().to_string(), "200,301-302");
        let some: Statuses = "200,301-302".parse().unwrap();
        assert!(some.contain(200) && some.contain(302) && !some.contain(201) && !some.contain(303));
        let usual = Statuses::default();
        assert!(usual.contain(200) && usual.contain(302) && !usual.contain(404) && !usual.contain(500));
    }

    #[test]
    fn what_is_no_list_of_statuses_is_refused() {
        let many = ["200"; 17].join(",");
        for text in [
            "",
            ",",
            "20",
            "2000",
            "99",
            "600",
            "abc",
            "300-200",
            "200-",
            "+200",
            "2xx",
            "200-299-300",
            &many,
        ] {
            let error = text.parse::<Statuses>().unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest, "{text}");
        }
    }
}
