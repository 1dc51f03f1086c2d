//! Pages that change while they are looked at: one stream of server-sent events a page, which carries the pieces of
//! it that look different now, by the id of their element. What a piece is like is asked anew each time, so
//! whoever lost the connection has everything again with the first answer after it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::{Markup, html};
use mirage_control::{Control, EventFeed, EventSearch};
use mirage_core::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::fault::Fault;
use crate::visitor::Visitor;

/// Pages that may be followed at once.
const STREAMS_MAX: usize = 256;
/// How long one stream lasts. A browser opens the next one, with its cookie, which may be over by then.
pub(crate) const STREAM_LASTS: Duration = Duration::from_secs(600);
/// How long is waited for more events before the pieces are made anew.
const SETTLE: Duration = Duration::from_millis(30);
/// How often is looked where something is on its way that tells nobody of each step.
const MOVING: Duration = Duration::from_millis(500);
/// How often is looked where nothing is told.
const RESTING: Duration = Duration::from_secs(10);
/// How often a silent stream says that it is still there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

static STREAMS: std::sync::LazyLock<std::sync::Arc<Semaphore>> =
    std::sync::LazyLock::new(|| std::sync::Arc::new(Semaphore::new(STREAMS_MAX)));

/// What of a page may change, and whether it is about to.
#[derive(Default)]
pub(crate) struct Pieces {
    /// Each by the id of its element.
    pub(crate) pieces: Vec<(String, Markup)>,
    /// Whether something moves that no event tells of: a pull, a step that takes its time.
    pub(crate) moving: bool,
}

/// What is around all pieces of a page: where their stream is.
pub(crate) fn followed(path: &str, body: Markup) -> Markup {
    html! { div hx-ext="sse" sse-connect=(path) { (body) } }
}

/// A piece. Its element stays, what is in it changes.
pub(crate) fn live(id: &str, body: &Markup) -> Markup {
    html! { div id=(id) sse-swap=(id) { (body) } }
}

/// A piece that is the row of a table.
pub(crate) fn live_row(id: &str, cells: &Markup) -> Markup {
    html! { tr id=(id) sse-swap=(id) { (cells) } }
}

/// Leave to follow one more page, for as long as it is held.
///
/// # Errors
/// `TARGET_UNAVAILABLE` where too many are followed.
pub(crate) fn permit() -> Result<OwnedSemaphorePermit> {
    STREAMS.clone().try_acquire_owned().map_err(|_| {
        Error::new(Code::TargetUnavailable, format!("{STREAMS_MAX} pages are followed already"))
            .hint("close some of them; every page shows how things are when it is loaded")
    })
}

/// The stream of a page: `render` makes its pieces, at once and whenever an event of `search` came.
pub(crate) async fn follow<F, R>(
    control: &Control,
    visitor: &Visitor,
    search: &EventSearch,
    render: R,
) -> Result<Response, Fault>
where
    R: Fn() -> F + Send + 'static,
    F: Future<Output = Result<Pieces>> + Send,
{
    let permit = permit()?;
    let feed = control.events(visitor.actor(), search, None).await?;
    let follower = Follower {
        feed,
        render,
        known: HashMap::new(),
        ready: Vec::new(),
        moving: true,
        is_first: true,
        until: Instant::now() + STREAM_LASTS,
        _permit: permit,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Follower<R> {
    feed: EventFeed,
    render: R,
    /// What was sent last, by id.
    known: HashMap<String, String>,
    /// What is to be sent, last first.
    ready: Vec<(String, String)>,
    moving: bool,
    is_first: bool,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl<F, R> Follower<R>
where
    R: Fn() -> F + Send,
    F: Future<Output = Result<Pieces>> + Send,
{
    /// The next piece that is different; nothing at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((id, text)) = self.ready.pop() {
                return Some(Event::default().event(id).data(text));
            }
            if !std::mem::take(&mut self.is_first) && !self.changed().await {
                return None;
            }
            // What can no longer be shown (it was removed, the token was taken away) ends the stream; the page
            // then says that it is not live, and loading it says why.
            let Pieces { pieces, moving } = (self.render)().await.ok()?;
            self.moving = moving;
            for (id, markup) in pieces.into_iter().rev() {
                let text = markup.into_string();
                if self.known.get(&id) != Some(&text) {
                    self.known.insert(id.clone(), text.clone());
                    self.ready.push((id, text));
                }
            }
        }
    }

    /// Waits until something may be different; `false` at the end.
    async fn changed(&mut self) -> bool {
        let pause = if self.moving { MOVING } else { RESTING };
        tokio::select! {
            event = self.feed.next() => {
                if !matches!(event, Ok(Some(_))) { return false; }
            }
            () = sleep(pause) => return true,
            () = sleep_until(self.until) => return false,
        }
        // Events come in groups.
        let _ = timeout(SETTLE, async { while matches!(self.feed.next().await, Ok(Some(_))) {} }).await;
        true
    }
}
