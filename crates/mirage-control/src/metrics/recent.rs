//! The last hour in stretches of ten seconds, in memory.

use std::collections::VecDeque;

use jiff::Timestamp;
use mirage_core::{MetricPoint, ServiceId};
use mirage_store::Sample;

/// How far back it goes, in seconds.
const KEPT_SECONDS: i64 = 3_600;

/// The most that all services together take; with very many the hour becomes shorter.
const BYTES_MAX: usize = 3 << 20;

/// What was seen, oldest first.
#[derive(Default)]
pub(super) struct Recent {
    looks: VecDeque<Look>,
    bytes: usize,
}

/// One look: for each service its id, a length, and a point of that length.
struct Look {
    second: i64,
    data: Box<[u8]>,
}

impl Recent {
    /// Keeps what was seen at one look.
    pub(super) fn add<'a>(&mut self, second: i64, points: impl Iterator<Item = (&'a ServiceId, &'a Sample)>) {
        // A clock that was set back would bring the order into disorder.
        while self.looks.back().is_some_and(|last| last.second >= second) {
            self.forget_newest();
        }
        let mut data = Vec::new();
        for (service, point) in points {
            let packed = point.pack();
            let Ok(length) = u8::try_from(packed.len()) else { continue };
            data.extend_from_slice(&service.bytes());
            data.push(length);
            data.extend_from_slice(&packed);
        }
        self.bytes += data.len();
        self.looks.push_back(Look { second, data: data.into() });
        while self.bytes > BYTES_MAX
            || self.looks.front().is_some_and(|oldest| oldest.second < second - KEPT_SECONDS)
        {
            let Some(gone) = self.looks.pop_front() else { break };
            self.bytes -= gone.data.len();
        }
    }

    /// When the oldest look was.
    pub(super) fn begin(&self) -> Option<i64> {
        self.looks.front().map(|look| look.second)
    }

    /// The points of a service that begin at or after a second.
    pub(super) fn of(&self, service: ServiceId, since: i64) -> Vec<MetricPoint> {
        let looks = self.looks.iter().filter(|look| look.second >= since);
        let points = looks.filter_map(|look| Some((look.second, look.find(service)?)));
        let point = |(second, bytes)| {
            let Sample { seconds, figures } = Sample::unpack(bytes).ok()?;
            Some(MetricPoint { time: Timestamp::from_second(second).ok()?, seconds, figures })
        };
        points.filter_map(point).collect()
    }

    /// What was seen of a service at the newest look.
    pub(super) fn newest(&self, service: ServiceId) -> Option<Sample> {
        Sample::unpack(self.looks.back()?.find(service)?).ok()
    }

    fn forget_newest(&mut self) {
        if let Some(gone) = self.looks.pop_back() {
            self.bytes -= gone.data.len();
        }
    }
}

impl Look {
    fn find(&self, service: ServiceId) -> Option<&[u8]> {
        let wanted = service.bytes();
        let mut rest = &self.data[..];
        loop {
            let (id, after) = rest.split_at_checked(wanted.len())?;
            let (length, after) = after.split_first()?;
            let (point, after) = after.split_at_checked(usize::from(*length))?;
            if id == wanted {
                return Some(point);
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_never_more_than_the_room() {
        let ids: Vec<_> = (0..200_u8).map(|n| ServiceId::from_random([n; 16])).collect();
        let mut recent = Recent::default();
        for second in (0..7_200).step_by(10) {
            let point = Sample { seconds: 10, ..Sample::default() };
            recent.add(second, ids.iter().map(|id| (id, &point)));
        }
        assert!(recent.bytes <= BYTES_MAX);
        assert_eq!(recent.begin(), Some(7_190 - 3_600));
        assert_eq!(recent.of(ids[150], 7_000).len(), 20);
        recent.add(7_100, std::iter::empty());
        assert_eq!(recent.of(ids[150], 7_000).len(), 10, "the clock was set back");
    }
}
