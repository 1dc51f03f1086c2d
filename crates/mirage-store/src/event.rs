//! The event log.

use jiff::Timestamp;
use mirage_core::{DeploymentId, Event, Result, ServiceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, Transaction};

use crate::column::{Columns, micros, text, to_json};
use crate::store::{Store, Tx, failed};

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only about this service.
    pub service: Option<ServiceId>,
    /// Only about this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only of this kind, by its name in JSON.
    pub kind: Option<String>,
    /// Only by this one.
    pub actor: Option<String>,
    /// Only at or after this time.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    /// Only what was asked for stands in the question, so that the index that fits it is used.
    pub(crate) fn question(
        &self,
        (bound, number): (&str, i64),
        order: &str,
        limit: u32,
    ) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT * FROM event WHERE number ");
        query.push(bound).push_bind(number);
        if let Some(service) = self.service {
            query.push(" AND service_id = ").push_bind(text(service));
        }
        if let Some(deployment) = self.deployment {
            query.push(" AND deployment_id = ").push_bind(text(deployment));
        }
        if let Some(kind) = &self.kind {
            query.push(" AND json_extract(kind, '$.type') = ").push_bind(kind.clone());
        }
        if let Some(actor) = &self.actor {
            query.push(" AND actor = ").push_bind(actor.clone());
        }
        if let Some(since) = self.since {
            query.push(" AND time >= ").push_bind(micros(since));
        }
        if let Some(until) = self.until {
            query.push(" AND time < ").push_bind(micros(until));
        }
        query.push(" ORDER BY number ").push(order).push(" LIMIT ").push_bind(limit);
        query
    }
}

impl Store {
    /// Events that follow number `after`, oldest first, at most `limit`.
    pub async fn events(&self, filter: &EventFilter, after: i64, limit: u32) -> Result<Vec<Event>> {
        self.wanted_events(filter.question(("> ", after), "ASC", limit)).await
    }

    /// The newest events before number `before`, oldest first, at most `limit`.
    pub async fn events_before(&self, filter: &EventFilter, before: i64, limit: u32) -> Result<Vec<Event>> {
        let mut events = self.wanted_events(filter.question(("< ", before), "DESC", limit)).await?;
        events.reverse();
        Ok(events)
    }

    async fn wanted_events(&self, mut question: QueryBuilder<Sqlite>) -> Result<Vec<Event>> {
        let rows = question
            .build()
            .fetch_all(&self.reader)
            .await
            .map_err(|error| failed("read the events", error))?;
        rows.iter().map(event).collect()
    }

    /// The number of the newest event, 0 where there is none.
    pub async fn newest_event(&self) -> Result<i64> {
        sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM event")
            .fetch_one(&self.reader)
            .await
            .map_err(|error| failed("read the events", error))
    }
}

impl Tx {
    /// Takes those of the oldest `limit` events out that are older than `before`, and answers how many. The database
    /// itself refuses to let go of what is not 400 days older than its newest event.
    pub async fn forget_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM event WHERE number IN (
                SELECT number FROM (SELECT number, time FROM event ORDER BY number LIMIT ?2)
                WHERE time < min(?1, (SELECT time - 400 * 86400000000 FROM event ORDER BY number DESC LIMIT 1)))",
        )
            .bind(micros(before))
            .bind(limit)
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("forget old events", error))?;
        if done.rows_affected() > 0 {
            self.writes.add("forget_events");
        }
        Ok(done.rows_affected())
    }
}

pub(crate) async fn insert(tx: &mut Transaction<'static, Sqlite>, event: &Event) -> Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO event (time, actor, service_id, deployment_id, kind) VALUES (?, ?, ?, ?, ?) RETURNING number",
    )
    .bind(micros(event.time))
    .bind(&event.actor)
    .bind(event.service.map(text))
    .bind(event.deployment.map(text))
    .bind(to_json(&event.kind)?)
    .fetch_one(&mut **tx)
    .await
    .map_err(|error| failed("write an event", error))
}

fn event(row: &SqliteRow) -> Result<Event> {
    Ok(Event {
        number: row.raw("number")?,
        time: row.time("time")?,
        actor: row.raw("actor")?,
        service: row.maybe_parsed("service_id")?,
        deployment: row.maybe_parsed("deployment_id")?,
        kind: row.json("kind")?,
    })
}
