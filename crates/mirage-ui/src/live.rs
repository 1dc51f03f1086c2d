//! Pages that change while they are looked at: one stream of server-sent events a page, which carries the pieces of
//! it that look different now, by the id of their element. What a piece is like is asked anew each time, so
//! whoever lost the connection has everything again with the first answer after it.
//!
//! How long ago something was ([`crate::when::since`]) is no reason to send a piece, nor is what stands in a `data` element:
//! a figure that is never the same. They are brought up to date once a minute. What lasts ([`crate::when::lasting`]) is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, LazyLock};
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
/// How often a piece is sent of which nothing but the age is different.
const AGING: Duration = Duration::from_secs(60);
/// How soon a browser comes back after the end of a stream.
const RETRY: Duration = Duration::from_secs(1);
/// How often a silent stream says that it is still there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

static STREAMS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(STREAMS_MAX)));

/// A piece with others in it. It is sent where other ones are in it than before, and with the first answer of a stream, as
/// nobody knows what came and went while a page was not connected; they are not sent beside it then.
pub(crate) struct Around {
    /// The id of its element.
    pub(crate) id: String,
    /// Says which pieces are in it.
    pub(crate) key: String,
    /// What is in it.
    pub(crate) markup: Markup,
}

/// What of a page may change, and whether it is about to.
#[derive(Default)]
pub(crate) struct Pieces {
    /// Each by the id of its element.
    pub(crate) pieces: Vec<(String, Markup)>,
    /// The piece that others are in, where which of them there are may change.
    pub(crate) around: Option<Around>,
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

/// A piece that is read out when it changes: how things are now, in half a sentence. One a page.
pub(crate) fn told(id: &str, words: &str) -> Markup {
    html! { p.sr id=(id) role="status" sse-swap=(id) { (words) } }
}

/// Leave to follow one more page, for as long as it is held.
///
/// # Errors
/// `TARGET_UNAVAILABLE` where too many are followed.
pub(crate) fn permit() -> Result<OwnedSemaphorePermit> {
    place(&STREAMS)
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
        aged: Instant::now(),
        took: Duration::ZERO,
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
    ready: Vec<Event>,
    moving: bool,
    is_first: bool,
    /// When ages were last a reason to send a piece.
    aged: Instant,
    /// How long making the pieces took.
    took: Duration,
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
            if let Some(event) = self.ready.pop() {
                return Some(event);
            }
            let is_first = std::mem::take(&mut self.is_first);
            if !is_first && !self.changed().await {
                return None;
            }
            // What can no longer be shown (it was removed, the token was taken away) ends the stream; the page
            // then says that it is not live, and loading it says why.
            let begun = Instant::now();
            let Pieces { pieces, around, moving } = (self.render)().await.ok()?;
            self.took = begun.elapsed();
            self.moving = moving;
            let ages_count = self.aged.elapsed() >= AGING;
            if ages_count {
                self.aged = Instant::now();
            }
            let whole = around.filter(|around| {
                self.known.insert(around.id.clone(), around.key.clone()).as_ref() != Some(&around.key)
            });
            for (id, markup) in pieces.into_iter().rev() {
                let text = markup.into_string();
                let is_known = self.known.get(&id).is_some_and(|known| match ages_count {
                    true => *known == text,
                    false => ageless(known) == ageless(&text),
                });
                let is_within = whole.as_ref().is_some_and(|whole| whole.holds(&id));
                if is_within {
                    self.known.insert(id, text);
                } else if !is_known {
                    // A browser passes over what is empty, and the piece would stay as it was.
                    let data = if text.is_empty() { " " } else { &text };
                    self.ready.push(Event::default().event(&id).data(data));
                    self.known.insert(id, text);
                }
            }
            if let Some(Around { id, markup, .. }) = whole {
                self.ready.push(Event::default().event(id).data(markup.into_string()));
            }
            if is_first {
                self.ready.push(Event::default().retry(RETRY));
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
        // A page that is followed while very much happens must not keep a processor busy.
        sleep(self.took * 3).await;
        // Events come in groups.
        let _ = timeout(SETTLE, async { while matches!(self.feed.next().await, Ok(Some(_))) {} }).await;
        true
    }
}

impl Around {
    fn holds(&self, id: &str) -> bool {
        self.markup.0.contains(&format!(" id=\"{id}\""))
    }
}

/// A place among those that may follow at once.
fn place(streams: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    Arc::clone(streams).try_acquire_owned().map_err(|_| {
        Error::new(Code::TargetUnavailable, format!("{STREAMS_MAX} pages are followed already"))
            .hint("close some of them; every page shows how things are when it is loaded")
    })
}

/// A piece without what stands in its `time` elements, and without its `data` elements. Text from outside has no `<`
/// in it.
fn ageless(piece: &str) -> String {
    let mut kept = String::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((before, after)) = rest.split_once('<') {
        kept.push_str(before);
        kept.push('<');
        rest = after;
        if let Some(time) = after.strip_prefix("time ") {
            let (tag, inside) = time.split_once('>').unwrap_or((time, ""));
            kept.push_str(tag);
            rest = inside.split_once("</time>").map_or("", |(_, after)| after);
        } else if let Some(data) = after.strip_prefix("data ") {
            rest = data.split_once("</data>").map_or("", |(_, after)| after);
        }
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_no_difference_and_everything_else_is() {
        let piece = |at: &str, age: &str, end: &str| {
            format!(
                "<p>up <time datetime=\"{at}\">{age}</time> and <time datetime=\"{at}\">{age}</time>{end}</p>"
            )
        };
        let known = ageless(&piece("9:00", "3 s", "."));
        assert_eq!(known, ageless(&piece("9:00", "4 m", ".")));
        assert_ne!(known, ageless(&piece("9:01", "3 s", ".")));
        assert_ne!(known, ageless(&piece("9:00", "3 s", "!")));
        let used = |memory: &str| ageless(&format!("<td><data value=\"{memory}\">{memory} B</data></td>"));
        assert_eq!(used("7"), used("8"));
        assert_eq!(ageless("<p>&lt;time x&gt;3</p>"), "<p>&lt;time x&gt;3</p>");
    }

    #[test]
    fn only_so_many_pages_are_followed_and_a_closed_one_makes_room() {
        let streams = Arc::new(Semaphore::new(1));
        let held = place(&streams).unwrap();
        let refused = place(&streams).unwrap_err();
        assert_eq!(refused.code(), Code::TargetUnavailable);
        drop(held);
        assert!(place(&streams).is_ok());
    }
}
