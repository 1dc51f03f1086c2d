//! What services wrote.

mod level;
mod merge;
mod pattern;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use mirage_core::{Code, Error, LineTest, LogLine, LogQuery, Name, Result, Service};

pub use level::LogLevel;
pub use pattern::LogMarker;

use crate::Control;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;

/// The most services whose logs are read together.
pub const LOG_SERVICES_MAX: usize = 20;

/// Lines that are given where nobody says how many, and the most that are.
const LINES_DEFAULT: usize = 1_000;
const LINES_MAX: usize = 10_000;

/// The longest text to look for, in bytes.
const GREP_MAX: usize = 1_000;

/// The most text of lines that are held to be put in order, in bytes.
const HELD_MAX: usize = 64 << 20;

/// Lines as they come; ends when dropped.
pub type LogLines = BoxStream<'static, Result<ServiceLine>>;

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogSearch {
    /// Time, place and text. Its `test` is not looked at. Without a `limit` there are 1000 lines, and all of them
    /// where a follower goes on after a place; the most is 10000. A `grep` has at most 1000 bytes.
    pub query: LogQuery,
    /// Only lines that this regular expression matches somewhere.
    pub regex: Option<String>,
    /// Only lines that are JSON and say that they are of this level or a worse one.
    pub level: Option<LogLevel>,
}

/// A line, and which service wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLine {
    /// Name of the service.
    pub service: Name,
    /// The line.
    pub line: LogLine,
}

impl Control {
    /// Lines that services wrote, oldest first: of all of them together the last so many.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where no service is named or too many are, the text to look for is too long, or the
    /// pattern is none.
    pub async fn logs(
        &self,
        actor: &Actor,
        wanted: &[ServiceRef],
        search: &LogSearch,
    ) -> Result<Vec<ServiceLine>> {
        let (services, mut query) = self.log_question(actor, wanted, search).await?;
        query.limit = Some(search.query.limit.unwrap_or(LINES_DEFAULT).min(LINES_MAX));
        let mut all: Vec<ServiceLine> = Vec::new();
        for service in services {
            let lines = self.parts.engine.logs().read(service.id, &query).await?;
            all.extend(lines.into_iter().map(|line| ServiceLine { service: service.name.clone(), line }));
            // Each service's lines are in order already.
            all.sort_by_key(|it| it.line.time);
            keep_last(&mut all, query.limit.unwrap_or(usize::MAX));
        }
        Ok(all)
    }

    /// The same, then every new line as it is written. With several services the last so many lines of each
    /// come first, and lines that are written at the same moment come in order of time.
    ///
    /// # Errors
    /// As [`Self::logs`].
    pub async fn follow_logs(
        &self,
        actor: &Actor,
        wanted: &[ServiceRef],
        search: &LogSearch,
    ) -> Result<LogLines> {
        let (services, mut query) = self.log_question(actor, wanted, search).await?;
        // Who goes on where they stopped must not lose lines in between.
        let goes_on = !query.after.is_empty() || query.others_after.is_some();
        let default = (!goes_on).then_some(LINES_DEFAULT);
        query.limit = query.limit.or(default).map(|limit| limit.min(LINES_MAX));
        let mut sources = Vec::with_capacity(services.len());
        for service in services {
            let lines = self.parts.engine.logs().follow(service.id, query.clone()).await?;
            let of =
                move |line: Result<LogLine>| Ok(ServiceLine { service: service.name.clone(), line: line? });
            sources.push(lines.map(of).boxed());
        }
        Ok(merge::by_time(sources))
    }

    async fn log_question(
        &self,
        actor: &Actor,
        wanted: &[ServiceRef],
        search: &LogSearch,
    ) -> Result<(Vec<Service>, LogQuery)> {
        self.allow(actor, Action::ReadLogs)?;
        let refuse = |what: &str| Error::new(Code::InvalidRequest, what).field("service");
        if wanted.is_empty() {
            return Err(refuse("no service is named").hint("name one: `service=web`, or several"));
        }
        if wanted.len() > LOG_SERVICES_MAX {
            return Err(refuse(&format!("more than {LOG_SERVICES_MAX} services are named"))
                .hint("read the logs of fewer services at once"));
        }
        search.query.grep.as_deref().map_or(Ok(()), check_grep)?;
        let mut services: Vec<Service> = Vec::with_capacity(wanted.len());
        for one in wanted {
            let service = self.find(one).await?;
            if services.iter().all(|known| known.id != service.id) {
                services.push(service);
            }
        }
        let test = test(search)?;
        let after_is_shared = services.len() > 1;
        Ok((services, LogQuery { test, after_is_shared, ..search.query.clone() }))
    }
}

fn check_grep(text: &str) -> Result<()> {
    if text.len() <= GREP_MAX {
        return Ok(());
    }
    Err(Error::new(Code::InvalidRequest, format!("`grep` is longer than {GREP_MAX} bytes"))
        .field("grep")
        .hint("look for a shorter text"))
}

/// Pattern and level as one question.
fn test(search: &LogSearch) -> Result<Option<LineTest>> {
    let regex = search.regex.as_deref().map(pattern::compile).transpose()?;
    let level = search.level;
    if regex.is_none() && level.is_none() {
        return Ok(None);
    }
    Ok(Some(LineTest::new(move |text| {
        regex.as_ref().is_none_or(|regex| regex.is_match(text))
            && level.is_none_or(|least| LogLevel::of(text).is_some_and(|level| level >= least))
    })))
}

/// Forgets the first lines until at most so many are left, and no more text than may be held.
fn keep_last(lines: &mut Vec<ServiceLine>, limit: usize) {
    let mut held = 0;
    let fits = |it: &&ServiceLine| {
        held += it.line.text.len();
        held <= HELD_MAX
    };
    let kept = lines.iter().rev().take(limit).take_while(fits).count();
    lines.drain(..lines.len() - kept);
}
