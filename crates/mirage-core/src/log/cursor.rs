//! The place from which a reader of logs goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::LogPosition;
use crate::error::{Code, Error};
use crate::id::InstanceId;
use jiff::{SignedDuration, Timestamp};

/// Where the next line of an instance starts; as text `id:segment:offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The instance.
    pub instance: InstanceId,
    /// The place in its log.
    pub next: LogPosition,
}

/// How far a reader is in the log of each instance: `id:segment:offset`, joined by commas. Before them stands
/// `@time` (microseconds since 1970): of instances without a place, only what was read after that is new. It is
/// the moment before the first line that was delivered, and where there are too many instances, that of the
/// last line of those that stand together in it because they wrote longest ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCursor {
    places: BTreeMap<InstanceId, Known>,
    others_after: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    position: LogPosition,
    /// When its last line was read; unknown where it came from a client.
    time: Option<Timestamp>,
}

impl LogCursor {
    /// The most instances a cursor names; one with more would be too long for a header.
    const MAX_INSTANCES: usize = 64;

    /// Remembers that a line was delivered, which was read at `time`; the next one of its instance is at `place`.
    pub fn pass(&mut self, place: LogPlace, time: Timestamp) {
        if self.is_empty() {
            // What is older was not asked for. Another instance may have written in the same microsecond.
            self.others_after = time.checked_sub(SignedDuration::from_micros(1)).ok();
        }
        self.places.insert(place.instance, Known { position: place.next, time: Some(time) });
        if self.places.len() <= Self::MAX_INSTANCES {
            return;
        }
        // Of those that a client named, the last line was delivered before this one.
        let (_, last, longest_ago) = self
            .places
            .iter()
            .map(|(id, known)| (known.time.is_some(), known.time.unwrap_or(time), *id))
            .min()
            .unwrap_or((true, time, place.instance));
        self.places.remove(&longest_ago);
        self.others_after = self.others_after.max(Some(last));
    }

    /// Whether it names no place.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.others_after.is_none()
    }

    /// The places, as a log query takes them.
    pub fn places(&self) -> Vec<(InstanceId, LogPosition)> {
        self.places.iter().map(|(id, known)| (*id, known.position)).collect()
    }

    /// Of instances without a place, only lines after this are new.
    pub fn others_after(&self) -> Option<Timestamp> {
        self.others_after
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.others_after.map(|time| format!("@{}", time.as_microsecond()));
        let places = self
            .places
            .iter()
            .map(|(id, known)| LogPlace { instance: *id, next: known.position }.to_string());
        for (at, part) in time.into_iter().chain(places).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{part}")?;
        }
        Ok(())
    }
}

impl FromStr for LogCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut cursor = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            if let Some(micros) = part.strip_prefix('@') {
                let time = micros.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
                cursor.others_after = Some(time.ok_or_else(wrong)?);
                continue;
            }
            let LogPlace { instance, next } = part.parse()?;
            cursor.places.insert(instance, Known { position: next, time: None });
            if cursor.places.len() > Self::MAX_INSTANCES {
                return Err(wrong());
            }
        }
        Ok(cursor)
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.instance, self.next.segment, self.next.offset)
    }
}

impl FromStr for LogPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let mut parts = text.split(':');
            let instance = parts.next()?.parse().ok()?;
            let segment = parts.next()?.parse().ok()?;
            let offset = parts.next()?.parse().ok()?;
            let next = LogPosition { segment, offset };
            parts.next().is_none().then_some(Self { instance, next })
        };
        read().ok_or_else(wrong)
    }
}

fn wrong() -> Error {
    Error::new(Code::InvalidRequest, "`after` is no place in a log")
        .field("after")
        .hint("send the `next` of the last line you have, of several instances joined by commas")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> InstanceId {
        InstanceId::from_random([n; 16])
    }

    fn place(n: u8) -> LogPlace {
        LogPlace { instance: id(n), next: LogPosition { segment: n.into(), offset: 7 } }
    }

    fn time(n: u8) -> Timestamp {
        Timestamp::from_second(n.into()).unwrap()
    }

    #[test]
    fn a_cursor_reads_back_what_it_wrote() {
        let mut cursor = LogCursor::default();
        (1..3).for_each(|n| cursor.pass(place(n), time(n)));
        let read: LogCursor = cursor.to_string().parse().unwrap();
        let before = Timestamp::from_microsecond(999_999).unwrap();
        assert_eq!((read.places(), read.others_after()), (cursor.places(), Some(before)));
        assert_eq!("".parse::<LogCursor>().unwrap(), LogCursor::default());
        let many: Vec<String> = (0..65_u8).map(|n| place(n).to_string()).collect();
        for wrong in ["x", "0:0:0", "@", "@x", &format!("{}:1", many[0]), &many.join(",")] {
            assert_eq!(wrong.parse::<LogCursor>().unwrap_err().at_field(), Some("after"));
        }
    }

    #[test]
    fn a_cursor_stays_short_however_many_instances_there_were() {
        let mut cursor = LogCursor::default();
        (1..=200).for_each(|n| cursor.pass(place(n), time(n)));
        let read: LogCursor = cursor.to_string().parse().unwrap();
        assert_eq!(read.places().len(), LogCursor::MAX_INSTANCES);
        assert_eq!(read.others_after(), Some(time(200 - 64)));
        assert!(read.to_string().len() < 4_000);
        let named: LogCursor = place(1).to_string().parse().unwrap();
        let mut went_on = named.clone();
        went_on.pass(place(1), time(1));
        assert_eq!(went_on.others_after(), None, "who named places wants all of the others");
        let mut read = read;
        read.pass(place(250), time(250));
        assert_eq!(read.places().len(), LogCursor::MAX_INSTANCES);
    }
}
