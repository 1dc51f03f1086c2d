//! The event log, and those who follow it.

use std::task::Poll;

use jiff::SignedDuration;
use mirage_core::Event;
use mirage_store::EventFilter;

use super::*;
use crate::events::Forgetting;
use crate::{EventFeed, EventSearch};

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Stage {
    async fn follow(&self) -> EventFeed {
        self.control.events(&self.actor, &EventSearch::default(), None).await.unwrap()
    }

    fn event(&self) -> Event {
        self.actor.event(self.clock.now(), None, EventKind::ServiceCreated)
    }

    /// Writes an event of which nobody is told; answers with what there would be to tell.
    async fn write(&self) -> Vec<Event> {
        let mut tx = self.store.begin().await.unwrap();
        tx.append(self.event()).await.unwrap();
        tx.commit().await.unwrap()
    }

    async fn kept(&self) -> usize {
        self.store.events(&EventFilter::default(), 0, 100).await.unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_told_of_is_not_missed_and_none_comes_twice() {
    let stage = Stage::new().await;
    let mut feed = stage.follow().await;
    let untold = stage.write().await;
    stage.control.parts.announce(stage.write().await);
    // Two who decided one after the other may tell of it the other way round.
    stage.control.parts.announce(untold);
    stage.control.parts.announce(stage.write().await);
    for number in 1..=3 {
        assert_eq!(feed.next().await.unwrap().unwrap().number, number);
    }
}

#[tokio::test(start_paused = true)]
async fn who_follows_hears_of_a_decision_whose_caller_went_away_in_the_middle_of_it() {
    let stage = Stage::new().await;
    let mut feed = stage.follow().await;
    // Now and then the database is done before it is looked at, or has not begun.
    while stage.kept().await == 0 {
        let mut tx = stage.store.begin().await.unwrap();
        tx.append(stage.event()).await.unwrap();
        let mut commit = Box::pin(tx.commit());
        let pending = std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_pending()));
        if !pending.await {
            stage.control.parts.announce_newest().await.unwrap();
            break;
        }
        drop(commit);
        drop(stage.store.begin().await.unwrap());
    }
    assert_eq!(feed.next().await.unwrap().unwrap().number, 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_years_ahead_for_a_while_does_not_cost_the_log() {
    let stage = Stage::new().await;
    stage.write().await;
    let mut forgetting = Forgetting::default();
    forgetting.round(&stage.control.parts).await.unwrap();
    stage.clock.set_ahead(Duration::from_secs(500 * 86_400));
    stage.write().await;
    forgetting.round(&stage.control.parts).await.unwrap();
    assert_eq!(stage.kept().await, 2, "it was not too old an hour ago");
    stage.clock.set_back(Duration::from_secs(500 * 86_400));
    forgetting.round(&stage.control.parts).await.unwrap();
    assert_eq!(stage.kept().await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_400_days_is_forgotten() {
    let stage = Stage::new().await;
    let mut tx = stage.store.begin().await.unwrap();
    for age in [401, 399, 0] {
        tx.append(Event { time: stage.clock.now() - DAY * age, ..stage.event() }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut forgetting = Forgetting::default();
    for kept in [3, 2, 2] {
        forgetting.round(&stage.control.parts).await.unwrap();
        assert_eq!(stage.kept().await, kept);
    }
}
