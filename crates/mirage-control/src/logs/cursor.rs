//! The place from which a reader of logs goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use mirage_core::{Code, Error, InstanceId, LogLine, LogPosition};

/// How far a reader is in the log of each instance: `id:segment:offset`, joined by commas. Before them stands
/// `@time` (microseconds since 1970): of instances without a place, only what was read after that is new. It is
/// the moment before the first line that was delivered, and where there are too many instances, that of the
/// last line of those that stand together in it because they wrote longest ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCursor {
    places: BTreeMap<InstanceId, Place>,
    others_after: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    position: LogPosition,
    /// When its last line was read; unknown where it came from a client.
    time: Option<Timestamp>,
}

impl LogCursor {
    /// The most instances a cursor names; one with more would be too long for a header.
    const MAX_INSTANCES: usize = 64;

    /// One place as text: of an instance, where its next line starts.
    pub fn place(instance: InstanceId, next: LogPosition) -> String {
        format!("{instance}:{}:{}", next.segment, next.offset)
    }

    /// Remembers that a line was delivered.
    pub fn pass(&mut self, line: &LogLine) {
        if self.is_empty() {
            // What is older was not asked for. Another instance may have written in the same microsecond.
            self.others_after = line.time.checked_sub(SignedDuration::from_micros(1)).ok();
        }
        self.places.insert(line.instance, Place { position: line.next, time: Some(line.time) });
        if self.places.len() <= Self::MAX_INSTANCES {
            return;
        }
        // Of those that a client named, the last line was delivered before this one.
        let (_, time, longest_ago) = self
            .places
            .iter()
            .map(|(id, place)| (place.time.is_some(), place.time.unwrap_or(line.time), *id))
            .min()
            .unwrap_or((true, line.time, line.instance));
        self.places.remove(&longest_ago);
        self.others_after = self.others_after.max(Some(time));
    }

    /// Whether it names no place.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.others_after.is_none()
    }

    /// The places, as a log query takes them.
    pub fn places(&self) -> Vec<(InstanceId, LogPosition)> {
        self.places.iter().map(|(id, place)| (*id, place.position)).collect()
    }

    /// Of instances without a place, only lines after this are new.
    pub fn others_after(&self) -> Option<Timestamp> {
        self.others_after
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.others_after.map(|time| format!("@{}", time.as_microsecond()));
        let places = self.places.iter().map(|(id, known)| Self::place(*id, known.position));
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
        let wrong = || {
            Error::new(Code::InvalidRequest, "`after` is no place in a log")
                .field("after")
                .hint("send the `next` of the last line you have, of several instances joined by commas")
        };
        let mut cursor = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            if let Some(micros) = part.strip_prefix('@') {
                let time = micros.parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
                cursor.others_after = Some(time.ok_or_else(wrong)?);
                continue;
            }
            let (id, position) = read_place(part).ok_or_else(wrong)?;
            cursor.places.insert(id, Place { position, time: None });
            if cursor.places.len() > Self::MAX_INSTANCES {
                return Err(wrong());
            }
        }
        Ok(cursor)
    }
}

fn read_place(text: &str) -> Option<(InstanceId, LogPosition)> {
    let mut parts = text.split(':');
    let id = parts.next()?.parse().ok()?;
    let segment = parts.next()?.parse().ok()?;
    let offset = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((id, LogPosition { segment, offset }))
}

#[cfg(test)]
mod tests {
    use mirage_core::{DeploymentId, LogStream};

    use super::*;

    fn id(n: u8) -> InstanceId {
        InstanceId::from_random([n; 16])
    }

    fn line(n: u8) -> LogLine {
        LogLine {
            time: Timestamp::from_second(n.into()).unwrap(),
            stream: LogStream::Stdout,
            text: String::new(),
            instance: id(n),
            deployment: DeploymentId::from_random([0; 16]),
            next: LogPosition { segment: n.into(), offset: 7 },
            lost_before: false,
        }
    }

    #[test]
    fn a_cursor_reads_back_what_it_wrote() {
        let mut cursor = LogCursor::default();
        (1..3).for_each(|n| cursor.pass(&line(n)));
        let read: LogCursor = cursor.to_string().parse().unwrap();
        let before = Timestamp::from_microsecond(999_999).unwrap();
        assert_eq!((read.places(), read.others_after()), (cursor.places(), Some(before)));
        assert_eq!("".parse::<LogCursor>().unwrap(), LogCursor::default());
        let many: Vec<String> = (0..65_u8).map(|n| LogCursor::place(id(n), LogPosition::default())).collect();
        for wrong in ["x", "0:0:0", "@", "@x", &format!("{}:1", many[0]), &many.join(",")] {
            assert_eq!(wrong.parse::<LogCursor>().unwrap_err().at_field(), Some("after"));
        }
    }

    #[test]
    fn a_cursor_stays_short_however_many_instances_there_were() {
        let mut cursor = LogCursor::default();
        (1..=200).for_each(|n| cursor.pass(&line(n)));
        let read: LogCursor = cursor.to_string().parse().unwrap();
        assert_eq!(read.places().len(), LogCursor::MAX_INSTANCES);
        assert_eq!(read.others_after(), Some(line(200 - 64).time));
        assert!(read.to_string().len() < 4_000);
        let named: LogCursor = LogCursor::place(id(1), LogPosition::default()).parse().unwrap();
        let mut went_on = named.clone();
        went_on.pass(&line(1));
        assert_eq!(went_on.others_after(), None, "who named places wants all of the others");
        let mut read = read;
        read.pass(&line(250));
        assert_eq!(read.places().len(), LogCursor::MAX_INSTANCES);
    }
}
