//! Acts for which hours and years have to pass. They pass at once: the clock of the platform is put forward, and what
//! is looked at once an hour is looked at twice a second in a trial.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::Value;
use xtask::bed::eventually;

use super::act::Verb;
use super::range::{REST, Range, Subject};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

impl Range {
    /// A volume with data, to be removed. Its id is the version.
    pub(super) fn make_filled_volume(&mut self, name: String) -> Result<Subject> {
        self.verb(&["volume", "create", &name], "")?;
        let archive = self.archive.to_string_lossy().into_owned();
        self.verb(&["volume", "restore", &name, "--from", &archive], "")?;
        let shown = self.platform.api("GET", &format!("/api/volumes/{name}"), None)?.json()?;
        let version = shown["id"].as_str().with_context(|| format!("no id in {shown}"))?.to_owned();
        Ok(Subject { name, version, ..Subject::default() })
    }

    /// Removes a volume, and lets the time pass in which that can be taken back.
    pub(super) fn end_volume(&mut self, name: &str) -> Result<()> {
        self.verb(&["volume", "remove", name], "")?;
        self.clock.jump(49 * HOUR)
    }

    /// Waits until the data of a volume is gone, which is told once.
    pub(super) fn until_volume_gone(&mut self, subject: &Subject) -> Result<()> {
        let folder = self.platform.data().join("volumes").join(&subject.version);
        let told = || {
            let events = self.events("follow=false&limit=1000&kind=volumePurged").ok()?;
            let of_it = events.iter().filter(|event| event["volume"] == subject.name.as_str()).count();
            (of_it > 0 && !folder.exists()).then_some(of_it)
        };
        let times = eventually("the end of a volume", REST, told)?;
        if times != 1 {
            bail!("the end of `{}` is told {times} times", subject.name);
        }
        self.set_clock_right()
    }

    /// Lets a minute pass of which something is known, and notes which one. It is the last of ten, after which old ones
    /// are forgotten.
    pub(super) fn pass_minute(&mut self) -> Result<()> {
        let now = second(&self.metrics("step=60")?["until"]).context("no time")?;
        self.clock.jump((9 - now.div_euclid(MINUTE)).rem_euclid(10) * MINUTE)?;
        // What changes is not from the database.
        let mut first = None;
        let seen = || {
            // Another minute may be written before this one is over, and the point reached by that.
            let shown = match self.metrics("step=10") {
                Ok(shown) => shown,
                Err(error) => return Some(Err(error)),
            };
            let minute = second(&shown["until"])?.div_euclid(MINUTE) * MINUTE;
            let last = shown["points"].as_array()?.last()?.clone();
            let fresh = *first.get_or_insert_with(|| last.clone()) != last;
            (fresh && second(&last["time"])? >= minute).then_some(Ok(minute))
        };
        let minute = eventually("something known of this minute", Duration::from_secs(30), seen)??;
        self.noted = minute.to_string();
        self.clock.jump(MINUTE)
    }

    /// Waits until the minute that was noted is kept. One that ended with its process is not; the next one is.
    pub(super) fn until_minute_kept(&mut self, crashed: bool) -> Result<()> {
        if crashed {
            self.pass_minute()?;
        }
        let minute: i64 = self.noted.parse()?;
        let (since, until) = (Timestamp::from_second(minute)?, Timestamp::from_second(minute + MINUTE)?);
        let kept = || {
            let shown = self.metrics(&format!("step=60&since={since}&until={until}")).ok()?;
            shown["points"].as_array().is_some_and(|points| !points.is_empty()).then_some(())
        };
        eventually("the minute in the database", REST, kept)?;
        self.set_clock_right()
    }

    /// Something happens, and more than a year passes until something else does.
    pub(super) fn pass_year(&mut self, name: &str) -> Result<()> {
        self.happen(Verb::SetVariable, name)?;
        let newest = self.events("follow=false&limit=1")?;
        let number = newest.last().and_then(|event| event["number"].as_i64()).context("no event")?;
        self.noted = number.to_string();
        self.clock.jump(401 * DAY)?;
        self.happen(Verb::UnsetVariable, name)
    }

    /// Waits until nobody knows any more what happened before.
    pub(super) fn until_forgotten(&mut self) -> Result<()> {
        let number: i64 = self.noted.parse()?;
        let forgotten = || {
            let next = self.events(&format!("follow=false&after={}&limit=1", number - 1)).ok()?;
            (next.first()?["number"].as_i64()? > number).then_some(())
        };
        eventually("the end of old events", REST, forgotten)?;
        self.set_clock_right()
    }

    /// Lets the time of an upload pass.
    pub(super) fn rest_upload(&mut self) -> Result<()> {
        self.clock.jump(2 * HOUR)
    }

    /// Waits until an upload that was noted has gone.
    pub(super) fn until_upload_gone(&mut self) -> Result<()> {
        let gone = || {
            self.platform.api("GET", &self.noted, None).ok().filter(|answer| answer.status == 404).map(drop)
        };
        eventually("the end of an upload", REST, gone)?;
        self.set_clock_right()
    }

    fn happen(&self, verb: Verb, name: &str) -> Result<()> {
        let (words, told) = verb.words(name);
        self.verb(&words.iter().map(String::as_str).collect::<Vec<_>>(), told)
    }

    fn set_clock_right(&mut self) -> Result<()> {
        let ahead = self.clock.offset();
        self.clock.jump(-ahead)
    }

    fn metrics(&self, query: &str) -> Result<Value> {
        self.platform.api("GET", &format!("/api/services/web/metrics?{query}"), None)?.json()
    }

    fn events(&self, query: &str) -> Result<Vec<Value>> {
        let shown = self.platform.api("GET", &format!("/api/events?{query}"), None)?.json()?;
        Ok(shown["events"].as_array().with_context(|| format!("no events in {shown}"))?.clone())
    }
}

fn second(time: &Value) -> Option<i64> {
    Some(time.as_str()?.parse::<Timestamp>().ok()?.as_second())
}
