//! What is read of a service: its logbook, or the last words of a broken image.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use mirage_core::port::{Clock, LogReader};
use mirage_core::{LogLine, LogPosition, LogQuery, LogStream, Result, ServiceId};

use crate::World;

impl World {
    /// Lets the instance at this place, in the order of their ids, write a line.
    pub fn write_line(&self, place: usize, text: &str) {
        let instances = self.instances.lock().unwrap();
        self.logs.append_of(instances.values().nth(place).unwrap(), self.now(), text);
    }
}

#[async_trait]
impl LogReader for World {
    async fn read(&self, service: ServiceId, query: &LogQuery) -> Result<Vec<LogLine>> {
        if self.logs.knows(service) {
            return Ok(self.logs.read(service, query));
        }
        let last = self.last.lock().unwrap();
        let Some(report) = last.as_ref() else { return Ok(Vec::new()) };
        let line = |text: &String| LogLine {
            time: self.now(),
            stream: LogStream::Stdout,
            text: text.clone(),
            instance: report.id,
            deployment: report.deployment,
            next: LogPosition { segment: 0, offset: 1 },
            lost_before: false,
        };
        Ok(self.said.lock().unwrap().iter().map(line).collect())
    }

    async fn follow(
        &self,
        service: ServiceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine>>> {
        Ok(self.logs.follow(service, query))
    }

    async fn remove(&self, _: ServiceId) -> Result<()> {
        Ok(())
    }
}
