//! Facts, as they happen.

use jiff::{SignedDuration, Timestamp};
use mirage_core::{Code, DeploymentId, EVENT_KINDS, Error, Event, Result};
use mirage_store::EventFilter;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::Control;
use crate::Listing;
use crate::access::{Action, Actor};
use crate::find::ServiceRef;
use crate::parts::Parts;
use crate::search::slips;

/// How long events are kept: the log is the audit log too.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Events that are forgotten at a time.
const FORGOTTEN: u32 = 5_000;

/// Events that are read from the database at a time.
const BATCH: u32 = 500;

/// Which events are wanted; what is absent does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventSearch {
    /// About this service.
    pub service: Option<ServiceRef>,
    /// About this deployment.
    pub deployment: Option<DeploymentId>,
    /// Of this kind, by its name in JSON, such as `serviceScaled`.
    pub kind: Option<String>,
    /// By this one.
    pub actor: Option<String>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// Events from a number on: first those that were, then those that come, none twice and none missed.
pub struct EventFeed {
    control: Control,
    filter: EventFilter,
    last: i64,
    /// The newest number that was heard of, wanted or not.
    heard: i64,
    ready: std::collections::VecDeque<Event>,
    live: broadcast::Receiver<Event>,
    caught_up: bool,
}

impl Control {
    /// Events that follow number `after` (`None`: only new ones).
    pub async fn events(&self, actor: &Actor, search: &EventSearch, after: Option<i64>) -> Result<EventFeed> {
        self.allow(actor, Action::Read)?;
        let filter = self.event_filter(search).await?;
        // Listening begins before the database is read, so that nothing falls between.
        let live = self.parts.events.subscribe();
        let last = match after {
            Some(number) => number,
            None => self.parts.store.newest_event().await?,
        };
        Ok(EventFeed {
            control: self.clone(),
            filter,
            last,
            heard: last,
            ready: std::collections::VecDeque::new(),
            live,
            caught_up: false,
        })
    }

    /// Events that were, oldest first, at most `limit`: those that follow number `after`, without it the
    /// newest ones.
    pub async fn past_events(
        &self,
        actor: &Actor,
        search: &EventSearch,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Event>> {
        self.allow(actor, Action::Read)?;
        let filter = self.event_filter(search).await?;
        match after {
            Some(number) => self.parts.store.events(&filter, number, limit).await,
            None => self.parts.store.events_before(&filter, i64::MAX, limit).await,
        }
    }

    /// Events that were before number `before`, oldest first, at most `limit`: the newest of them.
    pub async fn events_before(
        &self,
        actor: &Actor,
        search: &EventSearch,
        before: i64,
        limit: u32,
    ) -> Result<Listing<Event>> {
        self.allow(actor, Action::Read)?;
        let filter = self.event_filter(search).await?;
        let mut found = self.parts.store.events_before(&filter, before, limit.saturating_add(1)).await?;
        // One more was asked for; it is the oldest.
        found.reverse();
        let mut page = Listing::of(found, limit);
        page.items.reverse();
        Ok(page)
    }

    async fn event_filter(&self, search: &EventSearch) -> Result<EventFilter> {
        if let Some(kind) = search.kind.as_deref().filter(|kind| !is_kind(kind)) {
            return Err(no_kind(kind));
        }
        let service = match &search.service {
            Some(wanted) => Some(self.find(wanted).await?.id),
            None => None,
        };
        Ok(EventFilter {
            service,
            deployment: search.deployment,
            kind: search.kind.clone(),
            actor: search.actor.clone(),
            since: search.since,
            until: search.until,
        })
    }
}

fn is_kind(text: &str) -> bool {
    EVENT_KINDS.iter().any(|(name, _)| *name == text)
}

fn no_kind(text: &str) -> Error {
    let error = Error::new(Code::InvalidRequest, format!("there is no kind of event `{text}`")).field("kind");
    let near = EVENT_KINDS.map(|(name, _)| name).into_iter();
    let near = near.filter_map(|name| Some((slips(&text.to_lowercase(), &name.to_lowercase())?, name)));
    match near.min() {
        Some((_, name)) => error.hint(format!("did you mean `{name}`?")),
        None => {
            error.hint("kinds look like `serviceScaled`; `mirage events --json` shows the `type` of each")
        }
    }
}

/// Takes events out that are older than they have to be kept.
#[derive(Debug, Default)]
pub(crate) struct Forgetting {
    before: Option<Timestamp>,
}

impl Forgetting {
    /// Forgets what was too old at the last look too, which should be an hour ago: a clock that is years ahead for a
    /// while must not cost the log.
    pub(crate) async fn round(&mut self, parts: &Parts) -> Result<()> {
        let Ok(now) = parts.clock.now().checked_sub(KEPT) else { return Ok(()) };
        let Some(before) = self.before.replace(now) else { return Ok(()) };
        let mut tx = parts.store.begin().await?;
        tx.forget_events(before.min(now), FORGOTTEN).await?;
        tx.commit().await.map(drop)
    }
}

impl EventFeed {
    /// The next event. `None` when the platform stops.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last = event.number;
                return Ok(Some(event));
            }
            if !self.caught_up {
                let found = self.control.parts.store.events(&self.filter, self.last, BATCH).await?;
                self.caught_up = found.is_empty();
                self.ready.extend(found);
                continue;
            }
            match self.live.recv().await {
                Ok(event) if event.number <= self.heard => {}
                Ok(event) => {
                    let missed = event.number - self.heard > 1;
                    self.heard = event.number;
                    match missed {
                        // Somebody decided, and went away before it was told.
                        true => self.caught_up = false,
                        false if event.number > self.last && self.wants(&event) => {
                            self.ready.push_back(event)
                        }
                        false => {}
                    }
                }
                Err(RecvError::Lagged(_)) => self.caught_up = false,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let EventFilter { service, deployment, kind, actor, since, until } = &self.filter;
        (service.is_none() || *service == event.service)
            && (deployment.is_none() || *deployment == event.deployment)
            && kind.as_deref().is_none_or(|kind| kind == event.kind.name())
            && actor.as_ref().is_none_or(|actor| *actor == event.actor)
            && since.is_none_or(|since| event.time >= since)
            && until.is_none_or(|until| event.time < until)
    }
}
