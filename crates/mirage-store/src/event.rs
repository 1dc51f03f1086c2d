//! The event log.

use jiff::Timestamp;
use mirage_core::{DeploymentId, Event, Result, ServiceId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

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

/// What an event must be to be wanted; its parameters are bound in this order.
macro_rules! wanted {
    ($before:literal, $after:literal) => {
        concat!(
            "SELECT * FROM event WHERE ",
            $before,
            " AND (?2 IS NULL OR service_id = ?2) AND (?3 IS NULL OR deployment_id = ?3)
              AND (?4 IS NULL OR json_extract(kind, '$.type') = ?4) AND (?5 IS NULL OR actor = ?5)
              AND (?6 IS NULL OR time >= ?6) AND (?7 IS NULL OR time < ?7) ",
            $after
        )
    };
}

impl Store {
    /// Events that follow number `after`, oldest first, at most `limit`.
    pub async fn events(&self, filter: &EventFilter, after: i64, limit: u32) -> Result<Vec<Event>> {
        self.wanted_events(wanted!("number > ?1", "ORDER BY number LIMIT ?8"), filter, after, limit).await
    }

    /// The newest events before number `before`, oldest first, at most `limit`.
    pub async fn events_before(&self, filter: &EventFilter, before: i64, limit: u32) -> Result<Vec<Event>> {
        let newest = wanted!("number < ?1", "ORDER BY number DESC LIMIT ?8");
        let mut events = self.wanted_events(newest, filter, before, limit).await?;
        events.reverse();
        Ok(events)
    }

    async fn wanted_events(
        &self,
        query: &'static str,
        filter: &EventFilter,
        number: i64,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let rows = sqlx::query(query)
            .bind(number)
            .bind(filter.service.map(text))
            .bind(filter.deployment.map(text))
            .bind(&filter.kind)
            .bind(&filter.actor)
            .bind(filter.since.map(micros))
            .bind(filter.until.map(micros))
            .bind(limit)
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
    /// Takes events out that are older than `before`, at most `limit`, and answers how many. The database
    /// itself refuses to let go of what is not 400 days older than its newest event.
    pub async fn forget_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        let done = sqlx::query(
            "DELETE FROM event WHERE number IN (
                SELECT number FROM event
                WHERE time < min(?1, (SELECT time - 400 * 86400000000 FROM event ORDER BY number DESC LIMIT 1))
                ORDER BY number LIMIT ?2)",
        )
            .bind(micros(before))
            .bind(limit)
            .execute(&mut *self.inner)
            .await
            .map_err(|error| failed("forget old events", error))?;
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
