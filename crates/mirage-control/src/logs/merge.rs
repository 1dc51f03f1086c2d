//! Lines of several services as one stream, in order of time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{FutureExt, StreamExt};
use mirage_core::Result;
use tokio::time::{Sleep, sleep};

use super::{LogLines, ServiceLine};

/// For how long a line waits for earlier ones of other services, which may be on their way from the disk.
const PATIENCE: Duration = Duration::from_millis(50);

/// The streams as one. Of each at most one line is held.
pub(super) fn by_time(mut sources: Vec<LogLines>) -> LogLines {
    match sources.len() {
        1 => sources.remove(0),
        _ => Merge {
            heads: sources.iter().map(|_| None).collect(),
            sources: sources.into_iter().map(stream::StreamExt::fuse).collect(),
            waiting: None,
        }
        .boxed(),
    }
}

struct Merge {
    sources: Vec<stream::Fuse<BoxStream<'static, Result<ServiceLine>>>>,
    /// The next line of each.
    heads: Vec<Option<ServiceLine>>,
    /// Runs while there is a line and a source has none.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Stream for Merge {
    type Item = Result<ServiceLine>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut silent = false;
        for (source, head) in this.sources.iter_mut().zip(&mut this.heads) {
            if head.is_some() || source.is_done() {
                continue;
            }
            match source.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(line))) => *head = Some(line),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {}
                Poll::Pending => silent = true,
            }
        }
        let first = this
            .heads
            .iter_mut()
            .filter(|head| head.is_some())
            .min_by_key(|head| head.as_ref().map(|it| it.line.time));
        let Some(first) = first else {
            return if silent { Poll::Pending } else { Poll::Ready(None) };
        };
        if silent {
            let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
            if waiting.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // What is handed out next may have waited as long, so there is one wait for a burst of lines.
        let line = first.take();
        if this.heads.iter().all(Option::is_none) {
            this.waiting = None;
        }
        Poll::Ready(line.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mirage_core::{DeploymentId, InstanceId, LogLine, LogPosition, LogStream};
    use tokio::sync::mpsc;

    use super::*;

    fn line(service: &str, second: i64) -> ServiceLine {
        let line = LogLine {
            time: Timestamp::from_second(second).unwrap(),
            stream: LogStream::Stdout,
            text: format!("{service} {second}"),
            instance: InstanceId::from_random([0; 16]),
            deployment: DeploymentId::from_random([0; 16]),
            next: LogPosition::default(),
            lost_before: false,
        };
        ServiceLine { service: service.parse().unwrap(), line }
    }

    fn source() -> (mpsc::UnboundedSender<ServiceLine>, LogLines) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let lines =
            stream::unfold(receiver, |mut receiver| async { Some((Ok(receiver.recv().await?), receiver)) });
        (sender, lines.boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn lines_come_in_order_and_a_silent_service_holds_nobody_up() {
        let ((a, a_lines), (b, b_lines), (silent, silent_lines)) = (source(), source(), source());
        let mut merged = by_time(vec![a_lines, b_lines, silent_lines]);
        for second in [1, 3, 5] {
            a.send(line("a", second)).unwrap();
        }
        for second in [2, 4, 6] {
            b.send(line("b", second)).unwrap();
        }
        let mut next = async || merged.next().await.map(|it| it.unwrap().line.text);
        for expected in ["a 1", "b 2", "a 3", "b 4", "a 5", "b 6"] {
            assert_eq!(next().await.as_deref(), Some(expected));
        }
        // Written a moment later, and still in time.
        b.send(line("b", 8)).unwrap();
        let late = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            a.send(line("a", 7)).unwrap();
        });
        assert_eq!(next().await.as_deref(), Some("a 7"));
        assert_eq!(next().await.as_deref(), Some("b 8"));
        late.await.unwrap();
        drop((b, silent));
        assert_eq!(next().await, None, "it ends when all have ended");
    }
}
