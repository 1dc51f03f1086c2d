//! What services wrote, in memory.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use mirage_core::{
    Deployment, DeploymentId, InstanceId, InstanceReport, LogLine, LogPosition, LogQuery, LogStream, Result,
    ServiceId,
};
use tokio::sync::watch;

/// Lines of all services.
#[derive(Default)]
pub struct Logbook {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    lines: Mutex<Vec<(ServiceId, LogLine)>>,
    count: watch::Sender<usize>,
}

impl Logbook {
    /// Writes a line as the only instance of a deployment.
    pub fn append(&self, of: &Deployment, time: &str, text: &str) {
        self.append_as(of, of.id.to_string().parse().unwrap(), time, text);
    }

    /// Writes a line as an instance of a deployment.
    pub fn append_as(&self, of: &Deployment, instance: InstanceId, time: &str, text: &str) {
        let time: Timestamp = time.parse().unwrap();
        self.put(of.service, of.id, instance, time, text, false);
    }

    /// Writes a line as an instance that runs.
    pub(crate) fn append_of(&self, of: &InstanceReport, time: Timestamp, text: &str) {
        self.put(of.service, of.deployment, of.id, time, text, false);
    }

    /// Writes a line before which others were lost.
    pub fn append_after_loss(&self, of: &Deployment, time: &str, text: &str) {
        let instance = of.id.to_string().parse().unwrap();
        self.put(of.service, of.id, instance, time.parse().unwrap(), text, true);
    }

    fn put(
        &self,
        service: ServiceId,
        deployment: DeploymentId,
        instance: InstanceId,
        time: Timestamp,
        text: &str,
        lost_before: bool,
    ) {
        let mut lines = self.inner.lines.lock().unwrap();
        let offset = lines.iter().filter(|(_, line)| line.instance == instance).count() as u64 + 1;
        let line = LogLine {
            time,
            stream: LogStream::Stdout,
            text: text.to_owned(),
            instance,
            deployment,
            next: LogPosition { segment: 0, offset },
            lost_before,
        };
        lines.push((service, line));
        let count = lines.len();
        drop(lines);
        self.inner.count.send_replace(count);
    }

    pub(crate) fn knows(&self, service: ServiceId) -> bool {
        self.inner.lines.lock().unwrap().iter().any(|(of, _)| *of == service)
    }

    pub(crate) fn read(&self, service: ServiceId, query: &LogQuery) -> Vec<LogLine> {
        self.inner.read(service, query)
    }

    pub(crate) fn follow(&self, service: ServiceId, query: LogQuery) -> BoxStream<'static, Result<LogLine>> {
        let inner = Arc::clone(&self.inner);
        // Those are known from now on, whatever is written while the first are delivered.
        let (counts, known) = (inner.count.subscribe(), inner.lines.lock().unwrap().len());
        let first = stream::iter(inner.read_until(service, &query, known).into_iter().map(Ok));
        let rest = stream::unfold((counts, known), move |(mut counts, mut at)| {
            let (inner, query) = (Arc::clone(&inner), query.clone());
            async move {
                loop {
                    let next = inner.lines.lock().unwrap().get(at).cloned();
                    match next {
                        Some((of, line)) => {
                            at += 1;
                            if of == service && wants(&query, &line) {
                                return Some((Ok(line), (counts, at)));
                            }
                        }
                        None => {
                            let is_more = |count: &usize| *count > at;
                            counts.wait_for(is_more).await.ok()?;
                        }
                    }
                }
            }
        });
        first.chain(rest).boxed()
    }
}

impl Inner {
    fn read(&self, service: ServiceId, query: &LogQuery) -> Vec<LogLine> {
        self.read_until(service, query, usize::MAX)
    }

    fn read_until(&self, service: ServiceId, query: &LogQuery, until: usize) -> Vec<LogLine> {
        let lines = self.lines.lock().unwrap();
        let wanted = lines.iter().take(until).filter(|(of, line)| *of == service && wants(query, line));
        let mut wanted: Vec<LogLine> = wanted.map(|(_, line)| line.clone()).collect();
        wanted.sort_by_key(|line| line.time);
        let skipped = wanted.len().saturating_sub(query.limit.unwrap_or(usize::MAX));
        wanted.split_off(skipped)
    }
}

fn wants(query: &LogQuery, line: &LogLine) -> bool {
    let place = query.after.iter().find(|(instance, _)| *instance == line.instance);
    let is_new = match place {
        Some((_, after)) => line.next > *after,
        None => query.others_after.is_none_or(|time| line.time > time),
    };
    is_new
        && query.deployment.is_none_or(|only| line.deployment == only)
        && query.instance.is_none_or(|only| line.instance == only)
        && query.since.is_none_or(|since| line.time >= since)
        && query.until.is_none_or(|until| line.time < until)
        && query.grep.as_deref().is_none_or(|text| line.text.contains(text))
        && query.test.as_ref().is_none_or(|test| test.passes(&line.text))
}
