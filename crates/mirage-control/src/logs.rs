//! What services wrote.

use futures_util::stream::BoxStream;
use mirage_core::{LogLine, LogQuery, Result};

use crate::Control;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;

/// Lines as they come; ends when dropped.
pub type LogLines = BoxStream<'static, Result<LogLine>>;

impl Control {
    /// Lines that a service wrote, oldest first.
    pub async fn logs(&self, actor: &Actor, wanted: &ServiceRef, query: &LogQuery) -> Result<Vec<LogLine>> {
        self.allow(actor, Action::ReadLogs)?;
        let service = self.find(wanted).await?;
        self.parts.engine.logs().read(service.id, query).await
    }

    /// The same, then every new line as it is written.
    pub async fn follow_logs(&self, actor: &Actor, wanted: &ServiceRef, query: LogQuery) -> Result<LogLines> {
        self.allow(actor, Action::ReadLogs)?;
        let service = self.find(wanted).await?;
        self.parts.engine.logs().follow(service.id, query).await
    }
}
