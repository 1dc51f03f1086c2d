//! New lines as server-sent events: what came within a moment in one event, whose id is the place after them.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use mirage_control::{Control, LogLines};
use mirage_core::LogCursor;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::lines::Painter;
use crate::live::{KEEP_ALIVE, STREAM_LASTS};

/// The most lines of an event.
const LINES_MAX: usize = 200;
/// An event with so many bytes takes no further line.
const BYTES_MAX: usize = 64 << 10;
/// For how long a line waits for others.
const PATIENCE: Duration = Duration::from_millis(50);
/// After how long a browser comes back.
const RETRY: Duration = Duration::from_millis(400);

/// What a stream of lines needs.
pub(super) struct Follower {
    pub(super) control: Control,
    pub(super) lines: LogLines,
    pub(super) painter: Painter,
    /// After the last line that was sent.
    pub(super) cursor: LogCursor,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The stream.
    pub(super) fn into_response(self) -> Response {
        let until = Instant::now() + STREAM_LASTS;
        let first = Event::default().retry(RETRY).comment("lines follow");
        let rest = stream::unfold(Some(self), move |follower| async move {
            let mut follower = follower?;
            let (event, is_last) = follower.next(until).await?;
            Some((event, (!is_last).then_some(follower)))
        });
        let events = stream::once(async { first }).chain(rest).map(Ok::<_, Infallible>);
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }

    /// The next event, and whether none follows.
    async fn next(&mut self, until: Instant) -> Option<(Event, bool)> {
        let mut line = tokio::select! {
            line = self.lines.next() => line?,
            () = sleep_until(until) => return None,
        };
        let (patient_until, now) = (Instant::now() + PATIENCE, self.control.now());
        let (mut batch, mut count) = (String::new(), 0);
        loop {
            match line {
                Ok(line) => {
                    self.cursor.pass(line.line.place(), line.line.time);
                    batch.push_str(&self.painter.line(&line, now).into_string());
                    count += 1;
                }
                // What was read before it goes out with it; the next stream goes on after that.
                Err(_) if count > 0 => return Some((self.event(&batch), true)),
                Err(error) => return Some((Event::default().event("problem").data(error.message()), true)),
            }
            if count == LINES_MAX || batch.len() >= BYTES_MAX {
                break;
            }
            match timeout_at(patient_until, self.lines.next()).await {
                Ok(Some(next)) => line = next,
                Ok(None) => return Some((self.event(&batch), true)),
                Err(_) => break,
            }
        }
        Some((self.event(&batch), false))
    }

    fn event(&self, batch: &str) -> Event {
        let _ = &self.permit;
        Event::default().event("lines").id(self.cursor.to_string()).data(batch)
    }
}
