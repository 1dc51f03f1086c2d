//! From where to go on after a connection that was lost.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::wire::LogLine;

/// The most instances that are named; the API takes no more.
const INSTANCES_MAX: usize = 64;

/// How far the lines of each instance have come.
#[derive(Default)]
pub(super) struct Resume {
    places: BTreeMap<String, (Timestamp, String)>,
    /// Until when the lines of instances were seen, or not wanted, that are not named.
    others: Option<Timestamp>,
    lines: u64,
}

impl Resume {
    /// Notes that a line was shown.
    pub(super) fn pass(&mut self, line: &LogLine) {
        if self.lines == 0 {
            // What is older was not asked for. Another instance may have written in the same microsecond.
            self.others = line.time.checked_sub(SignedDuration::from_micros(1)).ok();
        }
        self.lines += 1;
        self.places.insert(line.instance.clone(), (line.time, line.next.clone()));
        if self.places.len() > INSTANCES_MAX
            && let Some((instance, (time, _))) = self.places.iter().min_by_key(|(_, (time, _))| *time)
        {
            let (instance, time) = (instance.clone(), *time);
            self.places.remove(&instance);
            self.others = self.others.max(Some(time));
        }
    }

    /// How many lines there were.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The `after` of the next request.
    pub(super) fn after(&self) -> String {
        let others = self.others.map(|time| format!("@{}", time.as_microsecond()));
        let places = self.places.values().map(|(_, next)| next.clone());
        others.into_iter().chain(places).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: i64) -> LogLine {
        let line = serde_json::json!({
            "time": Timestamp::from_second(n).unwrap(), "text": "", "instance": format!("i{n}"),
            "next": format!("i{n}:0:1"), "service": "web",
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn of_an_instance_that_was_silent_until_now_nothing_old_is_wanted() {
        let mut resume = Resume::default();
        assert_eq!(resume.after(), "");
        resume.pass(&line(3));
        resume.pass(&line(4));
        assert_eq!(resume.after(), "@2999999,i3:0:1,i4:0:1");
    }

    #[test]
    fn those_that_wrote_longest_ago_stand_together() {
        let mut resume = Resume::default();
        for n in 0..70_i64 {
            resume.pass(&line(n));
        }
        let after = resume.after();
        assert!(after.starts_with("@5000000,i10:0:1,"), "{after}");
        assert_eq!(after.split(',').count(), 65);
    }
}
