//! Which lines of which services are wanted, as an address says it.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use mirage_control::{LOG_SERVICES_MAX, LogMarker, LogSearch, ServiceRef, ServiceView};
use mirage_core::{Code, Error, LogCursor, LogQuery, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::fault::{Fault, unreadable};

/// Lines that are shown where nobody says how many, and the most that are.
const LINES: usize = 100;
const LINES_MAX: usize = 10_000;
/// The most fields of an address.
const FIELDS_MAX: usize = 64;

/// What somebody wants to see, as they sent it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// What to look for.
    pub(super) text: String,
    /// Whether that is a regular expression.
    pub(super) is_regex: bool,
    /// Whether lines without it are shown too.
    pub(super) all: bool,
    /// The least level.
    pub(super) level: String,
    /// Since when: a time, or how long ago.
    pub(super) since: String,
    /// How many lines.
    pub(super) lines: String,
    /// Whether long lines stay on one row.
    pub(super) nowrap: bool,
    /// Other services of the environment, by name.
    pub(super) with: Vec<String>,
    /// Only this deployment.
    pub(super) deployment: String,
    /// Only this instance.
    pub(super) instance: String,
    /// After which places a stream goes on.
    pub(super) after: String,
}

impl Wish {
    /// How many lines are shown.
    pub(super) fn count(&self) -> usize {
        self.lines.parse().unwrap_or(LINES).clamp(1, LINES_MAX)
    }

    /// The services: the one of the page, and those that were chosen.
    pub(super) fn services(&self, view: &ServiceView) -> Result<Vec<ServiceRef>> {
        let path = |name: &str| -> Result<ServiceRef> {
            Ok(ServiceRef::Path {
                project: view.project.name.clone(),
                environment: view.environment.name.clone(),
                name: name.parse().map_err(|error: Error| error.field("with"))?,
            })
        };
        let own = ServiceRef::Id(view.service.id);
        let others = self.with.iter().filter(|name| name.as_str() != view.service.name.as_str());
        std::iter::once(Ok(own)).chain(others.map(|name| path(name))).collect()
    }

    /// The question to `Control`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` at the field that cannot be read.
    pub(super) fn search(&self, now: Timestamp) -> Result<LogSearch> {
        let looked_for = (!self.text.is_empty() && !self.all).then(|| self.text.clone());
        let (regex, grep) = if self.is_regex { (looked_for, None) } else { (None, looked_for) };
        let level = Some(&self.level).filter(|text| !text.is_empty());
        let query = LogQuery {
            deployment: id(&self.deployment, "deployment")?,
            instance: id(&self.instance, "instance")?,
            since: self.since(now)?,
            grep,
            limit: Some(self.count()),
            ..LogQuery::default()
        };
        Ok(LogSearch { query, regex, level: level.map(|text| text.parse()).transpose()? })
    }

    /// What of a line is marked.
    pub(super) fn marker(&self) -> Result<Option<LogMarker>> {
        let wanted = (!self.text.is_empty()).then_some(self.text.as_str());
        wanted.map(|text| LogMarker::new(text, self.is_regex)).transpose()
    }

    /// Where a stream goes on: after the last line that a browser had, or else the page.
    pub(super) fn cursor(&self, last: Option<&str>) -> Result<LogCursor> {
        last.unwrap_or(&self.after).parse()
    }

    /// The same with the time since when as one that does not move.
    pub(super) fn fixed(&self, now: Timestamp) -> Result<Self> {
        let since = self.since(now)?.map(|time| time.to_string()).unwrap_or_default();
        Ok(Self { since, ..self.clone() })
    }

    /// The address that says it. There is always a `?` in it.
    pub(super) fn address(&self, path: &str) -> String {
        let mut address = format!("{path}?lines={}", self.count());
        let texts = [
            ("q", &self.text),
            ("level", &self.level),
            ("since", &self.since),
            ("deployment", &self.deployment),
            ("instance", &self.instance),
        ];
        let ticks = [("regex", self.is_regex), ("all", self.all), ("nowrap", self.nowrap)];
        let yes = "yes".to_owned();
        let ticks = ticks.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name, &yes));
        let with = self.with.iter().map(|name| ("with", name));
        for (name, value) in texts.into_iter().chain(ticks).chain(with).filter(|(_, it)| !it.is_empty()) {
            address.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
        address
    }

    fn since(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let text = self.since.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            Error::new(Code::InvalidRequest, "`since` is no time")
                .field("since")
                .hint("so long ago, such as 10m, 2h or 7d, or a time such as 2026-11-21T12:00:00Z")
        };
        if let Ok(time) = text.parse() {
            return Ok(Some(time));
        }
        let seconds = [('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find_map(|(unit, seconds)| {
            let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
            Some(i64::from(count) * seconds)
        });
        let time = seconds.and_then(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok());
        time.map(Some).ok_or_else(wrong)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wish {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let read = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(fields) = read.map_err(|_| unreadable("what follows `?` in the address"))?;
        if fields.len() > FIELDS_MAX {
            return Err(unreadable("so much behind the `?` of the address").into());
        }
        let mut wish = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "q" => wish.text = value,
                "regex" => wish.is_regex = true,
                "all" => wish.all = true,
                "level" => wish.level = value,
                "since" => wish.since = value,
                "lines" => wish.lines = value,
                "nowrap" => wish.nowrap = true,
                "deployment" => wish.deployment = value,
                "instance" => wish.instance = value,
                "after" => wish.after = value,
                "with" if !value.is_empty() && !wish.with.contains(&value) => wish.with.push(value),
                _ => {}
            }
        }
        // `Control` says what is wrong with more.
        wish.with.truncate(LOG_SERVICES_MAX);
        Ok(wish)
    }
}

fn id<T: std::str::FromStr<Err = Error>>(text: &str, field: &'static str) -> Result<Option<T>> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|error: Error| error.field(field))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_the_same_when_its_address_was_read() {
        let uri = "/x?lines=500&q=a%26b%3D%2B&level=warn&since=5m&regex=yes&all=yes&with=a&with=b&with=a";
        let read = |uri: &str| {
            let Query(fields) = Query::<Vec<(String, String)>>::try_from_uri(&uri.parse().unwrap()).unwrap();
            fields
        };
        let request = http::Request::builder().uri(uri).body(()).unwrap();
        let mut parts = request.into_parts().0;
        let wish = futures_util::FutureExt::now_or_never(Wish::from_request_parts(&mut parts, &()));
        let wish = wish.unwrap().ok().unwrap();
        assert_eq!((wish.text.as_str(), wish.count()), ("a&b=+", 500));
        assert_eq!(wish.with, ["a", "b"]);
        let mut before = read(uri);
        before.remove(8);
        let mut after = read(&wish.address("/x"));
        before.sort();
        after.sort();
        assert_eq!(after, before);
    }

    #[test]
    fn a_time_is_said_as_it_is_or_as_so_long_ago() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let since = |text: &str| Wish { since: text.into(), ..Wish::default() }.since(now);
        let told = |text: &str| since(text).unwrap().unwrap().to_string();
        assert_eq!(told("5m"), "2026-11-21T11:55:00Z");
        assert_eq!(told("2d"), "2026-11-19T12:00:00Z");
        assert_eq!(told("2026-11-01T00:00:00Z"), "2026-11-01T00:00:00Z");
        assert_eq!(since("").unwrap(), None);
        for wrong in ["x", "5", "-5m", "m", "5 m", "4294967295d", "99999999999m", "ü"] {
            assert_eq!(since(wrong).unwrap_err().at_field(), Some("since"), "{wrong}");
        }
    }
}
